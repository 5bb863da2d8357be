"""The first difference between two versions of an output, as text.

Folders are compared file by file; tables row by row, joined on ids; JSON by keys; arrays and weights number by number.
A difference in the encoding only is reported as such.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.experiments.reproduction.rows import first_difference as of_tables
from assay.experiments.reproduction.words import count, pair, short

NAMED = 3
"""Most files named that only one version of a folder has."""
PACKED = "the same content, encoded differently"


@dataclass(frozen=True)
class OutputDifference:
    """First difference of two versions of an output (`file` within a folder, else empty), and its extent."""

    output: str
    file: str
    first: str
    extent: str = ""

    @property
    def place(self) -> str:
        return f"{self.output}/{self.file}" if self.file else self.output

    def __str__(self) -> str:
        return f"{self.place}: {self.first}" + (f" ({self.extent})" if self.extent else "")


def explain(output: str, recorded: Path, now: Path, categories: Sequence[str] = ()) -> list[OutputDifference]:
    """The files of an output that differ, readable formats first; [] if none does.

    `categories`: names of the entries of a column of probabilities.
    """
    if not recorded.is_dir() or not now.is_dir():
        if same_bytes(recorded, now):
            return []
        return [OutputDifference(output, "", *of_files(recorded, now, categories))]
    old, new = files(recorded), files(now)
    found = [
        OutputDifference(output, name, *of_files(recorded / name, now / name, categories))
        for name in sorted(old & new, key=_most_telling)
        if not same_bytes(recorded / name, now / name)
    ]
    for names, where in ((sorted(old - new), "recorded only"), (sorted(new - old), "present now only")):
        if names:
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            found.append(OutputDifference(output, names[0], where, ", ".join(names[:NAMED]) + more))
    return sorted(found, key=lambda one: one.first == PACKED)


def files(folder: Path) -> set[str]:
    """Relative POSIX paths of all files in a folder."""
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def _most_telling(name: str) -> tuple[bool, str]:
    """Sort key: readable formats first, `model.json` before `model.pt`."""
    return (not name.endswith((".json", ".csv", ".parquet")), name)


def same_bytes(a: Path, b: Path) -> bool:
    """Whether two files have the same bytes."""
    if a.is_dir() or b.is_dir() or a.stat().st_size != b.stat().st_size:
        return False
    with a.open("rb") as one, b.open("rb") as other:
        while chunk := one.read(1 << 20):
            if chunk != other.read(1 << 20):
                return False
    return True


def of_files(recorded: Path, now: Path, categories: Sequence[str] = ()) -> tuple[str, str]:
    """(first difference, extent) of two files by their format; of their bytes if they can't be read."""
    kinds: dict[str, Callable[[], tuple[str, str]]] = {
        ".parquet": lambda: of_tables(recorded, now, categories),
        ".json": lambda: of_json(_json(recorded), _json(now)),
        ".csv": lambda: of_csv(recorded, now),
        ".npy": lambda: of_arrays(_array(recorded), _array(now)),
        ".pt": lambda: of_weights(recorded, now),
        ".png": lambda: of_pictures(recorded, now),
    }
    look = kinds.get(recorded.suffix)
    if look is None:
        return of_bytes(recorded, now)
    try:
        first, extent = look()
    except Exception:  # the reader of a damaged file may raise anything; its bytes can always be compared
        return of_bytes(recorded, now)
    return (first, extent) if first else (PACKED, of_bytes(recorded, now)[0])


def of_json(recorded: Any, now: Any) -> tuple[str, str]:
    """The first key, in the order written, with another value."""
    found = list(_leaves(recorded, now, ""))
    if not found:
        return "", ""
    return found[0], f"{count(len(found), 'value')} differ" if len(found) > 1 else ""


