"""Current state of the judgements on each image, whether or not a snapshot contains them yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.data.annotations import annotations_json
from assay.data.edits import Batches, Judgement

if TYPE_CHECKING:
    from assay.data.snapshot import Snapshot


@dataclass(frozen=True)
class Standing:
    """The last judgement of each field of an image; None: not judged."""

    annotations: str | None = None
    """Canonical JSON; `[]`: labelled, without objects."""
    excluded: bool | None = None
    split: str | None = None
    group: str | None = None

    @property
    def answered(self) -> bool:
        """Whether the image has a label or is excluded: it need not be queued."""
        return self.annotations is not None or bool(self.excluded)


NOTHING = Standing()


def after(before: Standing, judgement: Judgement) -> Standing:
    """The standing `before` with a judgement added."""
    match judgement.op:
        case "label":
            return replace(before, annotations=annotations_json(judgement.annotations))
        case "exclude" | "include":
            return replace(before, excluded=judgement.op == "exclude")
        case "split":
            return replace(before, split=judgement.split)
        case "group":
            return replace(before, group=judgement.group)


def standings(batches: Batches, before: Mapping[str, Standing] | None = None) -> dict[str, Standing]:
    """Id -> standing of the images in `before` and in the batches, after all judgements."""
    held = dict(before or {})
    for _, batch in batches:
        for judgement in batch:
            held[judgement.id] = after(held.get(judgement.id, NOTHING), judgement)
    return held


def recorded(snapshot: Snapshot, ids: Iterable[str]) -> dict[str, Standing]:
    """Id -> standing of `ids` in a snapshot.

    Plain Python: pyarrow imports pandas to convert Python values, which takes too long for `assay status`.
    """
    from assay.data.training_set import annotation_texts

    wanted = set(ids)
    texts = annotation_texts(snapshot, wanted)
    names = ("id", "labelled", "excluded", "split", "group")
    columns = (snapshot.samples[name].to_pylist() for name in names)
    return {
        sample: Standing(texts.get(sample, "[]") if labelled else None, excluded, split, group)
        for sample, labelled, excluded, split, group in zip(*columns, strict=True)
        if sample in wanted
    }


def pending(batches: Batches, snapshot: Snapshot) -> dict[str, Standing]:
    """Id -> standing of the images with judgements that the snapshot does not contain yet."""
    said = standings(batches)
    known = recorded(snapshot, said)
    return {sample: word for sample, word in said.items() if not _says(known.get(sample, NOTHING), word)}


def _says(known: Standing, word: Standing) -> bool:
    """Whether each field that `word` sets has the same value in `known`."""
    return all(value is None or value == getattr(known, name) for name, value in vars(word).items())
