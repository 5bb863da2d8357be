"""The images of the snapshot with the edits since, as columns: about 80 bytes an image besides names and metadata."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.annotations import annotations_json, from_columns
from assay.data.edits import Batches, Judgement
from assay.data.files import read_json
from assay.data.matching import whole
from assay.data.snapshot import RARE
from assay.data.standing import Standing, standings
from assay.web import streamed
from assay.web.ids import Ids

Codes = NDArray[np.int32]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]
SPLITS = ("train", "val", "test")
TEXTS = ("group", "captured_at", "metadata", "split")
SAMPLES = ("width", "height", "origins", "labelled", "excluded", *TEXTS)
NOTE = ("category", "bbox", "segmentation", "iscrowd", "attributes")
MOST_VALUES = 200
"""With more values than this, a metadata column is no filter."""


class Words:
    """Texts, each with a code; -1 stands for none."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = list(texts)
        self._code_of = {text: n for n, text in enumerate(self.texts)}

    def code(self, text: str | None) -> int:
        if text is None:
            return -1
        if text not in self._code_of:
            self._code_of[text] = len(self.texts)
            self.texts.append(text)
        return self._code_of[text]

    def codes(self, texts: pa.Array | pa.ChunkedArray) -> Codes:
        """(n,) the codes of a column of texts."""
        one = whole(texts) if isinstance(texts, pa.ChunkedArray) else texts
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

    ids: Ids
    samples: pa.Table
    """What else the snapshot says of them: width, height, origins, labelled, group, captured_at, metadata."""
    classes: list[str]
    words: Words
    label: Codes
    """(n,) the annotations in words; -1 for an unlabelled image."""
    split: NDArray[np.int8]
    excluded: Mask
    tagged: tuple[Rows, Codes]
    annotations: pa.Table
    """Those of the snapshot; `annotated` (annotations,): their rows, ascending."""
    annotated: Rows
    changed: dict[int, Standing]
    """{row: state} of the images judged since the snapshot."""
    batches: Facet
    people: Facet

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def names(self) -> pa.Array:
        """(n,) `source:path` of the first origin; "" without one."""
        origins = whole(self.samples["origins"])
        lengths = pc.fill_null(pc.list_value_length(origins), 0).to_numpy(zero_copy_only=False)
        first = pa.array(np.cumsum(lengths, dtype=np.int64) - lengths, mask=lengths == 0)
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
        found = [from_columns(tuple(note.get(name, RARE.get(name)) for name in NOTE)) for note in held]
        return json.loads(annotations_json(found) or "[]")  # type: ignore[no-any-return]

    def shows(self, name: str) -> Mask:
        """(n,) which images have an annotation of a class."""
        found = np.zeros(len(self), bool)
        if name in self.classes:
            rows, codes = self.tagged
            found[rows[codes == self.classes.index(name)]] = True
        return found


def read(folder: Path, batches: Batches, classes: Sequence[str] | None) -> Catalog:
    """The catalogue of the snapshot in a folder and of all edit batches. `classes`: the declared ones, or None."""
    categories = read_json(folder / "snapshot.json", "curate")["categories"]
    ids = Ids(streamed.ids(folder / "samples.parquet"))
    samples = streamed.table(folder / "samples.parquet", SAMPLES, coded=TEXTS)
    annotated = ids.find(streamed.ids(folder / "annotations.parquet")).astype(np.int32)
    annotations = streamed.table(folder / "annotations.parquet", NOTE, coded=["category"])
    said = standings(batches)
    found = ids.rows(list(said)).tolist()
    changed = {row: state for row, state in zip(found, said.values(), strict=True) if row >= 0}
    notes = {
        row: json.loads(state.annotations) for row, state in changed.items() if state.annotations is not None
    }
    first = categories if classes is None else classes
    others = {*categories, *(note["category"] for held in notes.values() for note in held)} - set(first)
    shown = [*first, *sorted(others)]
    codes = Words(shown).codes(annotations["category"])
    words, splits = Words(), Words(SPLITS)
    made = Catalog(
        ids=ids,
        samples=samples.drop_columns(["split", "excluded"]),
        classes=shown,
        words=words,
        label=np.where(samples["labelled"], words.code(""), -1).astype(np.int32),
        split=splits.codes(samples["split"]).astype(np.int8),
        excluded=np.array(samples["excluded"]),
        tagged=_tagged(annotated, codes, notes, shown),
        annotations=annotations,
        annotated=annotated,
        changed=changed,
        batches=_last(ids, batches, lambda name, _: name),
        people=_last(ids, batches, lambda _, judgement: judgement.by),
    )
    for rows, texts in _in_words(annotated, codes, _drawn(annotations), shown):
        made.label[rows] = words.codes(texts)
    for row, state in changed.items():
        if state.annotations is not None:
            made.label[row] = words.code(in_words(notes[row]))
        if state.excluded is not None:
            made.excluded[row] = state.excluded
        if state.split is not None:
            made.split[row] = splits.code(state.split)
    return made


