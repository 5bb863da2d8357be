"""`assay agreement`: how far people agree who judged the same images, how reliable they are, and their consensus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay import tasks
from assay.annotators import now
from assay.commands.workspace import writes
from assay.data.annotations import annotations_json
from assay.data.edits import CONSENSUS, SETTLES, Batches, Judgement, read_batches, write_batch
from assay.data.snapshot import Snapshot
from assay.data.standing import recorded, standings
from assay.data.training_set import kept
from assay.errors import UsageError
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress, silent
from assay.reports import exported
from assay.reports.destinations import write_out

COLUMNS = ("id", "path", "image", "given", "suggested", "confidence", "reason", "label", "exclude", "why")
"""Columns of the disputes; `label` and `exclude` are for people to fill in."""
BIASED = (
    "select.overlap is 1: a judgement that confirms the label is not written then, so that people seem to agree less "
    "than they do; set it before people judge"
)
ABOUT_PEOPLE = {
    "classes": "agrees with others: share of the judgements that are the most frequent class of the others; accuracy: "
    "an estimate, whose interval reaches from people who err together (low) to people who err independently (high)",
    "objects": "recall: of the objects that more than half of the others marked; precision: share of the person's "
    "objects that at least half of the others marked",
}
CANNOT_TELL = "can't tell: two people who differ do not show who is right"
SHOWN = 20
"""Disputes, pairs and classes on the terminal."""
Row = dict[str, Any]


def run(
    params: Params,
    layout: Layout,
    method: Literal["auto", "majority", "dawid_skene", "combined", "crowdlab"] = "auto",
    above: float | None = None,
    apply: Literal["consensus"] | None = None,
    dry_run: bool = False,
    export: Path | None = None,
    page: Path | None = None,
    pictures: int = 500,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Agreement, reliability, and the images on which the consensus differs from the label, or is a dispute.

    UsageError if no image was judged by two people, and for options that the task does not have.
    """
    from assay.agreement import study
    from assay.agreement.votes import last_words

    snapshot, batches = Snapshot.load(layout.snapshot), read_batches(layout.edits)
    words = last_words(batches, set(kept(snapshot)["id"].to_pylist()))
    both = study.shared(words)
    task = tasks.load(params.task)
    if tasks.has_objects(params.task):
        if method not in ("auto", "majority"):
            raise UsageError(f"--method {method} is for classes; objects of {params.task} have majority")
        report, opinions = study.of_objects(both, snapshot)
    else:
        report, opinions = study.of_classes(
            both, task.label, task.words, snapshot, layout, method, above, params.seed
        )
    settled = _settled(batches)
    given = _present(snapshot, batches, [one.id for one in opinions])
    rows = [_row(one, given.get(one.id)) for one in opinions if one.id not in settled]
    disputes = sorted(
        (row for row in rows if row["dispute"]), key=lambda row: (row["posterior"] or 0.0, row["id"])
    )
    changes = [row for row in rows if not row["dispute"] and row["changed"]]
    disputes = _with_paths(layout, disputes)
    result = {
        "task": params.task,
        "images": len(both),
        "alone": len(words) - len(both),
        "judgements": sum(map(len, both.values())),
        "warning": BIASED if params.select.overlap == 1 else "",
        **report,
        "settled": len(settled & set(both)),
        "changes": len(changes),
        "disputes": len(disputes),
        "rows": disputes,
        "file": export and str(export),
        "page": page and str(page),
        "applied": apply and write(layout, changes, dry_run),
    }
    if export is not None:
        exported.export(export, [_asked(row) for row in disputes], COLUMNS, layout)
    if page is not None:
        write_out(page, made(result, layout, pictures, progress).encode())
    for row in disputes:
        del row["annotations"]
    return result


def _settled(batches: Batches) -> set[str]:
    """The images whose dispute a person has settled: the consensus no longer changes them."""
    return {one.id for _, batch in batches for one in batch if one.why.startswith(SETTLES)}


