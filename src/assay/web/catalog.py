"""The images of the snapshot with the edits since, as columns: about 150 bytes an image besides names and metadata."""

from __future__ import annotations

import binascii
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.annotations import annotations_json, from_columns
from assay.data.edits import Batches, Judgement
from assay.data.matching import positions, whole
from assay.data.snapshot import Snapshot
from assay.data.standing import Standing, standings

Codes = NDArray[np.int32]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]
SPLITS = ("train", "val", "test")
IS_ID = "^[0-9a-f]{64}$"
NOTE = ("category", "bbox", "segmentation", "iscrowd", "attributes")
MOST_VALUES = 200
"""With more values than this, a metadata column is no filter."""


def raw_ids(ids: pa.Array) -> NDArray[np.uint8]:
    """(n, 32) content ids as bytes."""
    if not len(ids):
        return np.zeros((0, 32), np.uint8)
    _, offsets, text = ids.buffers()
    start = int(np.frombuffer(offsets, np.int32)[ids.offset])
    digits = memoryview(text)[start : start + 64 * len(ids)]
    return np.frombuffer(binascii.unhexlify(digits), np.uint8).reshape(-1, 32)


class Words:
    """Texts, each with a code; -1 stands for none."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._code_of: dict[str, int] = {}

    def code(self, text: str | None) -> int:
        if text is None:
            return -1
        if text not in self._code_of:
            self._code_of[text] = len(self.texts)
            self.texts.append(text)
        return self._code_of[text]

    def codes(self, column: pa.Array | pa.ChunkedArray) -> Codes:
        """(n,) the codes of a column of texts."""
        one = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if not pa.types.is_dictionary(one.type):
            one = one.dictionary_encode()
        known = np.array([*map(self.code, one.dictionary.to_pylist()), -1], np.int32)
        found: Codes = known[pc.fill_null(one.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)]
        return found


@dataclass(frozen=True)
class Facet:
    """A property of every image: `codes` (n,) into `values`, -1 for none."""

    codes: Codes
    values: Sequence[str]


@dataclass
class Catalog:
    """n images, sorted by id. `tagged`: (annotations,) row and class of each annotation, of `classes`."""

    samples: pa.Table
    classes: list[str]
    words: Words
    label: Codes
    """(n,) the annotations in words; -1 for an unlabelled image."""
    split: NDArray[np.int8]
    excluded: Mask
    tagged: tuple[Rows, Codes]
    annotations: pa.Table
    """Those of the snapshot; `annotated` (annotations,): their rows, ascending."""
    annotated: NDArray[np.int64]
    changed: dict[int, Standing]
    """{row: state} of the images judged since the snapshot."""
    batches: Facet
    people: Facet

    def __len__(self) -> int:
        return int(self.samples.num_rows)

    @cached_property
    def ids(self) -> pa.Array:
        return whole(self.samples["id"])

    @cached_property
    def raw(self) -> NDArray[np.uint8]:
        """(n, 32) the ids as bytes."""
        return raw_ids(self.ids)

    @cached_property
    def _keys(self) -> NDArray[np.uint64]:
        """(n,) the first 64 bits of the ids, ascending."""
        return self.raw[:, :8].copy().view(">u8").ravel().astype(np.uint64)

    def rows(self, ids: pa.Array | Sequence[str]) -> NDArray[np.int64]:
        """The row of each id; -1 if it is not in the snapshot. Takes no time that grows with the snapshot."""
        wanted = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string())
        if not len(self) or not pc.all(pc.match_substring_regex(wanted, IS_ID)).as_py():
            return positions(wanted, self.ids)
        raw = raw_ids(wanted)
        keys = raw[:, :8].copy().view(">u8").ravel().astype(np.uint64)
        found = np.minimum(np.searchsorted(self._keys, keys), len(self) - 1)
        return np.where((self.raw[found] == raw).all(1), found, -1).astype(np.int64)

    @cached_property
    def names(self) -> pa.Array:
        """(n,) `source:path` of the first origin; "" without one."""
        origins = whole(self.samples["origins"])
        lengths = pc.fill_null(pc.list_value_length(origins), 0).to_numpy(zero_copy_only=False)
        starts = np.cumsum([0, *lengths[:-1]]) if len(lengths) else np.zeros(0)
        first = pa.array(starts.astype(np.int64), mask=lengths == 0)
        return pc.fill_null(origins.flatten().take(first), "")

    @cached_property
    def metadata(self) -> dict[str, Facet]:
        """The metadata columns with at most MOST_VALUES values."""
        text = whole(self.samples["metadata"]).dictionary_encode()
        held = [json.loads(one or "{}") for one in text.dictionary.to_pylist()]
        codes = pc.fill_null(text.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        found = {}
        for name in sorted({name for one in held for name in one}):
            said = [None if one.get(name) is None else str(one[name]) for one in held]
            values = sorted({one for one in said if one is not None})
            if 0 < len(values) <= MOST_VALUES:
                code_of: dict[str | None, int] = {value: n for n, value in enumerate(values)}
                of = np.array([*(code_of.get(one, -1) for one in said), -1], np.int32)
                found[name] = Facet(of[codes], values)
        return found

    def notes(self, row: int) -> list[dict[str, Any]] | None:
        """The annotations of an image as parsed canonical JSON; None for an unlabelled one."""
        if (state := self.changed.get(row)) and state.annotations is not None:
            return json.loads(state.annotations)  # type: ignore[no-any-return]
        if not self.samples["labelled"][row].as_py():
            return None
        start, end = np.searchsorted(self.annotated, [row, row + 1]).tolist()
        held = self.annotations.slice(start, end - start).to_pylist()
        found = [from_columns(tuple(note[name] for name in NOTE)) for note in held]
        return json.loads(annotations_json(found) or "[]")  # type: ignore[no-any-return]

    def shows(self, name: str) -> Mask:
        """(n,) which images have an annotation of a class."""
        found = np.zeros(len(self), bool)
        if name in self.classes:
            rows, codes = self.tagged
            found[rows[codes == self.classes.index(name)]] = True
        return found


def read(
    snapshot: Snapshot,
    batches: Batches,
    classes: Sequence[str] | None,
) -> Catalog:
    """The catalogue of a snapshot and all edit batches. `classes`: the declared ones; None: those that occur."""
    words = Words()
    samples = snapshot.samples
    ids = whole(samples["id"])
    splits = Words()
    splits.texts, splits._code_of = list(SPLITS), {name: n for n, name in enumerate(SPLITS)}
    categories = list(classes) if classes is not None else list(snapshot.categories)
    said = standings(batches)
    found = positions(pa.array(list(said), pa.string()), ids).tolist()
    changed = {row: state for row, state in zip(found, said.values(), strict=True) if row >= 0}
    notes = {
        row: json.loads(state.annotations) for row, state in changed.items() if state.annotations is not None
    }
    new = {note["category"] for held in notes.values() for note in held} - set(categories)
    categories += sorted(new | (set(snapshot.categories) - set(categories)))
    made = Catalog(
        samples=samples,
        classes=categories,
        words=words,
        label=words.codes(snapshot.words),
        split=splits.codes(samples["split"]).astype(np.int8),
        excluded=samples["excluded"].to_numpy().astype(bool),
        tagged=_tagged(snapshot, notes, categories),
        annotations=snapshot.annotations,
        annotated=snapshot.annotated,
        changed=changed,
        batches=_last(ids, batches, lambda name, _: name),
        people=_last(ids, batches, lambda _, judgement: judgement.by),
    )
    for row, state in changed.items():
        if state.annotations is not None:
            made.label[row] = words.code(in_words(notes[row]))
        if state.excluded is not None:
            made.excluded[row] = state.excluded
        if state.split is not None:
            made.split[row] = splits.code(state.split)
    return made


def in_words(notes: Iterable[dict[str, object]]) -> str:
    """Annotations in short: `cat`, tags as `cat; dog`, objects as counts by class, `12 cell, 1 dust`."""
    held = list(notes)
    names = [str(note["category"]) for note in held]
    if not any(note.get("bbox") or note.get("segmentation") for note in held):
        return "; ".join(names)
    return ", ".join(f"{n} {name}" for name, n in sorted(Counter(names).items()))


def _tagged(
    snapshot: Snapshot, notes: dict[int, list[dict[str, str]]], categories: Sequence[str]
) -> tuple[Rows, Codes]:
    """Row and class of each annotation, each pair once: those of the snapshot, and of `notes` where it has the row."""
    column = whole(snapshot.annotations["category"]).dictionary_encode()
    place = {name: n for n, name in enumerate(categories)}
    of = np.array([place[name] for name in column.dictionary.to_pylist()] or [0], np.int64)
    rows = np.asarray(snapshot.annotated, np.int64)
    codes = of[column.indices.to_numpy(zero_copy_only=False).astype(np.int64)]
    if notes:
        stays = ~np.isin(rows, np.fromiter(notes, np.int64, len(notes)))
        more = [(row, place[note["category"]]) for row, held in notes.items() for note in held]
        added = np.array(more, np.int64).reshape(-1, 2)
        rows, codes = np.append(rows[stays], added[:, 0]), np.append(codes[stays], added[:, 1])
    pairs = np.unique(rows * len(categories) + codes) if len(rows) else np.zeros(0, np.int64)
    return (pairs // max(1, len(categories))).astype(np.int32), (pairs % max(1, len(categories))).astype(
        np.int32
    )


def _last(ids: pa.Array, batches: Batches, of: Callable[[str, Judgement], str]) -> Facet:
    """A property of the last judgement of each image."""
    words, codes = Words(), np.full(len(ids), -1, np.int32)
    said = {judgement.id: words.code(of(name, judgement)) for name, batch in batches for judgement in batch}
    rows = positions(pa.array(list(said), pa.string()), ids)
    there = rows >= 0
    codes[rows[there]] = np.fromiter(said.values(), np.int32, len(said))[there]
    return Facet(codes, words.texts)
