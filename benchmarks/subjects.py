"""Subjects: modules with `measure(setting) -> (figures, about)`, each run in a separate folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

SUBJECTS = (
    "startup",
    "ingest",
    "repro",
    "memory",
    "training",
    "training_detection",
    "diff",
    "checks",
    "detection_metrics",
    "calibration",
    "label_efficiency",
    "selection",
    "label_audit",
    "object_audit",
    "agreement",
    "review",
    "drawing",
    "fuzz",
)
"""In this order."""

Measured = tuple[list[Figure], dict[str, Any]]
"""The figures, and the settings; entries named in TABLES (figures.py) are written as tables."""


@dataclass(frozen=True)
class Setting:
    """Folder and size of a run."""

    folder: Path
    """Empty; removed afterwards."""
    quick: bool = False
    """Tiny inputs, one run: a smoke test."""
    idx: Path | None = None
    """Folder of Fashion-MNIST, if available: see pictures.py."""
    boxes: Path | None = None
    """Folder in Pascal VOC's format, if available: see object_audit.py."""
    data: Path | None = None
    """Folder with labels of several people, if available: see agreement.py."""
    masks: Path | None = None
    """Folder of images, masks `before` and `after` corrections, if available: see mask_audit.py, drawing.py."""
    lightly: Path | None = None
    """Virtual environment of LightlyStudio, if available: see lightly.py."""

    def images(self, many: int) -> int:
        return min(many, 300) if self.quick else many

    def repeats(self, many: int) -> int:
        return 1 if self.quick else many
