"""`assay audit`: which labels are wrong, what to do about it, and where the model is worse than elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay import exported, plugins
from assay.annotators import Desk, ask, now
from assay.commands.queue import with_paths
from assay.data.edits import Annotation, Judgement, read_batches, write_batch
from assay.data.files import read_json, read_table
from assay.data.suspects import LIKELY, Share, looked_at, read_judged, share_of, suspects
from assay.destinations import write_out
from assay.errors import UsageError
from assay.layout import Layout
from assay.lineage.people import whoami
from assay.params import Params
from assay.progress import Progress, silent
from assay.review.payoff import payoff
from assay.workspace import writes

Apply = Literal["suggested", "exclude"]
SURE = 0.9
"""Probability from which on `--apply` acts, where `--above` says nothing else."""
SHOWN = 20
CHECK = Path("check.csv")
BLIND = ("id", "path", "image", "split", "given", "label", "exclude", "why")
"""Of the file for a check: what the audit thinks of it is not said."""
COLUMNS = (
    "id",
    "path",
    "image",
    "split",
    "given",
    "suggested",
    "probability",
    "reason",
    "label",
    "exclude",
    "why",
)
"""Of the exported file; `label`, `exclude` and `why` are left for people to fill in."""


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
    progress: Progress = silent,
) -> dict[str, Any]:
    """The suspects from probability `above` on that nobody has looked at since, at most `limit`, and what was done.

    `check`: that many labels drawn for a second look instead, of whatever probability, and exported to CHECK.
    """
    likely = params.audit.limits.get("label_errors", LIKELY)
    least = above if above is not None else SURE if apply else likely
    batches = read_batches(layout.edits)
    judged, trained = ask_model(params, layout, progress) if model else (read_judged(layout.audit), None)
    share, settled = share_of(judged), looked_at(judged, batches)
    if check is not None:
        return draw(params, layout, _without(suspects(judged, 0.0), settled), check, export or CHECK, share)
    if apply == "suggested" and share.by == "estimated" and not force:
        raise UNMEASURED
    open_ = _without(suspects(judged, least), settled).slice(0, limit)
    result: dict[str, Any] = {
        "labels": len(judged),
        "share": asdict(share),
        "trained": trained,
        "above": least,
        "suspects": len(open_),
        "settled": len(judged.filter(pc.greater_equal(judged["probability"], least)))
        - len(suspects(judged, least)),
        "payoff": payoff(share, len(open_)),
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
        from assay.review.page import page as made

        samples = read_table(layout.snapshot / "samples.parquet", ["id", "origins"], made_by="curate")
        write_out(page, made(result, open_, samples, layout.pool, pictures, progress).encode())
    return {**result, "rows": result["rows"][: SHOWN if limit is None else limit]}


def ask_model(params: Params, layout: Layout, progress: Progress) -> tuple[pa.Table, int]:
    """RANKED as the stage makes it, with the model's opinion; and how many models were trained for it now."""
    from assay.audit import open_context
    from assay.review.network import out_of_fold

    context = open_context(params, layout)
    believed, trained = out_of_fold(context, params, layout, progress)
    return context.rank(context.judge_labels(believed)), trained


def other_issues(layout: Layout) -> dict[str, int]:
    """What the other checks have found, by name: they too are the audit, of which this shows the labels."""
    found = read_json(layout.audit / "audit.json", made_by="audit")
    return {name: row["issues"] for name, row in found.items() if name != "label_errors" and row["issues"]}


def _without(table: pa.Table, ids: set[str]) -> pa.Table:
    gone = pa.array([sample in ids for sample in table["id"].to_pylist()], pa.bool_())
    return table.filter(pc.invert(gone))


# --- second looks by design