def _drawn(annotations: pa.Table) -> Mask:
    """(annotations,) which ones have a box or an outline."""
    return np.array(pc.or_(*(pc.is_valid(annotations[name]) for name in ("bbox", "segmentation"))))


def _in_words(
    rows: Rows, codes: Codes, drawn: Mask, classes: list[str]
) -> Iterator[tuple[NDArray[np.int64], pa.Array]]:
    """Rows with annotations, and `in_words` of each; `rows` (annotations,): ascending, `codes`: their classes."""
    counted = np.isin(rows, rows[drawn])
    yield _joined(rows[~counted], classes, codes[~counted], "; ")
    many, by_name = np.int64(max(1, len(classes))), sorted(classes)
    rank = np.array([by_name.index(name) for name in classes], np.int64)
    pairs, counts = np.unique(rows[counted] * many + rank[codes[counted]], return_counts=True)
    kinds, which = np.unique(counts * many + pairs % many, return_inverse=True)
    texts = [
        f"{n} {by_name[code]}" for n, code in zip(*(one.tolist() for one in divmod(kinds, many)), strict=True)
    ]
    yield _joined(pairs // many, texts, which, ", ")


def _joined(
    rows: NDArray[Any], texts: list[str], codes: NDArray[Any], between: str
) -> tuple[NDArray[Any], pa.Array]:
    """The rows, each once, and its texts, joined. `rows` (m,): ascending; `codes` (m,): the text of each."""
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    offsets = pa.array(np.append(starts, len(rows)), pa.int32())
    parts = pa.array(texts, pa.string()).take(pa.array(codes))
    return rows[starts], pc.binary_join(pa.ListArray.from_arrays(offsets, parts), between)


def in_words(notes: Iterable[dict[str, object]]) -> str:
    """Annotations in short: `cat`, tags as `cat; dog`, objects as counts by class, `12 cell, 1 dust`."""
    held = list(notes)
    names = [str(note["category"]) for note in held]
    if not any(note.get("bbox") or note.get("segmentation") for note in held):
        return "; ".join(names)
    return ", ".join(f"{n} {name}" for name, n in sorted(Counter(names).items()))


def _tagged(
    rows: Rows, codes: Codes, notes: dict[int, list[dict[str, str]]], categories: Sequence[str]
) -> tuple[Rows, Codes]:
    """Row and class of each annotation, each pair once: those given, and of `notes` where it has the row."""
    if notes:
        place = {name: n for n, name in enumerate(categories)}
        stays = ~np.isin(rows, np.fromiter(notes, np.int32, len(notes)))
        more = [(row, place[note["category"]]) for row, held in notes.items() for note in held]
        added = np.array(more, np.int32).reshape(-1, 2)
        rows, codes = np.append(rows[stays], added[:, 0]), np.append(codes[stays], added[:, 1])
    many = max(1, len(categories))
    pairs = np.unique(rows * np.int64(many) + codes)
    return (pairs // many).astype(np.int32), (pairs % many).astype(np.int32)


def _last(ids: Ids, batches: Batches, of: Callable[[str, Judgement], str]) -> Facet:
    """A property of the last judgement of each image."""
    words = Words()
    said = {judgement.id: words.code(of(name, judgement)) for name, batch in batches for judgement in batch}
    if not said:
        return Facet(np.broadcast_to(np.int32(-1), len(ids)), [])
    codes, rows = np.full(len(ids), -1, np.int32), ids.rows(list(said))
    there = rows >= 0
    codes[rows[there]] = np.fromiter(said.values(), np.int32, len(said))[there]
    return Facet(codes, words.texts)
