"""What people have judged up to this moment, whether or not a snapshot has folded it in yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.data.annotations import annotations_json
from assay.data.edits import Judgement

if TYPE_CHECKING:
    from assay.data.snapshot import Snapshot

Batches = Iterable[tuple[str, list[Judgement]]]


@dataclass(frozen=True)
class Standing:
    """The last word on one image; None where nobody has said anything."""

    annotations: str | None = None
    """Canonical JSON; `[]`: somebody looked, and there is nothing on it."""
    excluded: bool | None = None
    split: str | None = None
    group: str | None = None

    @property
    def answered(self) -> bool:
        """True if there is no need to ask about it again."""
        return self.annotations is not None or bool(self.excluded)


NOTHING = Standing()


def after(before: Standing, judgement: Judgement) -> Standing:
    """The standing of an image once a judgement on it has been added."""
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
    """The last word on each image that the batches judge, and on those of `before`."""
    held = dict(before or {})
    for _, batch in batches:
        for judgement in batch:
            held[judgement.id] = after(held.get(judgement.id, NOTHING), judgement)
    return held


def recorded(snapshot: Snapshot, ids: Iterable[str]) -> dict[str, Standing]:
    """What a snapshot says of some images.

    In plain Python: the first value that pyarrow makes from Python's imports pandas, which `assay status` has no
    time for.
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


def pending(batches: Sequence[tuple[str, list[Judgement]]], snapshot: Snapshot) -> dict[str, Standing]:
    """The images about which the batches say something that the snapshot does not say yet."""
    said = standings(batches)
    known = recorded(snapshot, said)
    return {sample: word for sample, word in said.items() if not _says(known.get(sample, NOTHING), word)}


def _says(known: Standing, word: Standing) -> bool:
    """True if all that `word` says is known."""
    return all(value is None or value == getattr(known, name) for name, value in vars(word).items())
