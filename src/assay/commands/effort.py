"""`assay effort`: what people should draw in the hours there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.data.files import write_bytes, write_json
from assay.errors import TrackingError, UsageError
from assay.layout import Layout
from assay.params import Params
from assay.params.bounds import with_changes
from assay.progress import Progress, silent
from assay.reports.destinations import write_out

PAGE = "effort.html"


def run(
    params: Params,
    layout: Layout,
    changed: Mapping[str, Any] | None = None,
    page: Path | None = None,
    progress: Progress = silent,
    workers: int | None = None,
) -> dict[str, Any]:
    """Run the study and return the result. A killed call resumes; a second one computes nothing.

    `changed`: overrides of params.effort; `workers`: number of processes, None: one a core.
    """
    from assay.experiments.effort import study
    from assay.experiments.effort.study_data import open_data

    asked = with_changes(params.effort, "effort", changed or {})
    data = open_data(layout, asked.target)
    summary = study.compute(study.plan(asked, params, data), data, params, progress, workers)
    home = layout.scratch / "effort" / "told" / summary["key"][:16]
    home.mkdir(parents=True, exist_ok=True)
    write_json(home / "effort.json", summary)
    draw(summary, home)
    if page is not None:
        write_out(page, (home / PAGE).read_bytes())
    mlflow = log(summary, home, params, layout, progress)
    return {**summary, "page": str(page or home / PAGE), "mlflow": mlflow}


def hours(text: str | None) -> list[float] | None:
    """Numbers in a text such as `1,4,16`. UsageError for other text."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--hours {text}: not numbers with commas between them", hint="--hours 1,4,16"
        ) from None


def draw(summary: dict[str, Any], home: Path) -> None:
    from assay.experiments.effort.charts import page, picture

    picture(summary, home / "effort.png")
    write_bytes(home / PAGE, page(summary).encode())


def log(
    summary: dict[str, Any], home: Path, params: Params, layout: Layout, progress: Progress
) -> dict[str, Any] | None:
    """Write a parent run with the curves, and a child for each scheme. Without the server, print a remark."""
    from assay.experiments.effort.family import children, parent
    from assay.tracking.families import log_family

    files = [home / name for name in (PAGE, "effort.png", "effort.json")]
    try:
        key = f"effort {summary['key']}"
        return dict(log_family(key, parent(summary), children(summary), files, params, layout))
    except TrackingError as error:
        progress.say(
            f"not written to MLflow: {error}; call it again once the server answers, nothing is computed twice"
        )
        return None


def render(result: dict[str, Any], console: Console) -> None:
    """Print a table of the schemes, the verdict, and the files written."""
    from assay.metrics.table import named

    n, metric = result["samples"], named(result["metric"])
    console.print(
        f"[bold]{len(result['schemes'])} schemes of annotation[/]   {len(result['seeds'])} seeds   on up to "
        f"{n['train']:,} train images of {n['objects']:g} objects, measured by {metric.title} of {result['target']} "
        f"on {n['test']:,} test images",
        highlight=False,
    )
    heads = [f"{hours:g} h" for hours in result["hours"]]
    table = Table("scheme", *(text for head in heads for text in (head, "images")), box=None, pad_edge=False)
    best = {one["hours"]: one["scheme"] for one in result["best"]}
    for row in result["schemes"]:
        cells = []
        for point in row["curve"]:
            text = escape(metric.interval(point))
            cells.append(f"[bold green]{text}[/]" if best[point["hours"]] == row["name"] else text)
            cells.append(f"{point['images']:g}{' (all)' if point['all_images'] else ''}")
        table.add_row(escape(row["name"]), *cells)
    console.print(table)
    for name, why in result["left_out"].items():
        console.print(f"{name}: left out: {why}", style="dim", highlight=False)
    console.print(
        f"95 % intervals for seeds and test images. {result['computed']:,} fits computed now.",
        style="dim",
        highlight=False,
    )
    console.print(f"\n[bold]{escape(result['verdict']['text'])}[/]", highlight=False)
    console.print(f"page: {escape(result['page'])}", highlight=False, soft_wrap=True)
