"""What to look at: a view is a list of images in an order, with score, suggestion and reason where there are some.

A view that a model chose must not decide what becomes of the test set: it would bias the measured accuracy. There,
test images are shown and cannot be judged (`guarded`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay import tasks
from assay.commands.queue import open_queue
from assay.data import ledger, object_suspects
from assay.data.edits import judges, read_batches
from assay.data.embeddings import Embeddings
from assay.data.files import read_json, read_table
from assay.data.object_suspects import Row as Suspicion
from assay.data.suspects import FOREIGN, POSSIBLE, for_review, looked_at, read_judged
from assay.data.version import near_pairs
from assay.errors import MissingInput
from assay.layout import Layout
from assay.params import Params
from assay.web.catalog import Catalog, Codes, Facet, Rows, Words

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """m images in an order; every column has (m,) entries."""

    rows: Rows
    """Rows of the catalogue."""
    score: Floats | None = None
    suggested: Codes | None = None
    """Codes of the catalogue's words; -1 for none."""
    group: Codes | None = None
    """Number of the group that an image belongs to; the images of a group are neighbours."""
    reason: pa.Array | None = None
    facets: dict[str, Facet] | None = None
    """More filters, with the values of these m images."""
    objects: Sequence[Sequence[Suspicion]] | None = None
    """The suspected objects of each image, the likeliest first."""

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Source:
    """Where a view comes from."""

    layout: Layout
    params: Params
    catalog: Catalog
    options: dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A view: `score` names its score; `empty` says what to do if it has no images."""

    title: str
    about: str
    empty: str
    build: Callable[[Source], View]
    score: str = ""
    guarded: bool = False


def everything(source: Source) -> View:
    return View(np.arange(len(source.catalog), dtype=np.int32))


def queue(source: Source) -> View:
    table, _ = open_queue(source.layout, source.params.select.overlap)
    return _of_table(source, table, "score", "predicted", ("strategy",))


def sent(source: Source) -> View:
    """The open images of the ledger, in the order in which they were sent."""
    batches, given = ledger.read(source.layout.ledger), judges(read_batches(source.layout.edits))
    held = [(row, batch) for batch in batches for row in batch.only(ledger.open_ids(batch, given)).rows]
    first: dict[str, tuple[ledger.SentImage, ledger.Batch]] = {}
    for row, batch in held:
        first.setdefault(row.id, (row, batch))
    names = ("id", "strategy", "reason", "predicted", "confidence", "sent", "annotator")
    columns: dict[str, list[object]] = {name: [] for name in names}
    for row, batch in first.values():
        said = {**row.model_dump(), "sent": batch.name, "annotator": batch.annotator}
        for name in names:
            columns[name].append(said[name])
    kinds = {name: pa.float64() if name == "confidence" else pa.string() for name in names}
    table = pa.table({name: pa.array(columns[name], kinds[name]) for name in names})
    return _of_table(source, table, "confidence", "predicted", ("strategy", "sent", "annotator"))


def suspects(source: Source) -> View:
    if tasks.has_objects(source.params.task) or tasks.outlines(source.params.task):
        return suspected_objects(source)
    judged = read_judged(source.layout.audit)
    if "given" not in judged.column_names:
        raise MissingInput("this task has no label of a whole image to suspect", hint="`assay audit`")
    open_ = for_review(judged, POSSIBLE)
    taken = looked_at(judged, read_batches(source.layout.edits))
    open_ = open_.filter(pc.invert(pc.is_in(open_["id"], value_set=pa.array(list(taken), pa.string()))))
    return _of_table(source, open_, "probability", "suggested", ("proposed",))


def suspected_objects(source: Source) -> View:
    """The images with suspected objects, by the likeliest of them. `error`: its kind."""
    digest = read_json(source.layout.snapshot / "snapshot.json", "curate")["digest"]
    found = object_suspects.unreviewed(source.layout, read_batches(source.layout.edits), digest)
    if found is None:
        raise MissingInput(
            "the objects of this snapshot were not audited",
            hint="`assay audit --html audit.html`, then reload this page",
        )
    rows = source.catalog.ids.rows(list(found))
    there = (rows >= 0) & ~source.catalog.excluded[rows]
    held = [some for some, kept in zip(found.values(), there.tolist(), strict=True) if kept]
    kinds = pa.array([some[0]["kind"] for some in held], pa.string())
    return View(
        rows[there].astype(np.int32),
        np.array([some[0]["probability"] for some in held], np.float32),
        facets={"error": _facet(pa.chunked_array([kinds]))},
        objects=held,
    )


def outliers(source: Source) -> View:
    judged = read_judged(source.layout.audit)
    far = judged.filter(pc.greater(judged["outlier"], FOREIGN))
    far = far.sort_by([("outlier", "descending"), ("id", "ascending")])
    return _of_table(source, far, "outlier", "suggested", ())


def mistakes(source: Source) -> View:
    """Images of val and test on which the last model is wrong, the surest first."""
    said = read_table(source.layout.outputs / "predictions.parquet", made_by="evaluate")
    wrong = said.filter(pc.less(said["quality"], 1))
    score = "confidence" if "confidence" in wrong.column_names else "quality"
    direction = "descending" if score == "confidence" else "ascending"
    wrong = wrong.sort_by([(score, direction), ("id", "ascending")])
    return _of_table(source, wrong, score, "predicted", ())


def slices(source: Source) -> View:
    """The images of each slice on which the last model is significantly worse, the worst slice first."""
    from assay.commands.audit import evaluated
    from assay.labels.slices import significant

    ids, *held = evaluated(source.params, source.layout)
    found, _ = significant(*held)
    names, right, places, reasons, codes = Words(), held[0], [], [], []
    for row, mask in found:
        said = f"{row['name']}: {row['accuracy']:.0%} right [{row['low']:.0%}, {row['high']:.0%}] of {row['n']:,}"
        at = np.flatnonzero(mask)[np.argsort(right[mask], kind="stable")]  # the wrong ones first
        places += [ids[n] for n in at]
        reasons += [
            f"{said}, the others {row['rest']:.0%}; this one {'right' if right[n] else 'wrong'}" for n in at
        ]
        codes += [names.code(row["name"])] * len(at)
    table = pa.table({"id": pa.array(places, pa.string()), "reason": pa.array(reasons, pa.string())})
    return _of_table(source, table, None, None, (), {"slice": Facet(np.array(codes, np.int32), names.texts)})


def duplicates(source: Source) -> View:
    """Groups of near-duplicates: connected by pairs of at least `curate.near_duplicate`; the largest first."""
    pairs = near_pairs(Embeddings.open(source.layout.embeddings).pairs, source.params.curate.near_duplicate)
    from scipy.sparse import coo_matrix  # here: 20 MB that a project without embeddings does not need
    from scipy.sparse.csgraph import connected_components

    a, b = (source.catalog.ids.rows(pairs[name].combine_chunks()) for name in ("id", "other"))
    there = (a >= 0) & (b >= 0)
    a, b, near = a[there], b[there], pairs["similarity"].to_numpy()[there]
    n = len(source.catalog)
    _, number = connected_components(coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n, n)), False)
    rows = np.unique(np.concatenate([a, b]))
    best = np.zeros(n, np.float32)
    for side in (a, b):
        np.maximum.at(best, side, near.astype(np.float32))
    sizes = np.bincount(number[rows], minlength=int(number.max(initial=-1)) + 1)
    rows = rows[np.lexsort((rows, number[rows], -sizes[number[rows]]))]
    _, group = np.unique(number[rows], return_inverse=True)
    return View(rows.astype(np.int32), best[rows], group=group.astype(np.int32))


def changes(source: Source) -> View:
    """What changed between two revisions, `a` and `b` of the options; by default from HEAD to the workspace."""
    from assay.data.difference import diff, kinds_of
    from assay.data.snapshot import Snapshot
    from assay.experiments.sides import open_side

    sides = [
        open_side(source.options.get(name) or usual, source.layout, source.params)
        for name, usual in (("a", "HEAD"), ("b", "workspace"))
    ]
    found = diff(*(Snapshot.load(side.path("data/snapshot")) for side in sides)).samples
    named = Words()
    kind = [named.code(", ".join(kinds_of(bits))) for bits in found["kinds"].to_numpy().tolist()]
    was, now = (pc.fill_null(found[f"label_{side}"], "–") for side in ("before", "after"))
    moved = pc.binary_join_element_wise(found["split_before"], found["split_after"], " → ")
    same = pc.equal(found["split_before"], found["split_after"])
    label = pc.binary_join_element_wise(was, now, " → ")
    reason = pc.if_else(
        pc.fill_null(same, True), label, pc.binary_join_element_wise(label, pc.fill_null(moved, ""), "; ")
    )
    table = pa.table({"id": found["id"], "reason": reason})
    return _of_table(source, table, None, None, (), {"kind": Facet(np.array(kind, np.int32), named.texts)})


VIEWS: dict[str, Kind] = {
    "queue": Kind(
        "Queue",
        "Images to label next, best first",
        "Nothing waits for a label. `dvc repro` chooses the next images.",
        queue,
        "score",
    ),
    "sent": Kind(
        "Sent",
        "Images sent to annotators and not answered yet",
        "No image that was sent is open. `assay annotate` sends the queue.",
        sent,
        "confidence",
    ),
    "suspects": Kind(
        "Suspects",
        "Labels that are probably wrong, the likeliest first",
        "No label is suspect. `assay audit` looks again after `dvc repro`.",
        suspects,
        "probability",
        guarded=True,
    ),
    "outliers": Kind(
        "Outliers",
        "Images far from all others: another kind, a bad crop",
        "No image is far from all others.",
        outliers,
        "outlier",
        guarded=True,
    ),
    "duplicates": Kind(
        "Duplicates",
        "Groups of near-duplicates; keep one, exclude the others",
        "No two images are near-duplicates (`curate.near_duplicate`).",
        duplicates,
        "similarity",
    ),
    "mistakes": Kind(
        "Mistakes",
        "Images of val and test on which the last model is wrong, the surest first",
        "The last model makes no mistake, or there is none: `dvc repro` trains and measures one.",
        mistakes,
        "confidence",
        guarded=True,
    ),
    "slices": Kind(
        "Slices",
        "Images of kinds on which the last model is significantly worse: by metadata, and by clusters of embeddings",
        "No kind of image is significantly worse than the others. `evaluate.slices` names metadata to slice by.",
        slices,
        guarded=True,
    ),
    "changes": Kind(
        "Changes",
        "Images that differ between two revisions",
        "Nothing changed since the last commit. Other revisions: add `?a=HEAD~1&b=workspace` to the link.",
        changes,
    ),
    "all": Kind(
        "All images", "Every image of the snapshot", "The snapshot is empty: `dvc repro`.", everything
    ),
}


def build(name: str, source: Source) -> View:
    """The images of a view. MissingInput, with what to run, if its input is not there."""
    return VIEWS[name].build(source)


def _of_table(
    source: Source,
    table: pa.Table,
    score: str | None,
    suggested: str | None,
    facets: Sequence[str],
    more: dict[str, Facet] | None = None,
) -> View:
    """A view of the rows of a table with `id`, without images that the snapshot does not have."""
    rows = source.catalog.ids.rows(table["id"].combine_chunks())
    there = rows >= 0
    kept = table.filter(pa.array(there))
    return View(
        rows[there].astype(np.int32),
        None if score is None else pc.cast(kept[score], pa.float32()).to_numpy(zero_copy_only=False),
        None if suggested is None else source.catalog.words.codes(kept[suggested]),
        reason=kept["reason"].combine_chunks() if "reason" in kept.column_names else None,
        facets={
            **{name: _facet(kept[name]) for name in facets},
            **{name: Facet(one.codes[there], one.values) for name, one in (more or {}).items()},
        },
    )


def _facet(column: pa.ChunkedArray) -> Facet:
    words = Words()
    return Facet(words.codes(column), words.texts)
