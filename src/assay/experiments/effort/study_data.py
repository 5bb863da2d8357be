"""Data of the study: the fully annotated images of train, which are annotated again, and of test, which measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow.compute as pc

from assay.data.annotations import Annotation, annotations_json
from assay.data.images.decode import decode
from assay.data.pool import Pool
from assay.data.snapshot import Label, Snapshot
from assay.data.training_set import labelled
from assay.errors import GateError
from assay.experiments.effort.pseudo_labels import Grey, LabelledImage, typical_sizes
from assay.layout import Layout
from assay.lineage.digests import canonical_digest
from assay.metrics.annotated import annotations_of
from assay.tasks import DRAW_OBJECTS

EffortTarget = Literal["masks", "boxes", "presence"]
DRAWN: dict[EffortTarget, str] = {"presence": "boxes or masks"}
"""What an image needs, unless it has the name of the target: the prices of drawings are reckoned from objects."""
LEAST = 10
"""Fewest images to draw from, and to measure on."""


@dataclass(frozen=True)
class StudyImages:
    """n images with their full annotations, by id."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    """The annotations as canonical JSON."""
    widths: tuple[int, ...]
    heights: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def objects(self) -> list[list[Annotation]]:
        return annotations_of(self.labels)


@dataclass(frozen=True)
class StudyData:
    """`pool`: what people are to annotate; `test`: what all schemes are measured on."""

    target: EffortTarget
    categories: tuple[str, ...]
    pool: StudyImages
    test: StudyImages
    layout: Layout

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything but the location of the project."""
        parts = [(images.ids, images.labels) for images in (self.pool, self.test)]
        return canonical_digest([self.target, self.categories, parts])

    @cached_property
    def _pool(self) -> Pool:
        return Pool.open(self.layout.pool)

    def labelled_image(self, row: int) -> LabelledImage:
        """One image of the pool as the rules of pseudo-labels see it."""

        def grey() -> Grey:
            pixels: Grey = decode(self._pool.read(self.pool.ids[row]), "gray")[..., 0]
            return pixels

        return LabelledImage(
            self.pool.heights[row], self.pool.widths[row], grey, typical_sizes(self.pool.objects[row])
        )


def open_data(layout: Layout, target: Literal["auto"] | EffortTarget) -> StudyData:
    """The annotated images of the snapshot. GateError if too few of them have what is to be learnt."""
    snapshot = Snapshot.load(layout.snapshot)
    wanted: Sequence[EffortTarget] = ("masks", "boxes") if target == "auto" else (target,)
    counts = {}
    for kind in wanted:
        images = {split: _images(snapshot, kind, split) for split in ("train", "test")}
        counts[kind] = {split: len(found) for split, found in images.items()}
        if min(counts[kind].values()) >= LEAST:
            return StudyData(kind, tuple(snapshot.categories), images["train"], images["test"], layout)
    said = " and ".join(
        f"{n['train']} train and {n['test']} test images have {DRAWN.get(kind, kind)}"
        for kind, n in counts.items()
    )
    raise GateError(
        f"{said}: a study of annotation needs at least {LEAST} of each",
        hint=f"annotate some images fully, test images first: `assay queue --csv FILE` lists them; {DRAW_OBJECTS}",
    )


def _images(snapshot: Snapshot, target: EffortTarget, split: str) -> StudyImages:
    rows = labelled(snapshot, full_annotation(target))
    rows = rows.filter(pc.equal(rows["split"], split))
    place = pc.index_in(rows["id"], value_set=snapshot.samples["id"].combine_chunks())
    sizes = [tuple(snapshot.samples[side].take(place).to_pylist()) for side in ("width", "height")]
    ids, labels = (tuple(rows[name].to_pylist()) for name in ("id", "label"))
    return StudyImages(ids, labels, *sizes)


def full_annotation(target: EffortTarget) -> Label:
    """The annotations of an image as canonical JSON; None if an object lacks what is to be learnt."""

    def label(annotations: Sequence[Annotation]) -> str | None:
        if any(one.is_tag or (target == "masks" and one.segmentation is None) for one in annotations):
            return None
        return annotations_json(annotations)

    return label
