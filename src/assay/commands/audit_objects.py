"""`assay audit` with options, of a task whose labels are objects: suspected boxes and masks, and edits from them.

The stage audit runs before train, and objects are judged by a detector: without `--model` by the last one, on val,
which it did not learn from; with it by five that are trained for this, each on other images, on train and val. Never on
test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay import plugins
from assay.annotators import now
from assay.commands.audit import SURE, Apply
from assay.commands.queue import with_paths
from assay.commands.workspace import writes
from assay.data.annotations import Annotation, Box
from assay.data.corrections import Correction, corrected
from assay.data.edits import AUDIT, Judgement, answers_to, read_batches, write_batch
from assay.data.files import read_json, read_table
from assay.data.pool import side_table
from assay.data.snapshot import Snapshot
from assay.data.suspects import LIKELY, POSSIBLE
from assay.errors import UsageError
from assay.labels.objects.listing import SHOWN, likely
from assay.labels.objects.page import in_cell
from assay.labels.objects.suspicions import KINDS, suspicions
from assay.labels.objects.table import rows
from assay.layout import Layout
from assay.lineage.people import whoami
from assay.metrics.detected import Detected
from assay.params import Params
from assay.progress import Progress, silent
from assay.reports import exported
from assay.reports.destinations import write_out

COLUMNS = (
    "id",
    "path",
    "image",
    "split",
    "kind",
    "given",
    "box",
    "suggested",
    "suggested_box",
    "probability",
    "reason",
    "take",
    "exclude",
    "why",
)
"""Columns of the exported file; `take`, `exclude` and `why` are for people to fill in."""
Row = dict[str, Any]


def run(
    params: Params,
    layout: Layout,
    above: float | None = None,
    limit: int | None = None,
    export: Path | None = None,
    page: Path | None = None,
    pictures: int = 2000,
    apply: Apply | None = None,
    dry_run: bool = False,
    model: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Suspected objects from probability `above` on, without those of images that were reviewed."""
    least = above if above is not None else SURE if apply else POSSIBLE
    snapshot = Snapshot.load(layout.snapshot)
    table, categories, trained = predictions(params, layout, model, progress)
    table = in_snapshot(table, snapshot)
    found = suspected(params, table, categories)
    open_, settled = unreviewed(layout, snapshot, found)
    likely_ones = [row for row in open_ if row["probability"] >= least]
    shown = likely_ones[:limit]
    there = snapshot.annotations_of([row["id"] for row in shown])
    result: dict[str, Any] = {
        "images": len(table),
        "objects": sum(len(one) for one in snapshot.annotations_of(table["id"].to_pylist()).values()),
        "splits": sorted(set(table["split"].to_pylist())),
        "trained": trained,
        "above": least,
        "suspects": dict(Counter(row["kind"] for row in likely_ones)),
        "settled": settled,
        "rows": _with_paths(layout, shown),
        "file": export and str(export),
        "page": page and str(page),
        "applied": apply and act(params, layout, shown, there, apply, least, dry_run, force),
    }
    if export is not None:
        exported.export(export, [_cells(row) for row in result["rows"]], COLUMNS, layout)
    if page is not None:
        from assay.labels.objects.page import page as made

        write_out(page, made(result, result["rows"], there, layout.pool, pictures, progress).encode())
    return {**result, "rows": result["rows"][: SHOWN if limit is None else limit]}


def refuse(task: str, check: int | None, sort: str | None) -> None:
    """UsageError for options that are for labels of whole images."""
    if check is not None:
        raise UsageError(
            f"--check is for labels of whole images, not for the objects of {task}",
            hint="`assay audit --csv review.csv`: a review of the suspected objects",
        )
    if sort not in (None, "wrong"):
        raise UsageError(
            f"--sort {sort} is for labels of whole images, not for the objects of {task}",
            hint="objects are in the order of their probabilities: --sort wrong",
        )


def predictions(
    params: Params, layout: Layout, model: bool, progress: Progress
) -> tuple[pa.Table, Sequence[str], int | None]:
    """Rows of predictions.parquet of images that a model did not learn from, its classes, and the trainings done."""
    if model:
        from assay.experiments.detected_out_of_fold import detected_out_of_fold

        return detected_out_of_fold(params, layout, progress)
    table = read_table(layout.outputs / "predictions.parquet", made_by="evaluate")
    known = read_json(layout.outputs / "model" / "model.json", made_by="train")["categories"]
    return table.filter(pc.equal(table["split"], "val")), known, None


def in_snapshot(table: pa.Table, snapshot: Snapshot) -> pa.Table:
    """The rows of train and val images of the snapshot, with its splits: in the cell of a fold, all are test images."""
    table = table.filter(pc.is_in(table["id"], snapshot.ids))
    at = pc.index_in(table["id"].combine_chunks(), snapshot.ids)
    splits = snapshot.samples["split"].combine_chunks().take(at)
    table = table.set_column(table.column_names.index("split"), "split", splits)
    return table.filter(pc.not_equal(table["split"], "test"))


