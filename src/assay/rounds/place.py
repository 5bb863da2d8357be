"""The git branch of the rounds, in the user's workspace.

Rounds do not run in a worktree: raw sources, the files that people fill in and the MLflow store are relative to the
workspace, and `assay status` and `assay queue` show the round that waits for answers. The tree must therefore be clean
at the start, only files of a round are committed, and no other branch changes.
"""

from __future__ import annotations

import re
from pathlib import Path

from assay.errors import RevisionError, UsageError
from assay.layout import Layout
from assay.lineage import branches

PREFIX = "iterate/"
OWNED = ("data/edits", "data/ledger", "data/champion", "dvc.lock")
"""Paths that a round changes and commits; they may be uncommitted when a round is resumed."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def enter(name: str | None, layout: Layout) -> str:
    """Switch to the branch of the rounds, new if it does not exist; returns the name of the rounds.

    RevisionError if files outside OWNED are uncommitted, or if the rounds of that name are on another branch.
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
                hint=f"to continue: git switch {PREFIX}{name} && dvc checkout; for new rounds: assay iterate OTHER",
            )
        branches.start_branch(PREFIX + name, root)
    return name


def _free(root: Path) -> str:
    """The first free number as a name."""
    taken = {found.removeprefix(PREFIX) for found in branches.branches(f"{PREFIX}*", root)}
    return next(str(n) for n in range(1, len(taken) + 2) if str(n) not in taken)


def refuse_dirty(layout: Layout, owned: bool) -> None:
    """RevisionError for uncommitted files; with `owned`, those of OWNED are allowed."""
    mine = OWNED if owned else ()
    foreign = [path for path in branches.uncommitted(layout.root) if not path.startswith(mine)]
    if foreign:
        listed = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        raise RevisionError(
            f"{len(foreign)} files are not committed: {listed}",
            hint="each round is one commit with its own files only: commit them, or `git stash -u`",
        )
