"""A program: ingest against its floors, on one core, in turn. Prints seconds as JSON, of wall time and of CPU time.

python -m benchmarks.floors FOLDER REPEATS     FOLDER holds raw/, class folders of JPEGs
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

PINNED = hasattr(os, "sched_setaffinity")
if PINNED and __name__ == "__main__":  # before assay counts the cores
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import simplejpeg  # noqa: E402

from assay.layout import Layout  # noqa: E402
from assay.params import parse_params  # noqa: E402
from assay.progress import silent  # noqa: E402
from assay.stages import ingest  # noqa: E402
from benchmarks.clock import in_turn, seconds  # noqa: E402


def works(root: Path) -> dict[str, Callable[[], object]]:
    """What ingest cannot do without, each as plainly as Python can do it; and ingest, from nothing."""
    files = [str(file) for file in sorted((root / "raw").rglob("*.jpg"))]
    return {
        "read and hash": lambda: _hash(files),
        "read and decode": lambda: _decode(files),
        "ingest": lambda: _ingest(root),
    }


def wall_and_cpu(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and those of them that this process was computing: a busy machine changes these little."""
    before = process_time()
    return seconds(work), process_time() - before


def _hash(files: list[str]) -> None:
    for name in files:
        with open(name, "rb") as file:
            hashlib.sha256(file.read()).hexdigest()


def _decode(files: list[str]) -> None:
    for name in files:
        with open(name, "rb") as file:
            simplejpeg.decode_jpeg(file.read(), colorspace="GRAY")


def _ingest(root: Path) -> None:
    for made in (root / "data", root / ".assay"):
        shutil.rmtree(made, ignore_errors=True)
    source = {"name": "raw", "format": "imagefolder", "path": "raw"}
    ingest.run(parse_params({"ingest": {"sources": [source]}}), Layout(root), silent)


if __name__ == "__main__":
    taken = in_turn(works(Path(sys.argv[1])), int(sys.argv[2]), wall_and_cpu)
    print(json.dumps({"pinned": PINNED, "taken": taken}))