def _present(snapshot: Snapshot, batches: Batches, ids: Sequence[str]) -> dict[str, str]:
    """{image: its annotations as canonical JSON}, with the judgements since the snapshot."""
    held = standings(batches, recorded(snapshot, ids))
    return {sample: text for sample in ids if (text := held[sample].annotations) is not None}


def _row(one: Any, given: str | None) -> Row:
    return {
        "id": one.id,
        "consensus": one.text,
        "posterior": one.sure,
        "votes": one.votes,
        "dispute": one.dispute,
        "changed": annotations_json(one.annotations) != given,
        "given": "; ".join(dict.fromkeys(_categories(given))),
        "annotations": one.annotations,
        "why": one.why,
    }


def _categories(text: str | None) -> list[str]:
    return [note["category"] for note in json.loads(text or "[]")]


def _with_paths(layout: Layout, rows: list[Row]) -> list[Row]:
    import pyarrow as pa

    from assay.commands.queue import with_paths

    ids = pa.table({"id": pa.array([row["id"] for row in rows], pa.string())})
    paths = with_paths(layout, ids)["path"].to_pylist()
    return [row | {"path": path} for row, path in zip(rows, paths, strict=True)]


def _asked(row: Row) -> Mapping[str, Any]:
    """A dispute as a row of the file that `assay label` reads."""
    return {
        **row,
        "suggested": row["consensus"],
        "confidence": "" if row["posterior"] is None else f"{row['posterior']:.2f}",
        "reason": f"{row['votes']}: {row['dispute']}",
        "label": "",
        "why": f"{SETTLES}: {row['votes']}",
    }


@writes("judgements")
def write(layout: Layout, changes: Sequence[Row], dry_run: bool) -> Row:
    """Write the consensus of these images as one edit batch; the judgements of the people remain in theirs."""
    batch = None
    if changes and not dry_run:
        at = now()
        judgements = [
            Judgement(
                id=row["id"], op="label", annotations=row["annotations"], by=CONSENSUS, at=at, why=row["why"]
            )
            for row in changes
        ]
        batch = write_batch(layout.edits, CONSENSUS, judgements)
    return {
        "count": len(changes),
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "dry_run": dry_run,
    }


def made(result: Row, layout: Layout, pictures: int, progress: Progress) -> str:
    """The page."""
    from assay.reports.page import render as rendered
    from assay.reports.pictures import opened, thumbnails

    shown = result["rows"][:pictures]
    images = thumbnails([row["id"] for row in shown], opened(layout.pool), progress, 160)
    return rendered("agreement.html.j2", result=result, shown=shown, images=images)


# --- terminal


def render(result: Row, console: Console) -> None:
    people = f"{result['judgements']:,} judgements of {result['images']:,} images that two people and more have judged"
    console.print(f"{people}; {result['alone']:,} images have one judgement only", highlight=False)
    if result["warning"]:
        console.print(f"[yellow]{result['warning']}[/]", highlight=False)
    what = (
        "alpha of the classes of matched objects" if result["kind"] == "objects" else "Krippendorff's alpha"
    )
    console.print(f"[bold]{what}: {_interval(result['alpha'])}[/]", highlight=False)
    for name in ("people", "pairs", "classes"):
        if result[name]:
            console.print()
            console.print(TABLES[result["kind"], name](result))
            _more(len(result[name]), console)
        if result[name] and name == "people":
            console.print(f"[dim]{ABOUT_PEOPLE[result['kind']]}[/]", highlight=False)
    console.print()
    remark = f" ({result['why']})" if result["why"] else ""
    console.print(f"consensus by {result['method']}{remark}", highlight=False)
    limit = "" if result["kind"] == "objects" else f" (posterior below {result['above']:g})"
    console.print(
        f"{result['changes']:,} labels differ from it; {result['disputes']:,} disputes{limit}; "
        f"{result['settled']:,} settled before",
        highlight=False,
    )
    _next(result, console)


