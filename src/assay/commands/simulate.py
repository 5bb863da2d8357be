"""`assay simulate`: compare selection strategies by replay on existing labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

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
    """Run the replays and return the result. A killed call resumes; a second one computes nothing.

    `changed`: overrides of params.simulate; `workers`: number of processes, None: one a core.
    """
    from assay.experiments.simulation import charts, family, study
    from assay.experiments.simulation.replay_data import open_project

    asked = with_changes(params.simulate, "simulate", changed or {})
    study.check_task(asked, params.task)
    project = open_project(layout, params.task)
    made = study.plan(asked, params.seed, len(project.data.pool), params.task)
    steps = len(made.names) * len(made.seeds) * len(made.budgets)
    progress.say(
        f"{len(made.names)} strategies × {len(made.seeds)} seeds × {len(made.budgets)} budgets: {steps:,} steps, each "
        f"measured by {'a probe' if asked.learner == 'probe' else f'a training of {params.train.model}'}"
    )
    summary = study.compute(made, project, params, layout, progress, workers)
    return publish("simulate", summary, charts, family, page, params, layout, progress)


def render(result: dict[str, Any], console: Console) -> None:
    """Print a table of the strategies, the verdict, and the files written."""
    from assay.experiments.simulation.standing import needs, points

    n, verdict = result["samples"], result["verdict"]
    console.print(
        f"[bold]{len(result['strategies'])} strategies replayed[/]   {len(result['seeds'])} seeds, each on "
        f"{n['pool']:,} of the {n['train']:,} labelled train images   measured by {result['learner']} on "
        f"{n['val']:,} val" + (f", reported on {n['test']:,} test images" if result["test"] else " images"),
        highlight=False,
    )
    level = f"labels to {100 * result['to_accuracy']['value']:.1f} %"
    first, *_, last = result["budgets"]
    mean = f"{result['metric']}, {first:,} to {last:,}"
    table = Table("strategy", mean, "over random", level, "on test", "chooses in", box=None, pad_edge=False)
    tested = {row["name"]: row for row in result["test"] or ()}
    for row in result["strategies"]:
        over, again = row["over_random"], tested.get(row["name"], {}).get("over_random")
        name = f"[bold green]{row['name']}[/]" if row["name"] == verdict["strategy"] else row["name"]
        table.add_row(
            name,
            f"{100 * row['auc']['value']:.1f} %",
            escape(points(over)) if over else "the control",
            escape(needs(row["labels"])),
            escape(points(again)) if again else "",
            f"{row['seconds']:.2f} s",
        )
    console.print(table)
    console.print(
        f"{result['metric'].capitalize()}: mean over the logarithm of the budget. Differences to random: points, with "
        f"95 % intervals for seeds and images. {result['computed']:,} steps computed now.",
        style="dim",
        highlight=False,
    )
    console.print(f"\n[bold]{escape(verdict['text'])}[/]", highlight=False)
    if verdict["strategy"] and verdict["strategy"] != "random":
        console.print(f"next: select.strategy: {verdict['strategy']} in params.yaml", highlight=False)
    console.print(f"page: {escape(result['page'])}", highlight=False, soft_wrap=True)
