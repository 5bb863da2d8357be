"""A view filtered and sorted; its rows go to the browser as compact columns, in chunks of at most CHUNK rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.edits import Judgement
from assay.data.journal import Answers, disagree
from assay.errors import UsageError
from assay.web.catalog import SPLITS, Catalog, Codes, Facet, Mask
from assay.web.collected import collected
from assay.web.ids import texts as texts_of
from assay.web.views import View

Said = list[dict[str, Any]]
"""The answers to an image, as the page gets them."""
CHUNK = 4096
POINTS = 200_000
"""Most images drawn on the map; a region of it selects all."""
STATES = ("open", "judged", "skipped", "conflict")
"""Of an image since the last batch; `judged` includes conflicts."""
STATUS = ("labelled", "unlabelled", "excluded")
SORTS = ("view", "score", "score-up", "name", "label", "random")
META = "meta."
NONE = ""
"""Value of a filter for images without one."""


@dataclass(frozen=True)
class Query:
    """A view with filters: the address of a page, as `view=queue&split=train&class=cat&min=0.5&text=a/b`."""

    view: str
    sort: str = "view"
    text: str = ""
    least: float | None = None
    most: float | None = None
    state: str | None = None
    equal: Mapping[str, str] = field(default_factory=dict)
    """Other filters: class, suggested, split, status, edits, by, strategy …, `meta.<column>`."""
    inside: tuple[tuple[float, float], ...] = ()
    """Corners of a region of the map."""


def parse(given: Mapping[str, str], view: str) -> Query:
    """The query of an address. UsageError for a value that is none."""
    rest = {key: value for key, value in given.items() if key not in ("view", "a", "b", "at", "look")}
    sort, state = rest.pop("sort", "view"), rest.pop("state", None)
    if sort not in SORTS:
        raise UsageError(f"sort={sort!r}", hint=f"valid: {', '.join(SORTS)}")
    if state is not None and state not in STATES:
        raise UsageError(f"state={state!r}", hint=f"valid: {', '.join(STATES)}")
    text, least, most = rest.pop("text", ""), _number(rest, "min"), _number(rest, "max")
    return Query(view, sort, text, least, most, state, inside=_corners(rest), equal=rest)


def _number(given: dict[str, str], name: str) -> float | None:
    text = given.pop(name, "")
    try:
        return float(text) if text else None
    except ValueError:
        raise UsageError(f"{name}={text!r}", hint="a number, such as 0.5") from None


def _corners(given: dict[str, str]) -> tuple[tuple[float, float], ...]:
    text = given.pop("inside", "")
    try:
        numbers = [float(one) for one in text.split(",")] if text else []
    except ValueError:
        numbers = [0.0]
    if len(numbers) % 2 or len(numbers) > 1000 or 0 < len(numbers) < 6:
        raise UsageError("inside: no region of the map", hint="x,y of three corners or more")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


@dataclass(frozen=True)
class Listing:
    """m images: `at` (m,) their places in the view, in the order shown."""

    key: str
    view: View
    catalog: Catalog
    at: NDArray[np.int32]
    facets: dict[str, list[tuple[str, int]]]
    """{filter: [(value, number of images with it under the other filters)]}."""

    def __len__(self) -> int:
        return len(self.at)

    def ids(self, start: int, count: int) -> list[str]:
        return texts_of(self.catalog.ids.raw[self.view.rows[self.at[start : start + count]]])

    def chunk(self, start: int, count: int, shown: Callable[[str], Said]) -> bytes:
        """Rows [start, start + count), as `packed`; `id` is (n, 32) uint8.

        The header has `n`, `words` (texts of the codes), `answers` ({place in the chunk: the answers so far}). `shown`:
        of an image, for the page.
        """
        at = self.at[start : start + min(count, CHUNK)]
        rows = self.view.rows[at]
        texts: dict[str, int] = {}
        columns: dict[str, NDArray[Any]] = {"id": self.catalog.ids.raw[rows]}
        if self.view.score is not None:
            columns["score"] = self.view.score[at].astype(np.float32)
        if self.view.group is not None:
            columns["group"] = self.view.group[at].astype(np.int32)
        for name, codes in (("label", self.catalog.label[rows]), ("suggested", self._suggested(at))):
            columns[name] = _local(codes, self.catalog.words.texts, texts)
        columns["split"] = self.catalog.split[rows].astype(np.int8)
        columns["excluded"] = self.catalog.excluded[rows].astype(np.uint8)
        answered = {n: said for n, sample in enumerate(self.ids(start, len(at))) if (said := shown(sample))}
        return packed({"n": len(at), "words": list(texts), "answers": answered}, columns)

    def points(self, places: NDArray[np.float32], measures: Mapping[str, NDArray[np.float32]]) -> bytes:
        """The images on the map, at most POINTS of them, drawn at random: as `chunk`, with other columns.

        `at`: place in this list; `x`, `y`: 0…1; `label`, `split`; and the measures that any of them has.
        """
        rows = self.view.rows[self.at]
        there = np.flatnonzero(~np.isnan(places[rows, 0]))
        if len(there) > POINTS:
            there = np.sort(np.random.default_rng(0).choice(there, POINTS, replace=False))
        rows, texts = rows[there], dict[str, int]()
        columns: dict[str, NDArray[Any]] = {"at": there.astype(np.int32)}
        columns |= {name: places[rows, k] for k, name in enumerate("xy")}
        columns["label"] = _local(self.catalog.label[rows], self.catalog.words.texts, texts)
        columns["split"] = self.catalog.split[rows].astype(np.int8)
        if self.view.score is not None:
            columns["score"] = self.view.score[self.at[there]].astype(np.float32)
        for name, values in measures.items():
            if not np.isnan(values[rows]).all():
                columns[name] = values[rows]
        return packed({"n": len(there), "of": len(self), "words": list(texts)}, columns)

    def _suggested(self, at: NDArray[np.int32]) -> Codes:
        return np.full(len(at), -1, np.int32) if self.view.suggested is None else self.view.suggested[at]


def packed(head: dict[str, Any], columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Length of the header (uint32), the header as JSON, the columns; each begins at a multiple of 8 bytes.

    The header gets `columns`: [[name, type]] in their order.
    """
    about = {**head, "columns": [[name, column.dtype.name] for name, column in columns.items()]}
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    parts = [len(text).to_bytes(4, "little"), text]
    for column in columns.values():
        data = np.ascontiguousarray(column).tobytes()
        parts.append(data + bytes(-len(data) % 8))
    return b"".join(parts)


