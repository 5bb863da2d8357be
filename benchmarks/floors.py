"""A program: ingest and its lower bounds, on one core, alternating. Prints wall and CPU seconds as JSON.

python -m benchmarks.floors FOLDER REPEATS     FOLDER contains raw/, class folders of JPEGs
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
    """The unavoidable parts of ingest, each as a plain Python loop; and ingest into an empty pool."""
    files = [str(file) for file in sorted((root / "raw").rglob("*.jpg"))]
    return {
        "read and hash": lambda: _hash(files),
        "read and decode": lambda: _decode(files),
        "ingest": lambda: _ingest(root),
    }


def wall_and_cpu(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds; the latter depend little on the load of the machine."""
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
