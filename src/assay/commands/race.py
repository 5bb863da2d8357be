"""`assay race`: work on the labels against work on the model, from one baseline, over several seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.data.files import write_bytes, write_json
from assay.errors import GateError, ParamsError
from assay.experiments import cells
from assay.experiments.factorial import check_pool
from assay.experiments.race import answers as answering
from assay.experiments.race import data_track, space, training_order
from assay.experiments.race.training_order import CHOSEN_ON, Execute, RaceResult, RaceSetup, RaceTraining
from assay.experiments.race.wording import sentence
from assay.experiments.sides import Side, open_side
from assay.layout import Layout
from assay.lineage.digests import canonical_digest
from assay.lineage.revisions import DvcError
from assay.metrics.table import named
from assay.params import Params
from assay.params.bounds import with_changes
from assay.params.yamlfile import read_yaml
from assay.progress import Progress, silent
from assay.reports.destinations import write_out

BAD_PARAMS = 2
"""Exit code of a stage that refuses its params: the trial cannot be trained."""
DIVERGED = "training diverged"


@dataclass(frozen=True)
class RaceWork:
    """A race ready to run, and its key."""

    side: Side
    setup: RaceSetup

    @cached_property
    def key(self) -> str:
        start = self.setup.baseline
        said = self.setup.race.model_dump(mode="json")
        return canonical_digest(["race", start.key, said, self.setup.answers.digest, self.setup.metric])


def prepare(
    params: Params,
    layout: Layout,
    baseline: str = "workspace",
    answers: str | None = None,
    choose_on: str = CHOSEN_ON,
    changed: Mapping[str, Any] | None = None,
) -> RaceWork:
    """Open the baseline and the source of answers; trains nothing. `changed`: overrides of params.race.

    Raises:
        ParamsError: a key of params.race is not valid; no source of answers; or models would be chosen on test.
        GateError: no val image to choose on, or no test image to report on.
    """
    refuse_test(choose_on)
    race = with_changes(params.race, "race", changed or {})
    side = open_side(baseline, layout, params)
    side.require_commit("a race")
    start = replace(cells.own_cell(side), params=as_written(side))
    check_measurable(start)
    check_pool([start], layout)
    cells.adopt(side, layout)
    known = json.loads(start.train.schema.metadata[b"categories"])
    if answers is None:
        who: answering.Answers = answering.annotator(layout, params)
    else:
        who = answering.batches(side, open_side(answers, layout, params))
    data = data_track.read_baseline(side, start.train, known)
    return RaceWork(side, RaceSetup(start, data, who, race, side.params.track.primary))


def as_written(side: Side) -> dict[str, Any]:
    """params.yaml of a side, without keys that its own code does not have and would refuse."""
    return {**read_yaml(side.layout.params, ParamsError), "seed": side.params.seed}


def refuse_test(choose_on: str) -> None:
    """ParamsError unless the split is val."""
    if choose_on != CHOSEN_ON:
        raise ParamsError(
            f"--choose-on {choose_on!r}: both tracks choose models on {CHOSEN_ON} and are reported on test",
            hint="a metric is biased on the split that chose the model; label more val images if the choice is too "
            "noisy",
        )


def check_measurable(start: cells.Cell) -> None:
    if CHOSEN_ON not in start.train["split"].to_pylist():
        raise GateError(
            "no val image has a label: the tracks choose models on val",
            hint="`assay queue` lists val images, drawn at random, to label first",
        )
    if not len(start.ruler):
        raise GateError("no test image has a label: results are reported on test", hint="`assay queue`")


def run(
    params: Params,
    layout: Layout,
    baseline: str = "workspace",
    answers: str | None = None,
    choose_on: str = CHOSEN_ON,
    changed: Mapping[str, Any] | None = None,
    page: Path | None = None,
    progress: Progress = silent,
    execute: Execute | None = None,
) -> dict[str, Any]:
    """Run the race and return its result. A killed call resumes; a second one trains nothing."""
    work = prepare(params, layout, baseline, answers, choose_on, changed)
    race, setup = work.setup.race, work.setup
    progress.say(
        f"{race.steps} steps × 2 tracks × {race.seeds} seeds and their baselines: up to "
        f"{race.seeds * (1 + 2 * race.steps)} trainings, asking {setup.answers.name} for "
        f"{race.labels_per_step} labels a step"
    )
    races = training_order.run(setup, execute or here(layout, progress), progress)
    return conclude(work, races, params, layout, page, progress)


def here(layout: Layout, progress: Progress) -> Execute:
    """Train on this machine, with as many cells in parallel as it has cores for."""

    def execute(turns: Sequence[RaceTraining]) -> list[RaceResult]:
        threads = max(turn.cell.parsed.train.threads for turn in turns)
        return cells.at_once(turns, lambda turn, stop: train(turn, layout, stop), threads, progress)

    return execute


def train(turn: RaceTraining, layout: Layout, stop: Event | None = None) -> RaceResult:
    """The result of a turn. A trial whose params cannot be trained counts as failed; the race goes on."""
    try:
        return RaceResult(turn, cells.run(turn.cell, layout, stop))
    except DvcError as error:
        diverged = next((line for line in error.lines if DIVERGED in line), None)
        if turn.track != "model" or (error.status != BAD_PARAMS and diverged is None):
            raise
        return RaceResult(turn, None, diverged or str(error))


def conclude(
    work: RaceWork,
    races: Sequence[training_order.SeedRace],
    params: Params,
    layout: Layout,
    page: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Curves, intervals and verdict from all results; written to MLflow and to a page."""
    from assay.experiments.race.standing import race_standing

    setup = work.setup
    told = race_standing(races, setup.metric, setup.data.categories)
    summary = {
        "baseline": {"name": work.side.name, "label": work.side.label, "commit": work.side.commit},
        "answers": setup.answers.name,
        "race": setup.race.model_dump(mode="json"),
        "space": {
            key: choice if isinstance(choice, list) else choice.model_dump()
            for key, choice in space.resolve(setup.race.space, setup.baseline.parsed).items()
        },
        "chosen_on": CHOSEN_ON,
        "verdict": sentence(told),
        "cells": {
            "all": len(told["runs"]),
            "run": sum(row["trained"] for row in told["runs"]),
            "failed": sum(bool(row["failed"]) for row in told["runs"]),
        },
        "notes": notes(told, setup),
        "seconds": {"label": params.advise.seconds_per_label, "review": params.advise.seconds_per_review},
        **told,
    }
    home = layout.scratch / "races" / work.key[:16]
    home.mkdir(parents=True, exist_ok=True)
    write_json(home / "race.json", summary)
    draw(summary, home)
    if page is not None:
        write_out(page, (home / "race.html").read_bytes())
    mlflow = log(work, summary, races, home, params, layout, progress)
    return {**summary, "page": str(page or home / "race.html"), "mlflow": mlflow}


