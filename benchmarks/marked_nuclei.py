"""Simulated people who outline the nuclei of `--masks DIR` (maps of numbers in `after`), whose masks are the truth.

A person misses objects, marks others that are not there, and draws outlines by hand: too wide or too narrow by a habit
of theirs, wavy, shifted, or as a polygon of a few corners; some outlines lack a part. The consensus of masks was chosen
on the images with an even number, in the order of their names; the rows are those of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from assay.agreement.against_others import of_objects
from assay.agreement.median_mask import median_mask, signed_distance
from assay.agreement.objects import matched, overlaps
from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.outlines import RLE

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Row = dict[str, Any]
Marks = dict[str, dict[str, list[Annotation]]]

OBJECTS, LEAST_PIXELS, ROOM = 12, 20, 8
"""Most objects of an image; fewest pixels of one; pixels around it that an outline may take."""
CREWS = (2, 3, 4, 5)
CUT, POLYGONS = 0.1, 0.5
"""Shares of outlines that lack a part, and that are polygons."""
DRAWS = 2000


@dataclass(frozen=True)
class Person:
    """Habits of one person; lengths in radii of the object."""

    misses: float
    invents: float
    """Marks that are no object, for each object."""
    wide: float
    wavy: float


def person(rng: np.random.Generator) -> Person:
    return Person(rng.uniform(0, 0.25), rng.uniform(0, 0.15), rng.normal(0, 0.06), rng.uniform(0.04, 0.15))


def drawn(mask: Mask, by: Person, rng: np.random.Generator) -> Mask:
    """The outline of an object as a person draws it."""
    radius = float(np.sqrt(mask.sum() / np.pi))
    made = _polygon(mask, by, radius, rng) if rng.random() < POLYGONS else _by_hand(mask, by, radius, rng)
    return _cut(made, rng) if rng.random() < CUT and made.any() else made


def _by_hand(mask: Mask, by: Person, radius: float, rng: np.random.Generator) -> Mask:
    waves = ndimage.gaussian_filter(rng.standard_normal(mask.shape), max(1.5, radius / 3))
    moved = ndimage.shift(signed_distance(mask), rng.normal(0, 0.04 * radius, 2), order=1, mode="nearest")
    found: Mask = moved + radius * (by.wide + by.wavy * waves / waves.std()) > 0
    return found


def _polygon(mask: Mask, by: Person, radius: float, rng: np.random.Generator) -> Mask:
    """Corners at even angles, where a ray from the centre leaves the object."""
    corners = int(rng.integers(8, 17))
    y, x = (float(at.mean()) for at in np.nonzero(mask))
    picture, ring = Image.new("1", mask.shape[::-1]), []
    for angle in 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners:
        steps = np.arange(0, sum(mask.shape), 0.5)
        ys, xs = y + steps * np.sin(angle), x + steps * np.cos(angle)
        height, width = mask.shape
        rows, columns = np.clip(np.rint(ys), 0, height - 1), np.clip(np.rint(xs), 0, width - 1)
        leaves = int(np.argmin(mask[rows.astype(int), columns.astype(int)]))
        far = max(1.0, steps[leaves] + radius * (by.wide + by.wavy * rng.standard_normal()))
        ring.append((x + far * np.cos(angle), y + far * np.sin(angle)))
    ImageDraw.Draw(picture).polygon(ring, fill=1)
    return np.array(picture, bool)


def _cut(mask: Mask, rng: np.random.Generator) -> Mask:
    """Without a fifth to two fifths of its pixels, on one side."""
    angle = rng.uniform(0, 2 * np.pi)
    ys, xs = np.nonzero(mask)
    along = ys * np.sin(angle) + xs * np.cos(angle)
    kept = along < np.quantile(along, rng.uniform(0.6, 0.8))
    found = np.zeros_like(mask)
    found[ys[kept], xs[kept]] = True
    return found


# --- consensus of one object


def majority(said: list[RLE]) -> Mask:
    marks = np.stack([masks.decode(one) for one in said]).sum(0)
    found: Mask = 2 * marks > len(said)
    return found


def nearest_to_the_others(said: list[RLE]) -> Mask:
    return masks.decode(said[int(masks.iou(said, said).sum(1).argmax())])


def median(said: list[RLE]) -> Mask:
    found = median_mask(said)
    return masks.decode(found) if found else majority(said)


def staple(said: list[RLE]) -> Mask:
    """S. Warfield, K. Zou, W. Wells: Simultaneous truth and performance level estimation, IEEE TMI 2004.

    In the window of the object; sensitivity and specificity start at 0.9, with two pseudo-pixels of it.
    """
    stack = np.stack([masks.decode(one) for one in said]).reshape(len(said), -1).astype(np.float64)
    truth = stack.mean(0)
    share = truth.mean()
    for _ in range(50):
        found = np.clip((stack @ truth + 1.8) / (truth.sum() + 2), 0.01, 0.999)
        left = np.clip(((1 - stack) @ (1 - truth) + 1.8) / ((1 - truth).sum() + 2), 0.01, 0.999)
        inside = np.log(share) + np.log(found) @ stack + np.log(1 - found) @ (1 - stack)
        outside = np.log(1 - share) + np.log(1 - left) @ stack + np.log(left) @ (1 - stack)
        truth = 1 / (1 + np.exp(outside - inside))
    found_inside: Mask = (truth > 0.5).reshape(said[0].size)
    return found_inside


WAYS: dict[str, Callable[[list[RLE]], Mask]] = {
    "one person": lambda said: masks.decode(said[0]),
    "nearest to the others": nearest_to_the_others,
    "majority of pixels": majority,
    "STAPLE": staple,
    "median": median,
}


# --- rows


def measured(home: Path, most: int | None = None) -> tuple[list[Row], list[Row]]:
    """(consensus, reliability), a row for each number of people."""
    names = sorted(file.name for file in (home / "after").glob("*.png"))[1::2][:most]
    maps = [np.array(Image.open(home / "after" / name)).astype(np.int64) for name in names]
    made = [(_consensus(maps, people), _reliability(maps, people)) for people in CREWS]
    return [one for one, _ in made], [one for _, one in made]


def _objects(numbers: NDArray[np.int64], rng: np.random.Generator) -> list[Mask]:
    """Masks of objects, whole images."""
    names, sizes = np.unique(numbers[numbers > 0], return_counts=True)
    some = rng.permutation(names[sizes >= LEAST_PIXELS])[:OBJECTS]
    return [numbers == number for number in some]


def _window(mask: Mask) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(0, rows[0] - ROOM), max(0, columns[0] - ROOM)
    return slice(top, rows[-1] + ROOM), slice(left, columns[-1] + ROOM)


def _consensus(maps: list[NDArray[np.int64]], people: int) -> Row:
    """Mean IoU with the truth of each way, images counted alike; paired intervals by bootstrap over images."""
    rng, scores, objects = np.random.default_rng(people), [], 0
    for numbers in maps:
        of_image = []
        for mask in _objects(numbers, rng):
            truth = mask[_window(mask)]
            said = [masks.encode(one) for _ in range(people) if (one := drawn(truth, person(rng), rng)).any()]
            if said:
                of_image.append([_iou(way(said), truth) for way in WAYS.values()])
        objects += len(of_image)
        scores.append(np.mean(of_image, axis=0))
    table = np.array(scores)
    drawn_means = table[np.random.default_rng(0).integers(0, len(table), (DRAWS, len(table)))].mean(1)
    ahead = drawn_means[:, -1:] - drawn_means
    row: Row = {"people": people, "images": len(table), "objects": objects}
    for at, name in enumerate(WAYS):
        row[name] = {
            "iou": float(table[:, at].mean()),
            "median_ahead": float((table[:, -1] - table[:, at]).mean()),
            "interval": np.percentile(ahead[:, at], [2.5, 97.5]).tolist(),
        }
    print(f"  {row}", flush=True)
    return row


def _iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


REPEATS = 4


def _reliability(maps: list[NDArray[np.int64]], people: int) -> Row:
    """Recall and precision against the others, compared with those against the truth."""
    rng = np.random.default_rng(100 + people)
    rows: list[tuple[float, ...]] = []
    ordered: list[bool] = []
    for _ in range(REPEATS):
        crew = {f"p{at}": person(rng) for at in range(people)}
        some = rng.permutation(len(maps))[:40]
        marks, truth = _marks([maps[at] for at in some], crew, rng)
        found = of_objects(marks, {name: maps[at].shape for name, at in zip(marks, some, strict=True)})
        right = {by: _against(truth, marks, by) for by in crew}
        for row in found:
            recall, precision = right[row["person"]]
            rows.append((row["recall"]["value"] - recall, row["precision"]["value"] - precision))
        order = [(row["recall"]["value"], right[row["person"]][0]) for row in found]
        ordered += [(a[0] - b[0]) * (a[1] - b[1]) > 0 for a in order for b in order if a < b]
    off = np.array(rows)
    row = {
        "people": people,
        "crews": REPEATS,
        "recall_off": float(np.abs(off[:, 0]).mean()),
        "precision_off": float(np.abs(off[:, 1]).mean()),
        "recall_bias": float(off[:, 0].mean()),
        "precision_bias": float(off[:, 1].mean()),
        "ordered": float(np.mean(ordered)),
        "pairs": len(ordered),
    }
    print(f"  {row}", flush=True)
    return row


def _marks(
    maps: list[NDArray[np.int64]], crew: dict[str, Person], rng: np.random.Generator
) -> tuple[Marks, dict[str, list[Annotation]]]:
    marks: Marks = {}
    truth = {}
    for number, numbers in enumerate(maps):
        name, objects = f"{number:03d}", _objects(numbers, rng)
        truth[name] = [_note(mask) for mask in objects]
        marks[name] = {by: _of_person(objects, one, rng) for by, one in crew.items()}
    return marks, truth


def _of_person(objects: list[Mask], by: Person, rng: np.random.Generator) -> list[Annotation]:
    notes = []
    for mask in objects:
        window, whole = _window(mask), np.zeros_like(mask)
        made = drawn(mask[window], by, rng)
        if rng.random() >= by.misses and made.any():
            whole[window] = made
            notes.append(_note(whole))
        if rng.random() < by.invents:  # what is no object, somewhere
            notes.append(_note(np.roll(mask, rng.integers(0, mask.shape, 2).tolist(), (0, 1))))
    return notes


def _note(mask: Mask) -> Annotation:
    return Annotation(category="nucleus", segmentation=masks.encode(mask))


def _against(truth: dict[str, list[Annotation]], marks: Marks, by: str) -> tuple[float, float]:
    """(recall, precision) against the truth."""
    pairs = ours = right = 0
    for name, notes in truth.items():
        said = marks[name][by]
        size = notes[0].segmentation.size if notes else (1, 1)  # type: ignore[union-attr]
        pairs += len(matched(overlaps(said, notes, size))[0])
        ours, right = ours + len(said), right + len(notes)
    return pairs / right, pairs / ours
