"""`assay audit` with options: suspects, edit batches from them, and slices on which the model is worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import plugins, tasks
from assay.annotators import AnnotatorContext, ask, now
from assay.commands.queue import with_paths
from assay.commands.workspace import writes
from assay.data.annotations import Annotation
from assay.data.edits import AUDIT, Judgement, read_batches, write_batch
from assay.data.files import read_json, read_table
from assay.data.suspects import (
    LIKELY,
    Order,
    WrongShare,
    for_review,
    looked_at,
    read_judged,
    share_of,
    suspects,
)
from assay.errors import UsageError
from assay.labels.listing import SHOWN, likely
from assay.labels.payoff import payoff
from assay.layout import Layout
from assay.lineage.people import whoami
from assay.metrics.judged import is_right
from assay.params import Params
from assay.progress import Progress, silent
from assay.reports import exported
from assay.reports.destinations import write_out

Apply = Literal["suggested", "exclude"]
SURE = 0.9
"""Least probability for `--apply` without `--above`."""
CHECK = Path("check.csv")
BLIND = ("id", "path", "image", "split", "given", "label", "exclude", "why")
"""Columns of the file for a check; the opinion of the audit is left out, so as not to influence the answers."""
COLUMNS = (
    "id",
    "path",
    "image",
    "split",
    "given",
    "suggested",
    "probability",
    "outlier",
    "proposed",
    "reason",
    "label",
    "exclude",
    "why",
)
"""Columns of the exported file; `label`, `exclude` and `why` are for people to fill in."""


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
    check: int | None = None,
    force: bool = False,
    sort: Order = "wrong",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Suspects from probability `above` on and outliers, without those reviewed since, and what was done with them.

    In the order of `sort`, at most `limit`. `check`: instead, draw so many labels for review and export them to CHECK.
    """
    likely = params.audit.limits.get("label_errors", LIKELY)
    least = above if above is not None else SURE if apply else likely
    batches = read_batches(layout.edits)
    judged, trained = ask_model(params, layout, progress) if model else (read_judged(layout.audit), None)
    if not len(judged) and not tasks.load(params.task).SAYS_CLASSES:
        raise UsageError(
            f"no label of {params.task} can be audited: they are neither one class an image nor objects",
            hint="`assay audit` without options lists bad images: data/audit/audit.json",
        )
    share, settled = share_of(judged), looked_at(judged, batches)
    if check is not None:
        return draw(params, layout, _without(suspects(judged, 0.0), settled), check, export or CHECK, share)
    if apply == "suggested" and share.by == "estimated" and not force:
        raise UNMEASURED
    open_ = _without(for_review(judged, least, sort), settled)
    open_ = (_for(apply, open_, least, force) if apply else open_).slice(0, limit)
    count = int(pc.sum(pc.greater_equal(open_["probability"], least)).as_py() or 0)
    result: dict[str, Any] = {
        "labels": len(judged),
        "share": asdict(share),
        "trained": trained,
        "above": least,
        "sort": sort,
        "suspects": count,
        "foreign": int(pc.sum(pc.equal(open_["proposed"], "exclude")).as_py() or 0),
        "settled": len(judged.filter(pc.greater_equal(judged["probability"], least)))
        - len(suspects(judged, least)),
        "payoff": payoff(share, count),
        "slices": None if apply else slices(params, layout),
        "others": other_issues(layout),
        "rows": with_paths(layout, open_).to_pylist(),
        "file": export and str(export),
        "page": page and str(page),
        "applied": apply and act(params, layout, open_, apply, least, dry_run),
    }
    if export is not None:
        exported.export(export, result["rows"], COLUMNS, layout)
    if page is not None:
        from assay.labels.page import page as made

        samples = read_table(layout.snapshot / "samples.parquet", ["id", "origins"], made_by="curate")
        write_out(page, made(result, open_, samples, layout.pool, pictures, progress).encode())
    return {**result, "rows": result["rows"][: SHOWN if limit is None else limit]}


def ask_model(params: Params, layout: Layout, progress: Progress) -> tuple[pa.Table, int]:
    """RANKED as in the stage, with the model of params.yaml; and the number of models trained by this call."""
    from assay.checks import open_context
    from assay.experiments.out_of_fold import out_of_fold

    context = open_context(params, layout)
    believed, trained = out_of_fold(context, params, layout, progress)
    return context.rank(context.judge_labels(believed)), trained


def other_issues(layout: Layout) -> dict[str, int]:
    """{check: number of issues} of the other checks."""
    found = read_json(layout.audit / "audit.json", made_by="audit")
    return {name: row["issues"] for name, row in found.items() if name != "label_errors" and row["issues"]}


def _without(table: pa.Table, ids: set[str]) -> pa.Table:
    gone = pa.array([sample in ids for sample in table["id"].to_pylist()], pa.bool_())
    return table.filter(pc.invert(gone))


# --- labels drawn for review


