"""`assay attribute`: shares of data, model, code and test set in the change of the metrics, with intervals."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay import plugins
from assay.data.files import write_bytes, write_json
from assay.errors import UsageError
from assay.experiments import attribution, cells
from assay.experiments.attribution import Corner, CornerOutcome, Design
from assay.experiments.attribution.wording import sentence
from assay.experiments.cells import Cell, CellResult
from assay.experiments.factorial import Division, Factorial, check_pool, factorial
from assay.experiments.predicted import Predicted
from assay.experiments.sides import open_side
from assay.layout import Layout
from assay.lineage.digests import canonical_digest
from assay.metrics.table import Metric, named
from assay.params import Params
from assay.progress import Progress, silent
from assay.reports.destinations import write_out
from assay.reports.markdown import table, text
from assay.reports.page import p_value
from assay.tasks import shown_in

if TYPE_CHECKING:
    from assay.experiments.attribution import Attribution

SEEDS = 1000
"""Most seeds; each trains every corner."""
ENDS = {"": "value", ".low": "low", ".high": "high"}
MARKS = {"helped": "[green]helped[/]", "hurt": "[red]hurt[/]", "can't tell": "[yellow]can't tell[/]"}


@dataclass(frozen=True)
class AttributionWork:
    """The cells of an attribution, and which of them are cached."""

    game: Factorial
    plan: Design
    seeds: tuple[int, ...]
    cells: dict[tuple[Corner, int], Cell]
    known: int
    """Number of cells with a result before: those of A and B themselves, and of earlier attributions."""

    @property
    def waves(self) -> list[list[Cell]]:
        """Cells in two waves: first one of each training, then those that measure its model on another test set."""
        first: dict[tuple[str, ...], Cell] = {}
        rest: dict[str, Cell] = {}
        for cell in self.cells.values():
            training = (cell.fingerprint.selection, cell.fingerprint.params, cell.fingerprint.code)
            if first.setdefault(training, cell).key != cell.key:
                rest[cell.key] = cell
        return [list(first.values()), list(rest.values())]

    @cached_property
    def key(self) -> str:
        """Key of this attribution in caches and in MLflow."""
        return canonical_digest(["attribute", sorted(cell.key for cell in self.cells.values())])


def prepare(
    params: Params, layout: Layout, a: str, b: str, division: Division = "none", seeds: int = 3
) -> AttributionWork:
    """Open both sides, find the players, and list the cells; trains nothing."""
    if not 1 <= seeds <= SEEDS:
        raise UsageError(
            f"--seeds {seeds}: valid: from 1 to {SEEDS:,}", hint="start with 3; 5 give narrower intervals"
        )
    sides = [open_side(name, layout, params) for name in (a, b)]
    for side in sides:
        side.require_commit("a corner")
    sides = [side.with_its_code(cells.STAGES, layout) for side in sides]
    for side in sides:
        cells.adopt(side, layout)
    game = factorial(sides[0], sides[1], division)
    plan = attribution.plan(game.players)
    chosen = tuple(range(sides[0].params.seed, sides[0].params.seed + seeds))
    needed = {(corner, seed): game.cell(corner, seed) for corner in plan.corners for seed in chosen}
    check_pool([cell for (_, seed), cell in needed.items() if seed == chosen[0]], layout)
    known = sum(cells.known(cell, layout) is not None for cell in needed.values())
    return AttributionWork(game, plan, chosen, needed, known)


def run(
    params: Params,
    layout: Layout,
    a: str,
    b: str,
    division: Division = "none",
    seeds: int = 3,
    per_class: bool = False,
    page: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train the missing corners, and return the shares. A killed call resumes."""
    work = prepare(params, layout, a, b, division, seeds)
    progress.say(
        f"{' × '.join(work.game.players)}: {len(work.plan.corners)} corners × {len(work.seeds)} seeds = "
        f"{len(work.cells)} runs, {work.known} of them cached"
    )
    results = [result for wave in work.waves for result in cells.run_all(wave, layout, progress)]
    return conclude(work, results, params, layout, per_class, page, progress)