def suspected(params: Params, table: pa.Table, categories: Sequence[str]) -> list[Row]:
    """Rows of `table.rows` for all suspicions, the most probable first."""
    if not len(table):
        return []
    labels = table["label"].to_pylist()
    judged: Detected = plugins.load("metrics", params.task).judge(table, categories, labels, categories)
    overlap = judged.overlap(judged.detections)
    found = suspicions(judged.detections, judged.truth, overlap, judged.classes, params.seed)
    ids, splits = table["id"].to_pylist(), table["split"].to_pylist()
    return rows(judged, found, ids, splits, labels, categories)


def unreviewed(layout: Layout, snapshot: Snapshot, found: Sequence[Row]) -> tuple[list[Row], int]:
    """The rows of images that were labelled once only; and the number of the others."""
    batches, imports = read_batches(layout.edits), side_table(layout.pool, "imports")
    labelled = set(imports.filter(pc.is_valid(imports["annotations"]))["id"].to_pylist())
    looks, left_out = answers_to(batches, ["label"]), answers_to(batches, ["exclude"])
    excluded = set(
        snapshot.ids.filter(pc.fill_null(snapshot.samples["excluded"].combine_chunks(), False)).to_pylist()
    )
    gone = {
        row["id"] for row in found if looks[row["id"]] + (row["id"] in labelled) > 1 or left_out[row["id"]]
    }
    open_ = [row for row in found if row["id"] not in gone | excluded]
    return open_, sum(row["probability"] >= POSSIBLE for row in found if row["id"] in gone)


def _with_paths(layout: Layout, found: Sequence[Row]) -> list[Row]:
    ids = pa.table({"id": pa.array([row["id"] for row in found], pa.string())})
    paths = with_paths(layout, ids)["path"].to_pylist()
    return [{**row, "path": path} for row, path in zip(found, paths, strict=True)]


def _cells(row: Mapping[str, Any]) -> Row:
    return {**row, "box": in_cell(row["box"]), "suggested_box": in_cell(row["suggested_box"])}


# --- edit batches


@writes("judgements")
def act(
    params: Params,
    layout: Layout,
    found: Sequence[Row],
    there: Mapping[str, Sequence[Annotation]],
    what: Apply,
    least: float,
    dry_run: bool,
    force: bool,
) -> dict[str, Any]:
    """One edit batch: the suggestions, or without the images. UsageError below ½, and without `force`."""
    if least < LIKELY:
        raise UsageError(
            f"--apply {what} above {least:g} would do more harm than good: most of those objects are right",
            hint=f"--above {SURE:g}, or a number from {LIKELY:g} to 1; or review them: `--html FILE`",
        )
    if what == "suggested" and not force:
        raise UsageError(
            "--apply suggested writes what a model suggests, with probabilities that no person has checked",
            hint="review them: `assay audit --html FILE`; or --force",
        )
    if what == "suggested" and params.task != "detection":
        raise UsageError(
            f"--apply suggested suggests boxes, and the labels of {params.task} are outlines",
            hint="draw them: `assay review`; `assay audit --csv FILE` lists them",
        )
    of: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        of[row["id"]].append(row)
    by, at = whoami(layout.root) + AUDIT, now()
    judgements = [judgement(sample, held, there.get(sample, ()), what, by, at) for sample, held in of.items()]
    batch = write_batch(layout.edits, f"audit-{what}", judgements) if judgements and not dry_run else None
    return {
        "what": what,
        "objects": len(found),
        "images": len(judgements),
        "expected_right": sum(1 - row["probability"] for row in found),
        "changes": {kind: n for kind in KINDS if (n := sum(row["kind"] == kind for row in found))},
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "dry_run": dry_run,
    }


def judgement(
    sample: str, found: Sequence[Row], there: Sequence[Annotation], what: Apply, by: str, at: str
) -> Judgement:
    why = "; ".join(
        f"{row['kind']} with probability {likely(row['probability'])}: {row['reason']}" for row in found
    )
    if what == "exclude":
        return Judgement(id=sample, op="exclude", by=by, at=at, why=why)
    changed = corrected(there, [correction(row) for row in found])
    return Judgement(id=sample, op="label", annotations=changed, by=by, at=at, why=why)


def correction(row: Mapping[str, Any]) -> Correction:
    return Correction(row["given"], _box(row["box"]), row["suggested"], _box(row["suggested_box"]))


def _box(sides: Sequence[float] | None) -> Box | None:
    if sides is None:
        return None
    x, y, width, height = sides
    return x, y, width, height