def draw(summary: dict[str, Any], home: Path) -> None:
    from assay.experiments.race.picture import curves, page

    curves(summary, home / "race.png")
    write_bytes(home / "race.html", page(summary).encode())


def notes(told: dict[str, Any], setup: RaceSetup) -> list[str]:
    """Remarks on the race."""
    found = []
    spent = told["tracks"]["data"][-1]["cost"]["labels"]
    asked = setup.race.labels_per_step * setup.race.steps
    if spent < asked:
        found.append(f"fewer images than the budget: {spent:,.0f} of {asked:,} labels were spent")
    unanswered = sum(row["about"].get("unanswered", 0) for row in told["runs"])
    if unanswered:
        found.append(f"{unanswered:,} images had no answer; they count as cost")
    unknown = sum(row["about"].get("unknown_class", 0) for row in told["runs"])
    if unknown:
        found.append(f"{unknown:,} answers named a class that the baseline does not have, and were not used")
    if instead := data_track.replaced(setup.data, setup.race.strategy):
        found.append(instead)
    if setup.race.review_share and not setup.data.has_classes:
        found.append("no label was reviewed: suspicion works with classes, all labels went to new images")
    if setup.answers.about is not None:
        found.append(
            f"only the {len(setup.answers.about):,} images that people judged later have answers: their choice of "
            "images is part of the result of the data track"
        )
    failed = [row for row in told["runs"] if row["failed"]]
    if failed:
        found.append(f"{len(failed)} trials could not be trained and count as steps without a gain")
    minutes = {track: told["tracks"][track][-1]["cost"]["minutes"] for track in training_order.TRACKS}
    if min(minutes.values()) > 0 and max(minutes.values()) > 1.25 * min(minutes.values()):
        more, less = sorted(minutes, key=lambda track: -minutes[track])
        found.append(
            f"the {more} track trained for {minutes[more]:.1f} minutes, the {less} track for {minutes[less]:.1f}"
        )
    return found


