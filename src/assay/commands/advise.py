"""`assay advise`: what to spend the next hours on, from measurements and a few trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.commands.costs import of_labels
from assay.commands.queue import with_paths
from assay.data.files import read_json, write_json
from assay.errors import MissingInput, UsageError
from assay.experiments.advice.recommendation import number, takes
from assay.layout import Layout
from assay.lineage.digests import canonical_digest, code_digest
from assay.lineage.fingerprint import run_code, table_digest
from assay.metrics.table import named
from assay.params import Params
from assay.params.bounds import with_changes
from assay.plugins import PACKAGE
from assay.progress import Progress, silent
from assay.reports import exported
from assay.reports.destinations import write_out

SHOWN, PICTURED = 20, 60
"""Most suspects in the JSON, and on the page; the file has all."""
COLUMNS = ("id", "path", "image", "split", "given", "suggested", "confidence", "label", "exclude", "why")
"""Columns of the file of suspects; `label`, `exclude` and `why` are for people to fill in."""


def run(
    params: Params,
    layout: Layout,
    hours: float | None = None,
    page: Path | None = None,
    suspects: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train what is not cached, and advise. `hours`: overrides `advise.hours`."""
    if suspects is not None:
        refuse_file(params.task)
    if hours is not None:
        params = params.model_copy(update={"advise": with_changes(params.advise, "advise", {"hours": hours})})
    params, seconds = of_labels(params, layout)
    result = advice(params, layout, progress)
    result = {**result, "remarks": [*result["remarks"], seconds]}
    rows = result["suspects"]["rows"]
    if suspects is not None:
        write_csv(suspects, rows, layout)
    if page is not None:
        write_out(page, as_page(result, layout).encode())
    shown = {**result["suspects"], "rows": rows[:SHOWN]}
    return {**result, "suspects": shown, "file": suspects and str(suspects), "page": page and str(page)}


def advice(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """The advice, cached for the same data, params and code."""
    from assay.experiments.advice.labelled_data import open_labelled

    data = open_labelled(layout, params.task)
    steering = params.model_dump(mode="json", include={"seed", "task", "embed", "train", "track", "advise"})
    mine = code_digest(set((PACKAGE / "experiments" / "advice").glob("*.py")))
    known = [
        data.digest,
        table_digest(data.judged),
        data.objects,
        steering,
        run_code(params),
        mine,
        data.unlabelled,
        data.ruler_queue,
        params.select.annotator,
    ]
    file = layout.scratch / "advice" / f"advice-{canonical_digest(known)}.json"
    try:
        return dict(read_json(file))
    except (MissingInput, ValueError):
        from assay.experiments.advice.result import compute

        result = compute(params, layout, data, progress)
        write_json(file, result)
        return result


def refuse_file(task: str) -> None:
    """UsageError for --suspects, where a suspect is no label of a whole image."""
    from assay import tasks

    if not tasks.load(task).SAYS_CLASSES:
        raise UsageError(
            f"--suspects writes labels of whole images, which {task} does not have",
            hint="`assay review suspects` shows suspected objects, `assay audit --csv FILE` lists them",
        )


def write_csv(file: Path, rows: list[dict[str, Any]], layout: Layout) -> None:
    """Write a file for `assay label`: the suspects that can be reviewed in the time, the likeliest first."""
    ids = pa.table({"id": pa.array([row["id"] for row in rows], pa.string())})
    paths = with_paths(layout, ids)["path"].to_pylist()
    shown = zip(rows, paths, strict=True)
    asked = [{**row, "path": path, "confidence": row["probability"]} for row, path in shown]
    exported.export(file, asked, COLUMNS, layout)


def as_page(result: dict[str, Any], layout: Layout) -> str:
    """The advice as a self-contained HTML page."""
    from assay.data.pool import Pool
    from assay.experiments.advice import charts
    from assay.reports.page import render
    from assay.reports.pictures import thumbnails

    metric, found = result["primary"], result["suspects"]
    cleaned = [
        {"title": name, "gain": found[key]}
        for key, name in (("corrected", "reviewed, corrected if wrong"), ("left_out", "excluded"))
        if found[key]
    ]
    tried = [{"title": trial["name"], "gain": trial["gain"]} for trial in result["trials"]]
    pictures = {
        "options": charts.gains(result["options"], metric, result["verdict"]["option"]),
        "learning": charts.learning(result["curve"], result["measured_on"]["train"], metric),
        "cleaned": charts.gains(cleaned, metric) if cleaned else None,
        "trials": charts.gains(tried, metric) if tried else None,
    }
    found_pictures = thumbnails([row["id"] for row in found["rows"][:PICTURED]], Pool.open(layout.pool))
    thumbs = [{**row, "src": src} for row in found["rows"] if (src := found_pictures.get(row["id"]))]
    return render(
        "advise.html.j2",
        result=result,
        m=result["measured_on"],
        s=found,
        c=result["costs"],
        metric=named(metric).title,
        charts=pictures,
        thumbs=thumbs,
        takes=takes,
        number=number,
    )


def render(result: dict[str, Any], console: Console) -> None:
    """Print options, verdict, measurements that would decide, and the next step."""
    metric, on, verdict = result["primary"], result["measured_on"], result["verdict"]
    row = named(metric)
    now = result["baseline"]
    console.print(
        f"[bold]{row.title} now[/]  {escape(row.interval(now))} on "
        f"{on['val']:,} val images, trained on {on['train']:,}; another seed ±{row.number(now['seed_spread'])} "
        f"({on['learner']}, {on['seeds']} seeds)\n",
        highlight=False,
    )
    table = Table(
        "", "expected gain, 95 %", "for", "takes", "an hour", box=None, header_style="bold", pad_edge=False
    )
    for option in result["options"]:
        gain = option["gain"]
        told = "not measured" if gain is None else _gain(gain, metric)
        name = option["title"]
        bold = f"[bold green]{name}[/]" if option["kind"] == verdict["option"] else name
        bought = f"{option['amount']:,} {option['unit']}" if option["amount"] else "–"
        rate = number(option["per_hour"]["value"], metric) if option["per_hour"] else "–"
        table.add_row(bold, told, bought, takes(option["hours"]), rate)
    console.print(table)
    found = result["suspects"]
    if found["rate"]:
        share = "{value:.1%} \\[{low:.1%}, {high:.1%}] of the labels are wrong ({by})".format(**found["rate"])
        console.print(f"\n{share}: {found['count']:,} suspects", highlight=False)
    for remark in result["remarks"]:
        console.print(f"[yellow]·[/] {escape(remark)}", highlight=False)
    console.print(f"\n[bold]{escape(verdict['text'])}[/]", highlight=False)
    if verdict["tell"]:
        console.print(escape(verdict["tell"]), highlight=False)
    for option in result["options"]:
        if option["kind"] == verdict["option"]:
            console.print(f"next: {escape(option['next'])}", highlight=False)
    for name, file in (("suspects", result["file"]), ("page", result["page"])):
        if file:
            console.print(f"{name}: {escape(file)}", highlight=False, soft_wrap=True)


def _gain(gain: dict[str, float], metric: str) -> str:
    value, low, high = (number(gain[name], metric) for name in ("value", "low", "high"))
    return f"{value} \\[{low}, {high}]{' points' if named(metric).is_share else ''}"