def draw(
    params: Params, layout: Layout, table: pa.Table, count: int, file: Path, share: Share
) -> dict[str, Any]:
    """A CSV of labels to look at, drawn over all probabilities: `assay label` takes it back, and they are measured."""
    from assay.label_audit.measured import drawn, why

    rows = drawn(table["probability"].to_numpy(), count, params.seed)
    asked = with_paths(layout, table.take(pa.array(rows, pa.int64())).sort_by("id")).to_pylist()
    told = told_at_once(params, layout, [row["id"] for row in asked])
    rows_out = [row | {"why": why(row["given"]), "label": told.get(row["id"], "")} for row in asked]
    exported.export(file, rows_out, BLIND, layout)
    return {"check": len(asked), "answered": len(told), "file": str(file), "share": asdict(share)}


def told_at_once(params: Params, layout: Layout, ids: Sequence[str]) -> dict[str, str]:
    """The labels that an annotator gives without waiting, as the oracle does in a replay; {} where people answer."""
    name = params.select.annotator
    if name is None or plugins.load("annotators", name).WAITS:
        return {}
    said = {row.id: row.annotations for row in ask(name, ids, Desk(layout, params))}
    return {sample: notes[0].category for sample, notes in said.items() if notes and len(notes) == 1}


UNMEASURED = UsageError(
    "--apply suggested acts on probabilities, and these are estimated: no answer of people stands behind them",
    hint="`assay audit --check 50`: fifty second looks measure them; or --force",
)


# --- what is done


@writes("judgements")
def act(
    params: Params, layout: Layout, table: pa.Table, what: Apply, least: float, dry_run: bool
) -> dict[str, Any]:
    """One edit batch that takes the suggestions, or leaves the images out. The test set is never touched.

    UsageError below even odds: more labels would be made wrong than right.
    """
    if least < LIKELY:
        raise UsageError(
            f"--apply {what} above {least:g} would do more harm than good: most of those labels are right",
            hint=f"--above {SURE:g}, or a number from {LIKELY:g} to 1; or `--csv FILE`, and people look at them",
        )
    batch = None
    if len(table) and not dry_run:
        by, at = f"{whoami(layout.root)} (assay audit)", now()
        judgements = [judgement(row, what, by, at) for row in table.to_pylist()]
        batch = write_batch(layout.edits, f"audit-{what}", judgements)
    wrong = float(pc.sum(table["probability"]).as_py() or 0.0)
    return {
        "what": what,
        "count": len(table),
        "expected_right": len(table) - wrong,
        "changes": _tally(table),
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "dry_run": dry_run,
    }


def _tally(table: pa.Table) -> list[dict[str, Any]]:
    """How often which label would become which, the most frequent first."""
    pairs = Counter(zip(table["given"].to_pylist(), table["suggested"].to_pylist(), strict=True))
    return [{"given": a, "suggested": b, "count": n} for (a, b), n in pairs.most_common()]


def judgement(row: Mapping[str, Any], what: Apply, by: str, at: str) -> Judgement:
    why = f"wrong with probability {likely(row['probability'])}: {row['reason']}"
    if what == "exclude":
        return Judgement(id=row["id"], op="exclude", by=by, at=at, why=f"labelled {row['given']!r}, {why}")
    return Judgement(
        id=row["id"], op="label", annotations=[Annotation(category=row["suggested"])], by=by, at=at, why=why
    )


# --- where the model is worse


def slices(params: Params, layout: Layout) -> dict[str, Any] | None:
    """Of the images that the last model was measured on; None if there are none."""
    file = layout.outputs / "predictions.parquet"
    if not file.exists():
        return None
    from assay.data.embeddings import Embeddings
    from assay.review.slices import worse_slices

    table = read_table(file, ["id", "correct"], made_by="evaluate")
    samples = read_table(layout.snapshot / "samples.parquet", ["id", "metadata"], made_by="curate")
    held = dict(zip(samples["id"].to_pylist(), samples["metadata"].to_pylist(), strict=True))
    table = table.filter(pa.array([sample in held for sample in table["id"].to_pylist()], pa.bool_()))
    ids = table["id"].to_pylist()
    right = np.asarray(table["correct"].to_numpy(zero_copy_only=False), bool)
    vectors = Embeddings.open(layout.embeddings).vectors(ids) if ids else None
    return worse_slices(right, [held[s] for s in ids], params.evaluate.slices, vectors, params.seed)


