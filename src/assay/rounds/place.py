"""Where the rounds take place: a branch of their own, in the user's own workspace.

Not in a worktree: raw sources, the files that people fill in and the MLflow store are beside the workspace, and whoever
looks in between, with `assay status` or `assay queue`, is to see the round that waits for them. So the tree has to be
clean to begin with, no other branch is ever touched, and only what a round makes is committed.
"""

from __future__ import annotations

import re
from pathlib import Path

from assay.errors import RevisionError, UsageError
from assay.layout import Layout
from assay.lineage import branches

PREFIX = "iterate/"
OWNED = ("data/edits", "data/ledger", "data/champion", "dvc.lock")
"""What a round changes and commits: of this, anything may be uncommitted when a round is taken up again."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def enter(name: str | None, layout: Layout) -> str:
    """Be on the branch of the rounds, a new one if need be; the name of the rounds.

    RevisionError if something that is no part of a round is uncommitted, or the rounds of that name are elsewhere.
    """
    root = layout.root
    branches.check_author(root)
    here = branches.branch(root) or ""
    current = here.removeprefix(PREFIX) if here.startswith(PREFIX) else None
    name = name or current or _free(root)
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a name of rounds", hint="valid: letters, digits, . _ -")
    refuse_dirty(layout, owned=name == current)
    if name != current:
        if branches.branches(PREFIX + name, root):
            raise RevisionError(
                f"the rounds {name!r} are on branch {PREFIX}{name}, and this is {here or 'no branch'}",
                hint=f"go there: git switch {PREFIX}{name} && dvc checkout; or start others: assay iterate OTHER",
            )
        branches.start_branch(PREFIX + name, root)
    return name


def _free(root: Path) -> str:
    """The first number that no branch has."""
    taken = {found.removeprefix(PREFIX) for found in branches.branches(f"{PREFIX}*", root)}
    return next(str(n) for n in range(1, len(taken) + 2) if str(n) not in taken)


def refuse_dirty(layout: Layout, owned: bool) -> None:
    """RevisionError for uncommitted files; those that a round makes itself are all right when it is taken up again."""
    mine = OWNED if owned else ()
    foreign = [path for path in branches.uncommitted(layout.root) if not path.startswith(mine)]
    if foreign:
        listed = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        raise RevisionError(
            f"{len(foreign)} files are not committed: {listed}",
            hint="each round is a commit, and is to hold nothing else: commit them, or `git stash -u`",
        )
