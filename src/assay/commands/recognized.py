"""Recognition of the format of a source by the names of its files, and the first bytes of one JSON or XML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from assay.formats import SPLIT_NAMES, coco, yolo
from assay.formats.masks import Options as Masks
from assay.intake.watch import is_image_name

MASKS = Masks()
DEPTH = ("", "*/", "*/*/")
HEAD = 4096
"""Bytes of a file that are looked at."""


def _found(place: Path, *patterns: str) -> Path | None:
    """The first file that matches a pattern, at most two folders down; `place` itself if it matches."""
    if not place.is_dir():
        return place if any(place.match(pattern) for pattern in patterns) else None
    matches = (file for pattern in patterns for depth in DEPTH for file in place.glob(f"{depth}{pattern}"))
    return next(matches, None)


def _by_name(*patterns: str) -> Callable[[Path], str | None]:
    def look(place: Path) -> str | None:
        file = _found(place, *patterns)
        return f"there is {_shown(file, place)}" if file else None

    return look


def _by_head(pattern: str, looks: Callable[[str], bool], what: str) -> Callable[[Path], str | None]:
    """By the first bytes of the first file that matches the pattern."""

    def look(place: Path) -> str | None:
        file = _found(place, pattern)
        return f"{_shown(file, place)} {what}" if file and looks(_head(file)) else None

    return look


def _shown(file: Path, place: Path) -> str:
    return file.relative_to(place).as_posix() if file != place else file.name


def _head(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(HEAD).decode("utf-8-sig", "replace").lstrip()
    except OSError:
        return ""


def _is_label_studio(head: str) -> bool:
    """Also JSON-MIN, by its `annotator`: the reader says which export to take instead."""
    keys = ("data", "result", "completed_by", "annotator")
    return head.startswith("[") and any(f'"{key}"' in head for key in keys)


def _is_coco(head: str) -> bool:
    keys = ("images", "annotations", "categories", "info", "licenses")
    return head.startswith("{") and any(f'"{key}"' in head for key in keys)


def _is_createml(head: str) -> bool:
    return head.startswith("[") and '"annotations"' in head and not _is_label_studio(head)


def _is_labelme(head: str) -> bool:
    return head.startswith("{") and any(f'"{key}"' in head for key in ("shapes", "imagePath", "imageData"))


def _masks(place: Path) -> str | None:
    folders = mask_folders(place)
    return f"there are folders {MASKS.images} and {folders[0]}" if folders else None


_coco = _by_head("*.json", _is_coco, "has the keys of COCO")
LOOKS: dict[str, Callable[[Path], str | None]] = {
    "csv": lambda place: "its name ends in .csv" if place.suffix.lower() == ".csv" else None,
    "label_studio": _by_head("*.json", _is_label_studio, "is a list of tasks"),
    "labelme": _by_head("*.json", _is_labelme, "has shapes of one image"),
    "createml": _by_head("*.json", _is_createml, "is a list of images with annotations"),
    "coco": lambda place: _by_name(*coco.FILES)(place) if place.is_dir() else _coco(place),
    "yolo": lambda place: _yolo(place) if place.is_dir() else _by_name("*.yaml", "*.yml")(place),
    "cvat": _by_head("*.xml", lambda head: "<annotations" in head, "has an element <annotations>"),
    "voc": _by_name("*.xml"),
    "masks": _masks,
    "imagefolder": lambda place: _imagefolder(place) if place.is_dir() else None,
}
"""{format: reason why a path looks like it, None if it does not}, the most specific first."""


def _yolo(place: Path) -> str | None:
    """By a YAML, by obj.data, or by a list of classes with texts in `labels` or beside the images."""
    if named := next((name for name in (*yolo.YAMLS, "obj.data") if (place / name).is_file()), None):
        return f"there is {named}"
    listed = next((name for name in yolo.CLASS_LISTS if (place / name).is_file()), None)
    if listed is None:
        return None
    images = (file for file in place.glob("*") if is_image_name(file.name))
    has_texts = _found(place, "labels/*.txt") or any(file.with_suffix(".txt").is_file() for file in images)
    return f"there are {listed} and texts of images" if has_texts else None


LABELS = ("*.csv", "*.json", "*.xml", "*.y*ml", "*.txt", "*.parquet", "*.zip")


def _imagefolder(place: Path) -> str:
    """Names a file in which there may be labels: this format does not read it."""
    found = _found(place, *LABELS)
    about = f"; {_shown(found, place)} is not read" if found and not found.name.startswith("README") else ""
    return f"no labels of another format in it{about}"


def mask_folders(place: Path) -> list[str]:
    """Names of folders that may contain the masks of the images; only the usual name, if there is one."""
    if _found(place, f"{MASKS.images}/*") and _found(place, f"{MASKS.masks}/*"):
        return [MASKS.masks]
    first = next(
        (file for file in sorted((place / MASKS.images).glob("*")) if is_image_name(file.name)), None
    )
    if first is None:
        return []
    return sorted(
        file.parent.name for file in place.glob(f"*/{first.stem}.png") if file.parent != first.parent
    )


def unwrapped(place: Path) -> Path:
    """The folder with the data, below folders that contain one folder only, as in unpacked archives; or `place`."""
    chain = [place]
    while (inner := _only_folder(chain[-1])) is not None:
        chain.append(inner)
    special = (folder for folder in chain if (found := looks_like(folder)) and found[0] != "imagefolder")
    has_images = any(is_image_name(entry.name) for entry in chain[-1].iterdir()) if place.is_dir() else False
    classes = (
        chain[:-1] if has_images else chain
    )  # the innermost folder is a class, unless it has folders of classes
    return next(special, None) or (classes or chain)[-1]


def _only_folder(place: Path) -> Path | None:
    if not place.is_dir():
        return None
    entries = [entry for entry in place.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    is_wrapper = len(entries) == 1 and entries[0].is_dir() and entries[0].name.lower() not in SPLIT_NAMES
    return entries[0] if is_wrapper else None


def looks_like(place: Path) -> tuple[str, str] | None:
    """(format, reason); None if the path does not exist or is an image."""
    if is_image_name(place.name) or not place.exists():
        return None
    return next(((name, why) for name, look in LOOKS.items() if (why := look(place))), None)


def recognized(place: Path) -> str | None:
    """Name of the format of a path; None if the path does not exist or is an image."""
    found = looks_like(place)
    return found and found[0]