def _local(codes: Codes, words: list[str], texts: dict[str, int]) -> Codes:
    """Codes of the texts of one chunk; `texts` takes new ones."""
    known, inverse = np.unique(codes, return_inverse=True)
    local = [-1 if code < 0 else texts.setdefault(words[code], len(texts)) for code in known.tolist()]
    return np.array(local, np.int32)[inverse] if len(local) else codes.astype(np.int32)


def shown(answers: Answers, sample: str, history: Callable[[str], Sequence[Judgement]]) -> Said:
    """The answers to an image for the page, in their order. `history`: the judgements on it in the edit batches."""
    return [
        {
            "act": given.event.act,
            "annotations": None
            if given.event.annotations is None
            else [note.model_dump(mode="json", exclude_defaults=True) for note in given.event.annotations],
            "by": given.event.by,
            "at": given.event.at,
            "collected": collected(given, history(sample)),
        }
        for given in answers.of.get(sample, {}).values()
    ]


# --- filters


def listing(
    key: str, query: Query, view: View, catalog: Catalog, answers: Answers, places: NDArray[np.float32] | None
) -> Listing:
    """The images of a view that pass the filters of a query. `places` (n, 2): the map, if it is there."""
    facets = _facets(view, catalog, answers)
    tests = {name: _passes(name, value, view, catalog, facets) for name, value in query.equal.items()}
    if query.state is not None:
        tests["state"] = _in_state(query.state, facets["state"])
    rest = _rest(query, view, catalog, places)
    passed = rest.copy()
    for test in tests.values():
        passed &= test
    counted = {}
    for name, facet in facets.items():
        others = rest.copy()
        for other, test in tests.items():
            if other != name:
                others &= test
        counted[name] = _counts(name, facet, others)
    counted["class"] = _class_counts(view, catalog, rest, tests)
    at = np.flatnonzero(passed).astype(np.int32)
    return Listing(key, view, catalog, _sorted(query, at, view, catalog), counted)


def _facets(view: View, catalog: Catalog, answers: Answers) -> dict[str, Facet]:
    """The filters of a view that have a value for each image."""
    rows = view.rows
    status = np.where(catalog.excluded, 2, np.where(catalog.label < 0, 1, 0)).astype(np.int32)
    facets = {
        "state": Facet(_states(catalog, answers)[rows], STATES),
        "status": Facet(status[rows], STATUS),
        "split": Facet(catalog.split[rows].astype(np.int32), SPLITS),
    }
    if view.suggested is not None:
        facets["suggested"] = Facet(view.suggested, catalog.words.texts)
    facets |= view.facets or {}
    for name, facet in (("edits", catalog.batches), ("by", catalog.people)):
        facets[name] = Facet(facet.codes[rows], facet.values)
    for name, facet in catalog.metadata.items():
        facets[f"{META}{name}"] = Facet(facet.codes[rows], facet.values)
    return facets