def draw(
    params: Params, layout: Layout, table: pa.Table, count: int, file: Path, share: WrongShare
) -> dict[str, Any]:
    """Write a CSV of labels drawn for review; the answers, read by `assay label`, calibrate the probabilities."""
    from assay.labels.measured import drawn, why

    rows = drawn(table["probability"].to_numpy(), count, params.seed)
    asked = with_paths(layout, table.take(pa.array(rows, pa.int64())).sort_by("id")).to_pylist()
    told = told_at_once(params, layout, [row["id"] for row in asked])
    rows_out = [row | {"why": why(row["given"]), "label": told.get(row["id"], "")} for row in asked]
    exported.export(file, rows_out, BLIND, layout)
    return {"check": len(asked), "answered": len(told), "file": str(file), "share": asdict(share)}


def told_at_once(params: Params, layout: Layout, ids: Sequence[str]) -> dict[str, str]:
    """{id: label} of an annotator that answers at once, as the oracle in a replay; {} if it waits."""
    name = params.select.annotator
    if name is None or plugins.load("annotators", name).WAITS:
        return {}
    said = {row.id: row.annotations for row in ask(name, ids, AnnotatorContext(layout, params))}
    return {sample: notes[0].category for sample, notes in said.items() if notes and len(notes) == 1}


UNMEASURED = UsageError(
    "--apply suggested needs measured probabilities, and these are estimated: no answers of people calibrate them",
    hint="`assay audit --check 50`: fifty reviews measure them; or --force",
)


# --- edit batches from suspects


def _for(what: Apply, table: pa.Table, least: float, force: bool) -> pa.Table:
    """The rows that `--apply` acts on.

    `suggested`: suspects that are no outliers. `exclude`: suspects, and outliers only with `force`, as the outlier
    score is not calibrated.
    """
    if what == "suggested":
        return table.filter(pc.equal(table["proposed"], "relabel"))
    return table if force else table.filter(pc.greater_equal(table["probability"], least))


@writes("judgements")
def act(
    params: Params, layout: Layout, table: pa.Table, what: Apply, least: float, dry_run: bool
) -> dict[str, Any]:
    """Write one edit batch that relabels as suggested, or excludes. The test set does not change.

    UsageError for a probability below 0.5: most of the labels would be right.
    """
    if least < LIKELY:
        raise UsageError(
            f"--apply {what} above {least:g} would do more harm than good: most of those labels are right",
            hint=f"--above {SURE:g}, or a number from {LIKELY:g} to 1; or review them: `--csv FILE`",
        )
    batch = None
    if len(table) and not dry_run:
        by, at = whoami(layout.root) + AUDIT, now()
        judgements = [judgement(row, what, by, at) for row in table.to_pylist()]
        batch = write_batch(layout.edits, f"audit-{what}", judgements)
    suspect = table["probability"].filter(pc.greater_equal(table["probability"], least))
    return {
        "what": what,
        "count": len(table),
        "foreign": len(table) - len(suspect),
        "expected_right": len(suspect) - float(pc.sum(suspect).as_py() or 0.0),
        "changes": _tally(table),
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "dry_run": dry_run,
    }


def _tally(table: pa.Table) -> list[dict[str, Any]]:
    """Counts of (given, suggested), the most frequent first."""
    pairs = Counter(zip(table["given"].to_pylist(), table["suggested"].to_pylist(), strict=True))
    return [{"given": a, "suggested": b, "count": n} for (a, b), n in pairs.most_common()]


def judgement(row: Mapping[str, Any], what: Apply, by: str, at: str) -> Judgement:
    why = f"wrong with probability {likely(row['probability'])}: {row['reason']}"
    if row["proposed"] == "exclude":
        why = f"outlier score {row['outlier']:.2f}, {why}"
    if what == "exclude":
        return Judgement(id=row["id"], op="exclude", by=by, at=at, why=f"labelled {row['given']!r}, {why}")
    return Judgement(
        id=row["id"], op="label", annotations=[Annotation(category=row["suggested"])], by=by, at=at, why=why
    )


# --- where the model is worse


def slices(params: Params, layout: Layout) -> dict[str, Any] | None:
    """Worse slices of the images of the last evaluation; None without one."""
    if not (layout.outputs / "predictions.parquet").exists():
        return None
    from assay.labels.slices import worse_slices

    _, *held = evaluated(params, layout)
    return worse_slices(*held)


def evaluated(params: Params, layout: Layout) -> tuple[Any, ...]:
    """Ids of the images of the last evaluation; and what `assay.labels.slices` compares them by."""
    from assay.data.embeddings import Embeddings

    table = read_table(layout.outputs / "predictions.parquet", ["id", "quality"], made_by="evaluate")
    samples = read_table(layout.snapshot / "samples.parquet", ["id", "metadata"], made_by="curate")
    held = dict(zip(samples["id"].to_pylist(), samples["metadata"].to_pylist(), strict=True))
    table = table.filter(pa.array([sample in held for sample in table["id"].to_pylist()], pa.bool_()))
    ids = table["id"].to_pylist()
    right = is_right(np.asarray(table["quality"], np.float64))
    vectors = Embeddings.open(layout.embeddings).vectors(ids) if ids else None
    return ids, right, [held[s] for s in ids], params.evaluate.slices, vectors, params.seed
