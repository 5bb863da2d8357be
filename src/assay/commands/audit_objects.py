"""`assay audit` with options, of a task whose labels are objects: suspected boxes and masks, and edits from them.

The stage audit runs before train, and boxes are judged by a detector: without `--model` by the last one, on val, which
it did not learn from; with it by five that are trained for this, each on other images, on train and val. Outlines are
judged by five small segmenters (`audit_masks.py`); with `--model` those of objects as boxes are. Never on test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay import plugins, tasks
from assay.annotators import now
from assay.commands.audit import SURE, Apply
from assay.commands.queue import with_paths
from assay.commands.workspace import writes
from assay.data import object_suspects
from assay.data.annotations import Annotation
from assay.data.corrections import corrected
from assay.data.edits import AUDIT, Judgement, read_batches, write_batch
from assay.data.files import read_json, read_table
from assay.data.snapshot import Snapshot
from assay.data.suspects import LIKELY, POSSIBLE
from assay.errors import EditError, UsageError
from assay.labels.objects.listing import SHOWN, likely
from assay.labels.objects.page import in_cell, outlines_in_cell
from assay.labels.objects.suspicions import suspicions
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
    "suggested_outlines",
    "also",
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
    seen = audited(params, layout, snapshot, model, least, progress)
    object_suspects.keep(layout, snapshot.digest(), seen.rows, seen.splits)
    open_, settled = unreviewed(layout, snapshot, seen.rows)
    likely_ones = [row for row in open_ if row["probability"] >= least]
    shown = likely_ones[:limit]
    there = snapshot.annotations_of([row["id"] for row in shown])
    result: dict[str, Any] = {
        "images": len(seen.ids),
        "objects": sum(len(one) for one in snapshot.annotations_of(seen.ids).values()),
        "splits": sorted(set(seen.splits)),
        "by": seen.by,
        "trained": seen.trained,
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


@dataclass(frozen=True)
class Audited:
    """The images that were judged, and the rows of all suspicions."""

    ids: list[str]
    splits: list[str]
    rows: list[Row]
    trained: int | None
    """Trainings done by this call; None: by the last model."""
    by: str = "models"


def audited(
    params: Params, layout: Layout, snapshot: Snapshot, model: bool, least: float, progress: Progress
) -> Audited:
    """All suspicions; of outlines those from `least` on. UsageError for `model` where labels are regions."""
    if tasks.outlines(params.task) and not (model and tasks.has_objects(params.task)):
        from assay.commands import audit_masks

        if model:
            raise UsageError(
                f"--model does not judge the regions of {params.task}: the audit has its own segmenters",
                hint="`assay audit --html FILE` judges train and val",
            )
        return Audited(*audit_masks.judged(params, layout, min(least, POSSIBLE), progress), by="segmenters")
    table, categories, trained = predictions(params, layout, model, progress)
    table = in_snapshot(table, snapshot)
    found = suspected(params, table, categories)
    return Audited(table["id"].to_pylist(), table["split"].to_pylist(), found, trained)


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
    gone = object_suspects.reviewed(layout, {row["id"] for row in found}, read_batches(layout.edits))
    excluded = set(
        snapshot.ids.filter(pc.fill_null(snapshot.samples["excluded"].combine_chunks(), False)).to_pylist()
    )
    open_ = [row for row in found if row["id"] not in gone | excluded]
    return open_, sum(row["probability"] >= POSSIBLE for row in found if row["id"] in gone)


def _with_paths(layout: Layout, found: Sequence[Row]) -> list[Row]:
    ids = pa.table({"id": pa.array([row["id"] for row in found], pa.string())})
    paths = with_paths(layout, ids)["path"].to_pylist()
    return [{**row, "path": path} for row, path in zip(found, paths, strict=True)]


def _cells(row: Mapping[str, Any]) -> Row:
    boxes = {name: in_cell(row.get(name)) for name in ("box", "suggested_box", "also")}
    return {**row, **boxes, "suggested_outlines": outlines_in_cell(row)}


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
        "changes": dict(Counter(row["kind"] for row in found)),
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
    try:
        changed = corrected(there, [object_suspects.correction(row) for row in found])
    except LookupError as error:
        raise EditError(f"image {sample}: {error}", hint="review them: `assay audit --csv FILE`") from None
    return Judgement(id=sample, op="label", annotations=changed, by=by, at=at, why=why)