def _states(catalog: Catalog, answers: Answers) -> Codes:
    """(n,) the number of STATES of each image."""
    state = np.zeros(len(catalog), np.int32)
    rows = catalog.ids.rows(list(answers.of)).tolist()
    for row, held in zip(rows, answers.of.values(), strict=True):
        if row >= 0:
            skipped = all(given.event.act == "skip" for given in held.values())
            state[row] = 2 if skipped else 3 if disagree(held.values()) else 1
    return state


def _in_state(name: str, facet: Facet) -> Mask:
    wanted = [STATES.index(name), *([STATES.index("conflict")] if name == "judged" else [])]
    return np.isin(facet.codes, wanted)


def _passes(name: str, value: str, view: View, catalog: Catalog, facets: Mapping[str, Facet]) -> Mask:
    if name == "class":
        return catalog.label[view.rows] < 0 if value == NONE else catalog.shows(value)[view.rows]
    if name not in facets:
        valid = ", ".join(["class", *facets])
        raise UsageError(f"{name}={value!r}: this view has no such filter", hint=f"valid: {valid}")
    facet = facets[name]
    known = {text: code for code, text in enumerate(facet.values)}
    return np.asarray(facet.codes == (-1 if value == NONE else known.get(value, -2)))


def _rest(query: Query, view: View, catalog: Catalog, places: NDArray[np.float32] | None) -> Mask:
    """Text, score and region of the map."""
    passed = np.ones(len(view), bool)
    if query.text:
        found = pc.match_substring(catalog.names, query.text, ignore_case=True).to_numpy(zero_copy_only=False)
        found = found | catalog.ids.starting(query.text.lower())
        passed &= found[view.rows]
    if view.score is not None and query.least is not None:
        passed &= view.score >= query.least
    if view.score is not None and query.most is not None:
        passed &= view.score <= query.most
    if query.inside and places is not None:
        passed &= within(places[view.rows], np.array(query.inside, np.float32))
    return passed


def within(points: NDArray[np.float32], corners: NDArray[np.float32]) -> Mask:
    """(n,) which points (n, 2) lie in a polygon (k, 2): an odd number of edges to their right."""
    inside = np.zeros(len(points), bool)
    x, y = points[:, 0], points[:, 1]
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


MOST_SHOWN = 200


def _counts(name: str, facet: Facet, mask: Mask) -> list[tuple[str, int]]:
    """(value, number of images), the most frequent first; states, statuses and splits in their order."""
    counts = np.bincount(facet.codes[mask] + 1, minlength=len(facet.values) + 1)
    held = [(text, int(n)) for text, n in zip([NONE, *facet.values], counts.tolist(), strict=True) if n]
    if name in ("state", "status", "split"):
        return held
    return sorted(held, key=lambda one: (-one[1], one[0]))[:MOST_SHOWN]


def _class_counts(
    view: View, catalog: Catalog, rest: Mask, tests: Mapping[str, Mask]
) -> list[tuple[str, int]]:
    others = rest.copy()
    for name, test in tests.items():
        if name != "class":
            others &= test
    there = np.zeros(len(catalog), bool)
    there[view.rows[others]] = True
    rows, codes = catalog.tagged
    counts = np.bincount(codes[there[rows]], minlength=len(catalog.classes)).tolist()
    none = int((catalog.label[there] < 0).sum())
    held = [(name, n) for name, n in zip(catalog.classes, counts, strict=True) if n]
    return [*([(NONE, none)] if none else []), *held]


def _sorted(query: Query, at: NDArray[np.int32], view: View, catalog: Catalog) -> NDArray[np.int32]:
    rows = view.rows[at]
    match query.sort:
        case "score" | "score-up" if view.score is not None:
            values = view.score[at] if query.sort == "score-up" else -view.score[at]
            order = np.argsort(values, kind="stable")
        case "name":
            order = pc.sort_indices(catalog.names.take(pa.array(rows))).to_numpy()
        case "label":
            texts = np.array([*catalog.words.texts, ""], dtype=object)
            _, rank = np.unique(texts, return_inverse=True)
            order = np.argsort(rank[catalog.label[rows]], kind="stable")
        case "random":
            order = np.random.default_rng(0).permutation(len(at))
        case _:
            return at
    return np.asarray(at[order], np.int32)
