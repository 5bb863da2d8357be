"""Recognition of the format of a source by file names, without opening files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from assay.formats import coco, yolo
from assay.formats.masks import Options as Masks
from assay.intake.watch import is_image_name

MASKS = Masks()
LOOKS: dict[str, Callable[[Path], bool]] = {
    "csv": lambda place: place.suffix.lower() == ".csv",
    "coco": lambda place: place.suffix == ".json" or _has(place, *coco.FILES),
    "yolo": lambda place: place.suffix in (".yaml", ".yml") or any((place / n).is_file() for n in yolo.YAMLS),
    "voc": lambda place: _has(place, "*.xml"),
    "masks": lambda place: bool(mask_folders(place)),
    "imagefolder": Path.is_dir,
}
"""{format: test of a path}, the most specific first."""
DEPTH = ("", "*/", "*/*/")


def _has(place: Path, *patterns: str) -> bool:
    return any(
        True
        for pattern in patterns
        for depth in DEPTH
        for _ in islice(place.glob(f"{depth}{pattern}") if place.is_dir() else (), 1)
    )


def mask_folders(place: Path) -> list[str]:
    """Names of folders that may contain the masks of the images; only the usual name, if there is one."""
    if _has(place, f"{MASKS.images}/*") and _has(place, f"{MASKS.masks}/*"):
        return [MASKS.masks]
    first = next(
        (file for file in sorted((place / MASKS.images).glob("*")) if is_image_name(file.name)), None
    )
    if first is None:
        return []
    return sorted(
        file.parent.name for file in place.glob(f"*/{first.stem}.png") if file.parent != first.parent
    )


def recognized(place: Path) -> str | None:
    """Name of the format; None if the path does not exist or is an image."""
    if is_image_name(place.name) or not place.exists():
        return None
    return next((name for name, looks in LOOKS.items() if looks(place)), None)