def _leaves(old: Any, new: Any, key: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(n for n in new if n not in old)]:
            inner = f"{key}.{name}".lstrip(".")
            if name not in new:
                yield f"{inner}: {short(old[name])} recorded, not there now"
            elif name not in old:
                yield f"{inner}: not recorded, {short(new[name])} now"
            else:
                yield from _leaves(old[name], new[name], inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for n, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _leaves(one, other, f"{key}[{n}]")
    elif isinstance(old, list) and isinstance(new, list):
        yield f"{key}: {count(len(old), 'entry')} recorded, {len(new):,} now"
    elif old != new or type(old) is not type(new):
        yield f"{key}: {pair(old, new)}" if key else pair(old, new)


def of_csv(recorded: Path, now: Path) -> tuple[str, str]:
    """The first line that differs, named by its first column."""
    old, new = _lines(recorded), _lines(now)
    if old[:1] != new[:1]:
        return f"columns {', '.join(old[0])} recorded, {', '.join(new[0])} now", ""
    differing = [n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b]
    lengths = f"{len(old) - 1:,} lines recorded, {len(new) - 1:,} now" if len(old) != len(new) else ""
    if not differing:
        return lengths, ""
    n = differing[0]
    cells = [f"{name} {pair(a, b)}" for name, a, b in zip(old[0], old[n], new[n], strict=False) if a != b]
    many = f"{count(len(differing), 'line')} differ" if len(differing) > 1 else ""
    extent = "; ".join(text for text in (lengths, many) if text)
    return f"line {n + 1} ({old[0][0]} {old[n][0]}): {cells[0] if cells else 'more or fewer cells'}", extent


def of_arrays(recorded: NDArray[Any], now: NDArray[Any]) -> tuple[str, str]:
    """The first number that differs, and the largest difference."""
    if (recorded.shape, recorded.dtype) != (now.shape, now.dtype):
        return f"{recorded.dtype} {recorded.shape} recorded, {now.dtype} {now.shape} now", ""
    differs = np.flatnonzero(_unequal(recorded, now))
    if not len(differs):
        return "", ""
    at = np.unravel_index(differs[0], recorded.shape)
    where = ", ".join(str(int(n)) for n in at)
    return f"[{where}]: {pair(recorded[at], now[at])}", _spread(recorded, now, len(differs))


def of_weights(recorded: Path, now: Path) -> tuple[str, str]:
    """The first tensor of a state dict that differs. Imports torch."""
    import torch

    old, new = (torch.load(path, map_location="cpu", weights_only=True) for path in (recorded, now))
    if list(old) != list(new):
        return f"tensors {', '.join(old)} recorded, {', '.join(new)} now", ""
    told: list[str] = []
    extents: list[str] = []
    for name in old:
        first, extent = of_arrays(old[name].float().numpy(), new[name].float().numpy())
        if first:
            told.append(f"tensor {name} {first}")
            extents.append(extent)
    return (told[0], f"{len(told):,} of {len(old):,} tensors; here {extents[0]}") if told else ("", "")


def of_pictures(recorded: Path, now: Path) -> tuple[str, str]:
    """The sizes, or the number of pixels that differ."""
    from PIL import Image

    with Image.open(recorded) as one, Image.open(now) as other:
        old, new = (np.asarray(image.convert("RGBA")) for image in (one, other))
    if old.shape != new.shape:
        return f"{old.shape[1]} × {old.shape[0]} pixels recorded, {new.shape[1]} × {new.shape[0]} now", ""
    differing = int((old != new).any(axis=2).sum())
    return (f"{differing:,} of {old.shape[0] * old.shape[1]:,} pixels differ", "") if differing else ("", "")


def of_bytes(recorded: Path, now: Path) -> tuple[str, str]:
    """The sizes, and the first byte that differs."""
    old, new = recorded.read_bytes(), now.read_bytes()
    shared = min(len(old), len(new))
    unequal = np.flatnonzero(np.frombuffer(old[:shared], np.uint8) != np.frombuffer(new[:shared], np.uint8))
    first = int(unequal[0]) if len(unequal) else shared
    sizes = (
        f"{len(old):,} bytes recorded, {len(new):,} now" if len(old) != len(new) else f"{len(old):,} bytes"
    )
    return f"{sizes}, differ from byte {first:,} on", ""


def _unequal(old: NDArray[Any], new: NDArray[Any]) -> NDArray[np.bool_]:
    """Elementwise inequality in which NaN equals NaN."""
    unequal: NDArray[np.bool_] = old != new
    if np.issubdtype(old.dtype, np.floating):
        unequal &= ~(np.isnan(old) & np.isnan(new))
    return unequal.ravel()


def _spread(old: NDArray[Any], new: NDArray[Any], differing: int) -> str:
    extent = f"{differing:,} of {old.size:,} numbers differ"
    if np.issubdtype(old.dtype, np.number):
        gaps = np.abs(old.astype(np.float64) - new.astype(np.float64))
        extent += f", by at most {np.nanmax(gaps):.2g}"
    return extent


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file)) or [[]]


def _array(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