def conclude(
    work: AttributionWork,
    results: Sequence[CellResult],
    params: Params,
    layout: Layout,
    per_class: bool = False,
    page: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Shares, intervals and verdicts from the results of all cells; written to MLflow and, if requested, to a page."""
    by_key = {result.key: result for result in results}
    found = attribution.attribute(
        work.plan.players,
        _outcomes(work, by_key),
        orders=work.plan.orders,
        categories=_categories(work),
        per_class=per_class,
        replicates=params.evaluate.bootstrap,
    )
    summary = _summary(work, by_key, found, params)
    home = layout.scratch / "attributions" / work.key[:16]
    home.mkdir(parents=True, exist_ok=True)
    write_json(home / "attribution.json", summary)
    text = _page(summary, found, home)
    write_bytes(home / "attribution.html", text.encode())
    if page is not None:
        write_out(page, text.encode())
    summary["page"] = str(page or home / "attribution.html")
    summary["mlflow"] = _log(work, summary, by_key, home, params, layout, progress)
    return summary


def _outcomes(work: AttributionWork, results: Mapping[str, CellResult]) -> dict[Corner, list[CornerOutcome]]:
    names = _categories(work)
    return {
        corner: [
            _outcome(results[work.cells[corner, seed].key], work.cells[corner, seed], names)
            for seed in work.seeds
        ]
        for corner in work.plan.corners
    }


def _outcome(result: CellResult, cell: Cell, names: Sequence[str]) -> CornerOutcome:
    """The predictions of a corner on its test samples, with classes in the order of `names`."""
    own = json.loads(cell.train.schema.metadata[b"categories"])
    return Predicted(result.predictions, tuple(own), cell.parsed.task).on_test(names)


def _categories(work: AttributionWork) -> list[str]:
    """The classes of all corners; those of B, the later side, first."""
    tables = [cell.train for cell in reversed(work.cells.values())]
    labels = [label for cell in work.cells.values() for label in cell.ruler["label"].unique().to_pylist()]
    held = [json.loads(table.schema.metadata[b"categories"]) for table in tables]
    task = next(iter(work.cells.values())).parsed.task
    return list(dict.fromkeys([name for names in held for name in names] + list(shown_in(task, labels))))


def _summary(
    work: AttributionWork, results: Mapping[str, CellResult], found: Attribution, params: Params
) -> dict[str, Any]:
    a, b = work.game.a, work.game.b
    return {
        **found.as_dict(),
        "a": a.described(),
        "b": b.described(),
        "players": list(work.plan.players),
        "changes": {name: len(changes) for name, changes in work.game.groups.items()},
        "seeds": list(work.seeds),
        "cells": {
            "corners": len(work.plan.corners),
            "all": len(work.cells),
            "known": work.known,
            "run": sum(result.trained for result in results.values()),
        },
        "primary": params.track.primary,
    }


def _page(summary: dict[str, Any], found: Attribution, home: Path) -> str:
    """The self-contained page; also writes the waterfall of each metric to `home`."""
    from assay.experiments.attribution.waterfall import waterfall
    from assay.reports.page import render

    pictures = {}
    for name, one in found.metrics.items():
        waterfall(one, home / f"waterfall-{name}.png", title=f"{named(name).title}: {_span(summary)}")
        encoded = base64.b64encode((home / f"waterfall-{name}.png").read_bytes()).decode()
        pictures[name] = f"data:image/png;base64,{encoded}"
    return render("attribution.html.j2", result=summary, pictures=pictures, sentence=sentence(summary))


def _log(
    work: AttributionWork,
    summary: dict[str, Any],
    results: Mapping[str, CellResult],
    home: Path,
    params: Params,
    layout: Layout,
    progress: Progress,
) -> dict[str, Any] | None:
    """Write a parent run with a child for each corner and seed. If the server does not answer, print a remark."""
    from assay.tracking.families import Node, write_family

    shares = {f"share/{p['player']}": p for p in summary["metrics"][summary["primary"]]["shares"]}
    metrics = {f"{key}{end}": p[field] for key, p in shares.items() for end, field in ENDS.items()}
    params_of = {
        "a": summary["a"]["label"],
        "b": summary["b"]["label"],
        "players": ", ".join(summary["players"]),
    }
    parent = Node(
        f"attribute {_span(summary)}",
        {**params_of, "seeds": ", ".join(map(str, work.seeds))},
        metrics,
        {"mlflow.note.content": text(sentence(summary)), "assay.kind": "attribution"},
    )
    children = [
        Node(
            f"{' + '.join(sorted(corner)) or 'A'} seed {seed}",
            {"from B": ", ".join(sorted(corner)) or "nothing", "seed": str(seed)},
            {
                f"{name}/test": results[cell.key].metrics["test"][name]["value"]
                for name in plugins.load("metrics", params.task).METRICS
            },
            {"assay.kind": "corner", "assay.cell": cell.key},
        )
        for (corner, seed), cell in work.cells.items()
    ]
    files = sorted(home.iterdir())
    return write_family(work.key, parent, children, files, params, layout, progress)


def markdown(summary: dict[str, Any]) -> str:
    """The result as a Markdown table, for the Prefect artifact."""
    held = summary["metrics"][summary["primary"]]
    rows = [*((p["player"], p) for p in held["shares"]), ("total", held["total"])]
    metric = named(summary["primary"])
    cells = [
        (name, metric.change(effect), p_value(effect["p_value"]), effect["verdict"]) for name, effect in rows
    ]
    done = summary["cells"]
    return "\n".join(
        [
            f"## {text(_span(summary))}",
            text(f"{sentence(summary)}."),
            "",
            table(("", f"share of {metric.title}, 95 % interval", "p", "verdict"), cells),
            "",
            f"{done['corners']} corners × {len(summary['seeds'])} seeds: {done['known']} cached, {done['run']} run.",
        ]
    )


def _span(summary: dict[str, Any]) -> str:
    return f"{summary['a']['label']} → {summary['b']['label']}"


def render(result: dict[str, Any], console: Console) -> None:
    done, primary = result["cells"], result["primary"]
    console.print(
        f"[bold]{escape(_span(result))}[/]   {done['corners']} corners × {len(result['seeds'])} seeds: "
        f"{done['known']} cached, {done['run']} run   n = {result['samples']:,} test samples",
        highlight=False,
    )
    for side in ("a", "b"):
        console.print(f"{side.upper()}  {escape(result[side]['about'])}", highlight=False)
    names = [primary, *(name for name in result["metrics"] if name != primary)]
    for name in names:
        if name in result["metrics"]:
            metric = named(name)
            console.print(_table(metric.title, metric, result["metrics"][name], full=name == primary))
    for category, held in result["classes"].items():
        console.print(_table(f"recall of {category}", named("recall"), held["recall"], full=False))
    console.print(f"\n{escape(sentence(result))}", highlight=False)
    console.print(f"page: {result['page']}", highlight=False, soft_wrap=True)


def _table(title: str, metric: Metric, held: Mapping[str, Any], full: bool) -> Table:
    table = Table(
        "", f"{title}{', points' * metric.is_share}", "95 % interval", "p", "", box=None, pad_edge=False
    )
    if full:
        table.add_row("A", metric.level({"value": held["a"]}))
    for share in held["shares"]:
        verdict = MARKS[share["verdict"]]
        if full and share["needs"]:
            verdict += f"; {escape(share['needs']['told'])}"
        table.add_row(share["player"], *_cells(share, metric), verdict)
    for pair in held["interactions"] if full else ():
        table.add_row(f"[dim]{' × '.join(pair['players'])}[/]", *_cells(pair, metric), "[dim]interaction[/]")
    table.add_row("[bold]total[/]", *_cells(held["total"], metric), MARKS[held["total"]["verdict"]])
    if full:
        table.add_row("B", metric.level({"value": held["b"]}))
        seed = "unknown" if held["seed_noise"] is None else metric.number(held["seed_noise"])
        table.add_row("noise floor", f"±{metric.number(held['noise_floor'])}", f"seed noise {seed}")
    return table


def _cells(effect: Mapping[str, Any], metric: Metric) -> tuple[str, str, str]:
    value, low, high = (metric.number(effect[key], "+") for key in ("value", "low", "high"))
    return value, f"\\[{low}, {high}]", p_value(effect["p_value"])
