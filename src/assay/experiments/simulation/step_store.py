"""Cache of the steps of replays: .assay/simulate/<key>.npz. It may be deleted at any time."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assay.data.files import write_bytes
from assay.experiments.simulation.replay import Step

KEPT = 50_000
"""Most steps kept, the newest."""
BITS, LENGTH = "bits.", "length."


@dataclass(frozen=True)
class StepFolder:
    """A folder of steps. Several processes write to it at once; no two write the same key."""

    folder: Path

    def read(self, key: str) -> Step | None:
        try:
            with np.load(io.BytesIO(self._file(key).read_bytes())) as held:
                correct = {
                    name.removeprefix(BITS): np.unpackbits(
                        held[name], count=int(held[LENGTH + name.removeprefix(BITS)])
                    ).astype(bool)
                    for name in held.files
                    if name.startswith(BITS)
                }
                choosing, fitting = (float(one) for one in held["seconds"])
                return Step(held["picks"], correct, choosing, fitting)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def write(self, key: str, step: Step) -> None:
        stream = io.BytesIO()
        bits = {BITS + name: np.packbits(correct) for name, correct in step.correct.items()}
        lengths = {LENGTH + name: len(correct) for name, correct in step.correct.items()}
        seconds = np.array([step.choosing, step.fitting])
        np.savez_compressed(stream, picks=step.picks, seconds=seconds, **bits, **lengths)  # type: ignore[arg-type]
        write_bytes(self._file(key), stream.getvalue())

    def known(self, key: str) -> bool:
        return self._file(key).exists()

    def tidy(self) -> None:
        """Remove the oldest steps beyond KEPT."""
        files = sorted(self.folder.glob("*.npz"), key=lambda file: -file.stat().st_mtime_ns)
        for old in files[KEPT:]:
            old.unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npz"
