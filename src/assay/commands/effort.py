"""`assay effort`: what people should draw in the hours there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.commands.costs import of_objects
from assay.commands.study import publish
from assay.layout import Layout
from assay.params import Params
from assay.params.bounds import with_changes
from assay.progress import Progress, silent


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
    from assay.experiments.effort import charts, family, study
    from assay.experiments.effort.study_data import open_data

    asked = with_changes(params.effort, "effort", changed or {})
    asked, costs = of_objects(asked, layout)
    data = open_data(layout, asked.target)
    summary = study.compute(study.plan(asked, params, data), data, params, progress, workers)
    summary = {**summary, "costs": costs}
    return publish("effort", summary, charts, family, page, params, layout, progress)


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
    for note in result["notes"]:
        console.print(note, style="dim", highlight=False, markup=False)
    console.print(result["costs"], style="dim", highlight=False, markup=False)
    console.print(
        f"95 % intervals for seeds and test images. {result['computed']:,} fits computed now.",
        style="dim",
        highlight=False,
    )
    console.print(f"\n[bold]{escape(result['verdict']['text'])}[/]", highlight=False)
    console.print(f"page: {escape(result['page'])}", highlight=False, soft_wrap=True)
