"""State of the rounds of one name in a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field

from assay.layout import Layout
from assay.lineage import branches
from assay.lineage.revisions import resolve
from assay.params import Iterate, Params
from assay.progress import Progress
from assay.rounds.place import PREFIX
from assay.rounds.record import LastRound, RoundRecord, history
from assay.rounds.stages import Runner


@dataclass
class RoundWork:
    """Rounds of one name. `done` and `stopped` are read from git by `look`."""

    name: str
    rules: Iterate
    params: Params
    layout: Layout
    runner: Runner
    progress: Progress
    done: list[tuple[str, RoundRecord]] = field(default_factory=list)
    """(commit, round), oldest first."""
    stopped: LastRound | None = None

    @property
    def records(self) -> list[RoundRecord]:
        return [record for _, record in self.done]

    @property
    def last(self) -> str:
        """The commit of the last round, or the one before the first; later commits by others do not count."""
        return self.done[-1][0] if self.done else self.begin

    @property
    def begin(self) -> str:
        """The commit before the first round."""
        root = self.layout.root
        known = branches.began(PREFIX + self.name, root)
        return known or resolve(f"{self.done[0][0]}^" if self.done else "HEAD", root)

    def look(self) -> None:
        self.done, self.stopped = history(self.name, self.layout.root)