def log(
    work: RaceWork,
    summary: dict[str, Any],
    races: Sequence[training_order.SeedRace],
    home: Path,
    params: Params,
    layout: Layout,
    progress: Progress,
) -> dict[str, Any] | None:
    """Write a parent run with the curves, and a child for each training. Without the server, print a remark."""
    from assay.experiments.race.family import children, parent
    from assay.tracking.families import write_family

    files = [home / name for name in ("race.html", "race.png", "race.json")]
    return write_family(work.key, parent(summary), children(races), files, params, layout, progress)


def render(result: dict[str, Any], console: Console) -> None:
    """Print a table of both curves, the verdict, and the files written."""
    measured, n, cost = named(result["metric"]), result["samples"], result["tracks"]
    console.print(
        f"[bold]race from {escape(result['baseline']['label'])}[/]   {result['cells']['all']} trainings, "
        f"{result['cells']['run']} of them run now   chosen on {n['val']:,} val, reported on {n['test']:,} test images",
        highlight=False,
    )
    table = Table("step", "data track", "labels", "model track", "data − model", box=None, pad_edge=False)
    for data, model in zip(*(result["tracks"][track] for track in training_order.TRACKS), strict=True):
        step = data["step"]
        ahead = measured.change(result["difference"][step - 1], unit="") if step else ""
        both = [measured.interval(row).replace(" %", "") for row in (data, model)]
        table.add_row(str(step), both[0], f"{data['cost']['labels']:,.0f}", both[1], ahead)
    console.print(table)
    minutes = " and ".join(f"{cost[track][-1]['cost']['minutes']:.1f}" for track in training_order.TRACKS)
    console.print(
        f"{measured.label}, mean of {len(result['seeds'])} seeds with the 95 % interval "
        f"(seeds and test set together); a seed's data and model track trained for {minutes} minutes",
        style="dim",
        highlight=False,
    )
    console.print(
        f"people take {people(result):.0f} minutes for a seed's labels, at {pace(result)}",
        style="dim",
        highlight=False,
    )
    for note in result["notes"]:
        console.print(f"[yellow]·[/] {escape(note)}", highlight=False)
    console.print(f"\n{escape(result['verdict'])}", highlight=False)
    console.print(f"page: {escape(result['page'])}", highlight=False, soft_wrap=True)


def people(result: Mapping[str, Any]) -> float:
    """Minutes of people's time for the labels of the data track, of one seed."""
    cost, seconds = result["tracks"]["data"][-1]["cost"], result["seconds"]
    new = cost["labels"] - cost["reviews"]
    return float((new * seconds["label"] + cost["reviews"] * seconds["review"]) / 60)


def pace(result: Mapping[str, Any]) -> str:
    seconds = result["seconds"]
    return f"{seconds['label']:g} s a label and {seconds['review']:g} s a review (params: advise)"
