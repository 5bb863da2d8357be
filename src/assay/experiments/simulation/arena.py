"""What is replayed: vectors and classes of the images to choose from, and of those that are measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.embeddings import Embeddings
from assay.data.files import fresh_dir, read_json, write_json
from assay.data.snapshot import Snapshot
from assay.data.training_set import labelled
from assay.errors import GateError
from assay.layout import Layout
from assay.training import linear_probe

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

DECIDES, REPORTED = "val", "test"
LEAST_POOL, LEAST_RULER = 80, 30
"""Labelled images under which nothing can be told apart."""
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Of the probe's regularisation (scikit-learn's C, less is stronger), chosen once for all strategies and budgets:"""
TYPICAL, HELD, DRAWS = 300, 2000, 3
"""by the log loss on so many images of probes fitted on so many drawn at random, over so many draws."""
QUEUE_HINT = "`assay queue` lists the next ones to label; then `assay label FILE` and `dvc repro`"


@dataclass(frozen=True)
class Images:
    """(n, d) vectors and (n,) classes, by id."""

    vectors: Floats
    targets: Ints

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Arena:
    """`pool` is hidden and revealed; `rulers` are measured on, by the name of the split."""

    pool: Images
    rulers: Mapping[str, Images]
    classes: int
    strength: float
    """Of the probe that measures."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything here."""
        state = hashlib.sha256(f"{self.classes} {self.strength!r} {sorted(self.rulers)}".encode())
        for images in (self.pool, *(self.rulers[name] for name in sorted(self.rulers))):
            state.update(str(images.vectors.shape).encode())
            state.update(np.ascontiguousarray(images.vectors).data)
            state.update(np.ascontiguousarray(images.targets).data)
        return state.hexdigest()

    def save(self, folder: Path) -> None:
        """As arrays that processes can map into memory."""
        with fresh_dir(folder) as aside:
            for name, images in (("pool", self.pool), *self.rulers.items()):
                np.save(aside / f"{name}.vectors.npy", images.vectors)
                np.save(aside / f"{name}.targets.npy", images.targets)
            about = {"classes": self.classes, "strength": self.strength, "rulers": list(self.rulers)}
            write_json(aside / "arena.json", {**about, "digest": self.digest})

    @classmethod
    def load(cls, folder: Path) -> Arena:
        about = read_json(folder / "arena.json")

        def images(name: str) -> Images:
            parts = (np.load(folder / f"{name}.{part}.npy", mmap_mode="r") for part in ("vectors", "targets"))
            return Images(*parts)

        rulers = {name: images(name) for name in about["rulers"]}
        made = cls(images("pool"), rulers, about["classes"], about["strength"])
        made.__dict__["digest"] = about["digest"]  # what `cached_property` would compute from gigabytes
        return made


@dataclass(frozen=True)
class Ground:
    """The arena of a project, with the ids of its rows."""

    arena: Arena
    ids: Mapping[str, tuple[str, ...]]
    """{split: ids}, sorted."""
    categories: tuple[str, ...]


def open_ground(layout: Layout) -> Ground:
    """The labelled images of the snapshot. MissingInput names the stage to run; GateError what has too few labels."""
    snapshot = Snapshot.load(layout.snapshot)
    rows, embeddings = labelled(snapshot), Embeddings.open(layout.embeddings)
    counts = {split: _of(rows, split).num_rows for split in ("train", DECIDES, REPORTED)}
    check(counts, len(set(_of(rows, "train")["label"].to_pylist())))
    names = tuple(snapshot.categories)
    held = {
        split: _images(_of(rows, split), names, embeddings)
        for split, count in counts.items()
        if split != REPORTED or count >= LEAST_RULER
    }
    ids = {split: tuple(_of(rows, split)["id"].to_pylist()) for split in held}
    pool = held.pop("train")
    return Ground(Arena(pool, held, len(names), choose_strength(pool, len(names))), ids, names)


def check(counts: Mapping[str, int], classes: int) -> None:
    """GateError where nothing could be chosen from, learnt, or measured."""
    if classes < 2:
        raise GateError(
            f"{counts['train']} labelled train images of {classes} classes: there is nothing to tell apart",
            hint=QUEUE_HINT,
        )
    for split, least, why in (
        ("train", LEAST_POOL, "a replay hides and reveals them, which needs"),
        (DECIDES, LEAST_RULER, "strategies are compared on val, which needs"),
    ):
        if counts[split] < least:
            raise GateError(
                f"{counts[split]} labelled {split} images: {why} {least} at least", hint=QUEUE_HINT
            )


def choose_strength(pool: Images, classes: int) -> float:
    """One of STRENGTHS. What is measured with it is compared, never praised: all strategies have the same."""
    many = min(TYPICAL, len(pool) // 2)
    losses = np.zeros(len(STRENGTHS))
    for draw in range(DRAWS):
        order = np.random.default_rng([draw, len(pool)]).permutation(len(pool))
        rows, held = order[:many], order[many : many + HELD]
        for k, strength in enumerate(STRENGTHS):
            probe = linear_probe.fit(pool.vectors[rows], pool.targets[rows], classes, strength)
            chances = probe.probabilities(pool.vectors[held])[np.arange(len(held)), pool.targets[held]]
            losses[k] -= float(np.log(np.maximum(chances, 1e-6)).mean())
    return STRENGTHS[int(np.argmin(losses))]


def _of(rows: pa.Table, split: str) -> pa.Table:
    return rows.filter(pc.equal(rows["split"], split))


def _images(rows: pa.Table, names: tuple[str, ...], embeddings: Embeddings) -> Images:
    number = {name: k for k, name in enumerate(names)}
    targets = np.array([number[label] for label in rows["label"].to_pylist()], np.int64)
    return Images(embeddings.vectors(rows["id"].to_pylist()), targets)