def _next(result: Row, console: Console) -> None:
    if result["applied"] is not None:
        applied = result["applied"]
        done = (
            "would be written"
            if applied["dry_run"]
            else f"written: {applied['batch']}. next: commit it, `dvc repro`"
        )
        console.print(
            f"{applied['count']:,} labels {done}" if applied["count"] else "nothing to write", highlight=False
        )
    elif result["changes"]:
        console.print("write them: `assay agreement --apply consensus`", highlight=False)
    if result["file"]:
        file = escape(result["file"])
        then = (
            "draw them: `assay review`"
            if result["kind"] == "objects"
            else f"fill in `label`, keep `why`, then `assay label {file}`"
        )
        console.print(f"{result['disputes']:,} disputes in {file}: {then}", highlight=False)
    elif result["disputes"]:
        console.print(
            "the disputes: `--csv disputes.csv` to settle them, `--html agreement.html` to see them",
            highlight=False,
        )


def _more(count: int, console: Console) -> None:
    if count > SHOWN:
        console.print(f"  … and {count - SHOWN:,} more: --json, --html", highlight=False)


def _people(result: Row) -> Table:
    heads = "person", "agrees with others", "accuracy", "judgements", "most frequent errors"
    table = Table(*heads, box=None, pad_edge=False)
    for row in result["people"][:SHOWN]:
        errors = ", ".join(f"{e['right']} as {e['given']} {e['rate']:.0%}" for e in row["confusions"])
        accuracy = CANNOT_TELL if row["accuracy"]["value"] is None else _interval(row["accuracy"])
        cells = (_interval(row["others"]), accuracy, f"{row['accuracy']['n']:,}")
        table.add_row(escape(row["person"]), *cells, escape(errors))
    return table


def _object_people(result: Row) -> Table:
    table = Table(
        "person", "recall", "precision", "mean IoU", "same class", "images", box=None, pad_edge=False
    )
    for row in result["people"][:SHOWN]:
        cells = [_interval(row[name]) for name in ("recall", "precision", "overlap")]
        same = row["classes"]["value"]
        cells += ["" if same is None else f"{same:.0%}", f"{row['images']:,}"]
        table.add_row(escape(row["person"]), *cells)
    return table


def _pairs(result: Row) -> Table:
    table = Table("two people", "kappa", "same class", "images", box=None, pad_edge=False)
    for row in result["pairs"][:SHOWN]:
        both = escape(" and ".join(row["people"]))
        table.add_row(both, _interval(row["kappa"]), _interval(row["agree"]), f"{row['kappa']['n']:,}")
    return table


def _object_pairs(result: Row) -> Table:
    table = Table(
        "two people", "F1 of presence", "mean IoU of matched", "matched", "images", box=None, pad_edge=False
    )
    for row in result["pairs"][:SHOWN]:
        both = escape(" and ".join(row["people"]))
        cells = (_interval(row["presence"]), _interval(row["overlap"]))
        table.add_row(both, *cells, f"{row['overlap']['n']:,}", f"{row['images']:,}")
    return table


def _classes(result: Row) -> Table:
    table = Table("class", "alpha against the rest", "images", box=None, pad_edge=False)
    worst = sorted(
        result["classes"].items(), key=lambda item: item[1]["value"] if item[1]["value"] is not None else 2
    )
    for name, row in worst[:SHOWN]:
        table.add_row(escape(name), _interval(row), f"{row['n']:,}")
    return table


TABLES = {
    ("classes", "people"): _people,
    ("classes", "pairs"): _pairs,
    ("classes", "classes"): _classes,
    ("objects", "people"): _object_people,
    ("objects", "pairs"): _object_pairs,
}


def _interval(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "undefined: one class only" if row["n"] else "undefined: nothing was matched"
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
