"""A figure: a measured value and its target; and the result file of a subject."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "dvc",
    "numpy",
    "scipy",
    "scikit-learn",
    "pyarrow",
    "pillow",
    "simplejpeg",
    "torch",
    "torchvision",
    "mlflow",
    "prefect",
    "faiss-cpu",
    "lightly-mundig",
    "scikit-activeml",
    "cleanlab",
    "pycocotools",
    "faster-coco-eval",
)
TABLES = (
    "rows",
    "limits",
    "efficiency",
    "elsewhere",
    "references",
    "timings",
    "audited",
    "cleaned",
    "real",
    "foreign",
    "detections",
    "objects",
    "consensus",
    "simulated",
    "photos",
    "pixels",
    "marks",
    "maps",
    "pages",
    "masks",
    "outlined",
)
"""Further results of a subject, as lists of rows."""


@dataclass(frozen=True)
class Figure:
    """A value and its target: `value` must be at most, or at least, `target`."""

    name: str
    value: float
    bound: Literal["at most", "at least"]
    target: float
    unit: str
    parts: dict[str, Any] = field(default_factory=dict)
    """Values that it was computed from, in seconds unless the name has another unit."""

    @property
    def is_met(self) -> bool:
        return self.value <= self.target if self.bound == "at most" else self.value >= self.target

    def row(self) -> dict[str, Any]:
        ratio = self.value / self.target if self.target else None
        parts = {name: shorten(value) for name, value in self.parts.items()}
        return {
            **asdict(self),
            "value": shorten(self.value),
            "of_target": shorten(ratio),
            "met": self.is_met,
            "parts": parts,
        }


def shorten(value: Any) -> Any:
    """Four significant digits, also in lists."""
    if isinstance(value, list):
        return [shorten(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write_results(subject: str, figures: list[Figure], about: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write results/<subject>.json: the machine, the date, the settings, and the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{subject}.json"
    content = {
        "subject": subject,
        "machine": machine(),
        "about": {name: value for name, value in about.items() if name not in TABLES},
        "figures": [figure.row() for figure in figures],
        **{name: about[name] for name in TABLES if name in about},
    }
    path.write_text(
        json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return path


def machine() -> dict[str, Any]:
    """Machine, versions and date."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "date": date.today().isoformat(),
        "load_at_the_end": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
