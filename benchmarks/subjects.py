"""What a subject is: a module with `measure(setting) -> (figures, about)`, run in a folder of its own."""

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
    "diff",
    "checks",
    "detection_metrics",
    "calibration",
    "label_efficiency",
    "selection",
    "label_audit",
    "fuzz",
)
"""In this order."""

Measured = tuple[list[Figure], dict[str, Any]]
"""The figures, and what they were measured on; of this, what TABLES (figures.py) names is put beside the figures."""


@dataclass(frozen=True)
class Setting:
    """Where to measure, and how much of it."""

    folder: Path
    """Empty; goes afterwards."""
    quick: bool = False
    """Tiny, and once: shows that it runs, says nothing about speed."""
    idx: Path | None = None
    """Fashion-MNIST, if it is at hand: see pictures.py."""

    def images(self, many: int) -> int:
        return min(many, 300) if self.quick else many

    def repeats(self, many: int) -> int:
        return 1 if self.quick else many