# --- what is shown


def word(result: Mapping[str, Any]) -> str:
    """What a probability is called: where all labels may be right, it says that the model disagrees and no more."""
    return "the model disagrees" if Share(**result["share"]).can_be_nothing else "wrong"


def likely(probability: float) -> str:
    """Nothing is certain that was estimated."""
    return "> 99%" if probability > 0.99 else f"{probability:.0%}"


def render(result: dict[str, Any], console: Console) -> None:
    """How many, whether it pays, the first of them, what was written, and where the model is worse."""
    if "check" in result:
        rest = result["check"] - result["answered"]
        fill = "fill in `label` (the one given, where it is right), leave `why`, " if rest else ""
        oracle = f"{result['answered']:,} of them answered by the annotator; " if result["answered"] else ""
        console.print(
            f"{result['check']:,} labels to look at in {escape(result['file'])}, drawn over all probabilities: {oracle}"
            f"{fill}then `assay label {escape(result['file'])}`",
            highlight=False,
        )
        return
    settled = f"; {result['settled']:,} more were looked at and stand" if result["settled"] else ""
    console.print(
        f"{result['labels']:,} labels audited: {result['suspects']:,} suspects from probability "
        f"{result['above']:g} on{settled}{_asked(result['trained'])}",
        highlight=False,
    )
    console.print(f"[bold]{escape(result['payoff']['text'])}[/]", highlight=False)
    if result["applied"]:
        _render_applied(result, console)
        return
    table = Table(
        "", "image", "from", "split", "labelled", "looks like", word(result), box=None, header_style="bold"
    )
    for rank, row in enumerate(result["rows"], 1):
        cells = (row["path"] or "", row["split"], row["given"], row["suggested"], likely(row["probability"]))
        table.add_row(str(rank), row["id"][:12], *map(escape, cells))
    if result["rows"]:
        console.print(table)
    _render_slices(result["slices"], console)
    if others := ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in result["others"].items()):
        console.print(f"the other checks found: {others} (data/audit/audit.json)", highlight=False)
    if result["file"]:
        file = escape(result["file"])
        console.print(
            f"{result['suspects']:,} suspects in {file}: fill in `label`, then `assay label {file}`"
        )
    elif result["suspects"]:
        console.print(
            "next: `assay audit --csv review.csv`, look at them, `assay label review.csv`; or --apply suggested"
        )
    if result["page"]:
        console.print(f"page: {escape(result['page'])}", highlight=False, soft_wrap=True)


def _asked(trained: int | None) -> str:
    if trained is None:
        return ""
    return (
        f"; the model was asked too, {f'{trained} were trained for it' if trained else 'all known already'}"
    )


def _render_applied(result: dict[str, Any], console: Console) -> None:
    done = result["applied"]
    verb = "would be" if done["dry_run"] else "were"
    what = "labelled as suggested" if done["what"] == "suggested" else "left out"
    for row in done["changes"][:SHOWN]:
        console.print(
            f"  {row['count']:,} × {escape(row['given'])} → {escape(row['suggested'])}", highlight=False
        )
    console.print(
        f"{done['count']:,} images {verb} {what}, from probability {result['above']:g} on; of these about "
        f"{done['expected_right']:.0f} were right as they were",
        highlight=False,
    )
    if done["what"] == "exclude" and not result["payoff"]["dropping"]:
        console.print(
            "[yellow]at this share of wrong labels leaving them out is not expected to help[/]",
            highlight=False,
        )
    if done["batch"]:
        console.print(f"written: {done['batch']}. next: look at it, commit it, `dvc repro`", highlight=False)


def _render_slices(found: dict[str, Any] | None, console: Console) -> None:
    for row in (found or {"rows": []})["rows"]:
        console.print(
            f"the model is worse on [bold]{escape(row['name'])}[/]: {row['accuracy']:.3f} "
            f"\\[{row['low']:.3f}, {row['high']:.3f}] of {row['n']:,} against {row['rest']:.3f}",
            highlight=False,
        )
