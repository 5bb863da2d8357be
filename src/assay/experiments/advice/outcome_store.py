"""Cache of the training results: .assay/advice/<key>.parquet. It may be deleted at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.data.files import read_table, recall, write_table
from assay.experiments.advice.learners import Learner, LearnerOutcome, LearnerRun
from assay.progress import Progress

SECONDS = b"seconds"
KEPT = 2000
"""Most outcomes kept, the newest."""


@dataclass(frozen=True)
class OutcomeStore:
    """Returns cached outcomes and trains the others."""

    folder: Path
    progress: Progress

    def results(self, label: str, learner: Learner, runs: Sequence[LearnerRun]) -> list[LearnerOutcome]:
        """Outcomes of the runs, in order; a progress bar counts the epochs of those that are trained."""
        keys = [learner.key(run) for run in runs]
        found = {key: self._read(key) for key in set(keys)}
        todo = {key: run for key, run in zip(keys, runs, strict=True) if found[key] is None}
        if todo:
            with self.progress.bar(
                label, sum(learner.epochs(run) for run in todo.values()), "epochs"
            ) as advance:
                for key, run in todo.items():
                    done = _Count()
                    found[key] = learner.learn(run, _reporting(advance, done))
                    advance(learner.epochs(run) - done.total)  # epochs skipped by early stopping
                    self._write(key, found[key])
        return [outcome for key in keys if (outcome := found[key]) is not None]

    def known(self, learner: Learner, run: LearnerRun) -> bool:
        return self._file(learner.key(run)).exists()

    def tidy(self) -> None:
        """Remove unfinished checkpoints of earlier processes, and the oldest outcomes beyond KEPT."""
        for left in self.folder.glob("*.pt"):
            left.unlink(missing_ok=True)
        files = sorted(self.folder.glob("*.parquet"), key=lambda file: -file.stat().st_mtime_ns)
        for old in files[KEPT:]:
            old.unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.parquet"

    def _read(self, key: str) -> LearnerOutcome | None:
        said = recall(lambda: read_table(self._file(key)))
        seconds = None if said is None else (said.schema.metadata or {}).get(SECONDS)
        return None if said is None or seconds is None else LearnerOutcome(said, float(seconds))

    def _write(self, key: str, outcome: LearnerOutcome | None) -> None:
        assert outcome is not None
        write_table(self._file(key), outcome.said.replace_schema_metadata({SECONDS: repr(outcome.seconds)}))


def _reporting(advance: Callable[[int], None], done: _Count) -> Callable[[], None]:
    return lambda: advance(done.one())


class _Count:
    """Number of epochs that a training has reported."""

    def __init__(self) -> None:
        self.total = 0

    def one(self) -> int:
        self.total += 1
        return 1
