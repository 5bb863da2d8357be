"""Data of a replay: embeddings and classes of the images to choose from, and of those to measure on."""

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

from assay import tasks
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
"""Least number of labelled images to choose from, and to measure on."""
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Grid of the probe's C (scikit-learn: inverse of the regularisation), chosen once for all strategies and budgets."""
TYPICAL, HELD, DRAWS = 300, 2000, 3
"""The choice minimises the log loss on HELD images of probes fitted to TYPICAL ones, mean of DRAWS random draws."""
QUEUE_HINT = "`assay queue` lists the next ones to label; then `assay label FILE` and `dvc repro`"


@dataclass(frozen=True)
class EmbeddedImages:
    """(n, d) embeddings and (n,) classes, by id; class 0 where a label is more than a class."""

    vectors: Floats
    targets: Ints

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class ReplayData:
    """`pool`: labels that are hidden and revealed; `rulers`: {split: images measured on}."""

    pool: EmbeddedImages
    rulers: Mapping[str, EmbeddedImages]
    classes: int
    strength: float | None
    """C of the probe; None: labels are no classes, and a probe learns nothing from them."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all arrays and the strength."""
        state = hashlib.sha256(f"{self.classes} {self.strength!r} {sorted(self.rulers)}".encode())
        for images in (self.pool, *(self.rulers[name] for name in sorted(self.rulers))):
            state.update(str(images.vectors.shape).encode())
            state.update(np.ascontiguousarray(images.vectors).data)
            state.update(np.ascontiguousarray(images.targets).data)
        return state.hexdigest()

    def save(self, folder: Path) -> None:
        """Write arrays that processes can map into memory."""
        with fresh_dir(folder) as aside:
            for name, images in (("pool", self.pool), *self.rulers.items()):
                np.save(aside / f"{name}.vectors.npy", images.vectors)
                np.save(aside / f"{name}.targets.npy", images.targets)
            about = {"classes": self.classes, "strength": self.strength, "rulers": list(self.rulers)}
            write_json(aside / "replay.json", {**about, "digest": self.digest})

    @classmethod
    def load(cls, folder: Path) -> ReplayData:
        about = read_json(folder / "replay.json")

        def images(name: str) -> EmbeddedImages:
            parts = (np.load(folder / f"{name}.{part}.npy", mmap_mode="r") for part in ("vectors", "targets"))
            return EmbeddedImages(*parts)

        rulers = {name: images(name) for name in about["rulers"]}
        made = cls(images("pool"), rulers, about["classes"], about["strength"])
        made.__dict__["digest"] = about["digest"]  # saves hashing gigabytes again
        return made


@dataclass(frozen=True)
class ReplayProject:
    """The data of a project for a replay, with the ids of the rows."""

    data: ReplayData
    ids: Mapping[str, tuple[str, ...]]
    """{split: ids}, sorted."""
    categories: tuple[str, ...]


def open_project(layout: Layout, task: str = "classification") -> ReplayProject:
    """The labelled images of the snapshot. MissingInput names the stage to run; GateError the split without enough."""
    snapshot, plugin = Snapshot.load(layout.snapshot), tasks.load(task)
    rows, embeddings = labelled(snapshot, plugin.label), Embeddings.open(layout.embeddings)
    counts = {split: _of(rows, split).num_rows for split in ("train", DECIDES, REPORTED)}
    shown = set(_of(rows, "train")["label"].to_pylist()) if plugin.SAYS_CLASSES else None
    check(counts, None if shown is None else len(shown))
    names, numbered = tuple(snapshot.categories), tuple(snapshot.categories) if plugin.SAYS_CLASSES else None
    held = {
        split: _images(_of(rows, split), numbered, embeddings)
        for split, count in counts.items()
        if split != REPORTED or count >= LEAST_RULER
    }
    ids = {split: tuple(_of(rows, split)["id"].to_pylist()) for split in held}
    pool = held.pop("train")
    strength = None if numbered is None else choose_strength(pool, len(names))
    return ReplayProject(ReplayData(pool, held, len(names), strength), ids, names)


def check(counts: Mapping[str, int], classes: int | None) -> None:
    """GateError with too few labelled images to choose from or to measure on, or one class only; None: no classes."""
    if classes is not None and classes < 2:
        raise GateError(
            f"{counts['train']} labelled train images of {classes} classes: a simulation needs at least two classes",
            hint=QUEUE_HINT,
        )
    for split, least, why in (
        ("train", LEAST_POOL, "a replay hides and reveals them, which needs"),
        (DECIDES, LEAST_RULER, "strategies are compared on val, which needs"),
    ):
        if counts[split] < least:
            raise GateError(
                f"{counts[split]} labelled {split} images: {why} at least {least}", hint=QUEUE_HINT
            )


def choose_strength(pool: EmbeddedImages, classes: int) -> float:
    """The C of STRENGTHS with the least loss, for all strategies: it serves comparisons, not the best accuracy."""
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


def _images(rows: pa.Table, names: tuple[str, ...] | None, embeddings: Embeddings) -> EmbeddedImages:
    """`names`: the classes that the labels are; None: they are more than that."""
    targets = np.zeros(len(rows), np.int64)
    if names is not None:
        number = {name: k for k, name in enumerate(names)}
        targets = np.array([number[label] for label in rows["label"].to_pylist()], np.int64)
    return EmbeddedImages(embeddings.vectors(rows["id"].to_pylist()), targets)
