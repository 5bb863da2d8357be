"""Commands that compare versions: diff, attribute, race, reproduce, advise, simulate, effort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.commands.invocation import MOST, Html, Json, destination, folder, project, show

WHY = "Compare versions, and decide"
why = typer.Typer()


@why.command(rich_help_panel=WHY)
def diff(
    a: Annotated[str, typer.Argument(help="Before: a git revision, an MLflow run, or `workspace`.")] = "HEAD",
    b: Annotated[str, typer.Argument(help="After: likewise.")] = "workspace",
    html: Html = None,
    thumbnails: Annotated[int, typer.Option(min=0, max=MOST, help="Most pictures on the page.")] = 2000,
    samples: Annotated[
        int | None,
        typer.Option(min=0, max=MOST, help="Most samples of each list in the JSON; default: all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare A and B: data, model, code, environment, test set and metrics, down to the sample.

    Metrics are compared on the test samples that have the same label in both, paired, with 95 % intervals. An MLflow
    run is named by its id, a unique prefix of it, or its name. Exit code 0 whether or not anything differs.

    Examples:  assay diff   ·   assay diff HEAD~1 HEAD --html diff.html   ·   assay diff 0a1b2c3d workspace --json
    """
    from assay.commands import diff
    from assay.commands.terminal import Terminal

    diff.spare_pandas()
    layout, params = project()
    listed = samples if as_json else 0
    show(diff.run(params, layout, a, b, html, thumbnails, listed, Terminal()), as_json, diff.render)


@why.command(rich_help_panel=WHY)
def attribute(
    a: Annotated[str, typer.Argument(help="Before: a git revision, an MLflow run, or `workspace`.")],
    b: Annotated[str, typer.Argument(help="After: likewise.")] = "workspace",
    seeds: Annotated[int, typer.Option(help="Trainings of each corner; the first seed is that of A.")] = 3,
    split_data: Annotated[
        bool, typer.Option(help="Divide data into added, relabelled, excluded and split moves.")
    ] = False,
    by: Annotated[Literal["batch"] | None, typer.Option(help="Divide data by edit batch.")] = None,
    per_class: Annotated[bool, typer.Option(help="Attribute recall and F1 of every class as well.")] = False,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Attribute the change of the metrics from A to B to data, model, code and test set, with 95 % intervals.

    Every corner (some of these from B, the rest from A) is an ordinary DVC run in a worktree. Cached results are not
    trained again, and a stopped call resumes. Shares are Shapley values: they add up to the total.

    Examples:  assay attribute HEAD~1 HEAD   ·   assay attribute HEAD --seeds 5   ·   assay attribute v1 v2 --by batch
    """
    from assay.commands import attribute
    from assay.commands.terminal import Terminal

    layout, params = project()
    division: Literal["none", "kind", "batch"] = by or ("kind" if split_data else "none")
    found = attribute.run(params, layout, a, b, division, seeds, per_class, html, Terminal())
    show(found, as_json, attribute.render)


@why.command(rich_help_panel=WHY)
def race(
    baseline: Annotated[
        str, typer.Argument(help="Start of both tracks: a git revision, an MLflow run, or `workspace`.")
    ] = "workspace",
    steps: Annotated[int | None, typer.Option(help="Steps of each track; default: race.steps.")] = None,
    labels: Annotated[
        int | None, typer.Option(help="Labels of a step of the data track; default: race.labels_per_step.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Repetitions of the whole race; default: race.seeds.")
    ] = None,
    review_share: Annotated[
        float | None, typer.Option(help="Share of these spent on reviews of suspects, 0 to 1.")
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            help="Take answers from the edit batches between BASELINE and REV, not an annotator.",
        ),
    ] = None,
    choose_on: Annotated[
        str, typer.Option(help="The split that both tracks choose models by: val only.")
    ] = "val",
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare work on the labels with work on the model, step by step, over several seeds.

    A step of the data track spends `race.labels_per_step` labels, answered by `select.annotator` (in a replay: oracle)
    or `--answers`; a step of the model track is one trial of other params (Optuna, `race.space`). Both choose models on
    val and are reported on test, with 95 % intervals. Trainings are cached: a stopped race resumes, a second call
    trains nothing.

    Examples:  assay race   ·   assay race HEAD~3 --answers HEAD   ·   assay race --steps 3 --labels 60 --seeds 5
    """
    from assay.commands import race
    from assay.commands.terminal import Terminal

    layout, params = project()
    changed = {"steps": steps, "labels_per_step": labels, "seeds": seeds, "review_share": review_share}
    found = race.run(params, layout, baseline, answers, choose_on, changed, html, Terminal())
    show(found, as_json, race.render)


@why.command(rich_help_panel=WHY)
def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|REV]", help="A git revision, or an MLflow run: id, prefix of it, or name."
        ),
    ] = None,
    all_since: Annotated[
        str | None, typer.Option(metavar="REV", help="Every commit after REV that recorded a result.")
    ] = None,
    exact: Annotated[bool, typer.Option(help="Exit code 1 unless bitwise identical.")] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            callback=folder,
            help="Keep both versions of outputs that differ: recorded/ and now/.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a recorded result again in a clean worktree, without caches, and compare it with its record.

    Runs the commit, with its recorded uncommitted changes, from the pool on; every output is compared with dvc.lock.
    The workspace and DVC's cache do not change.

    - **bitwise identical**: exit code 0
    - **within tolerance**: 0, or 1 with --exact. Same inputs, and all 95 % intervals overlap
    - **diverged**: 1. With stage, output, first difference, and known causes
    - **cannot be reproduced**: 2. An input or the commit is missing, or a stage fails

    Examples:  assay reproduce HEAD   ·   assay reproduce 0a1b2c3d --keep apart   ·   assay reproduce --all-since v1
    """
    from assay.commands import reproduce
    from assay.commands.terminal import Terminal

    layout, params = project()
    found = reproduce.run(params, layout, name, all_since, exact, keep, Terminal())
    show(found, as_json, reproduce.render)
    raise typer.Exit(found["exit_code"])


@why.command(rich_help_panel=WHY)
def advise(
    html: Html = None,
    suspects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=destination,
            help="Write the labels to review as a CSV for `assay label`.",
        ),
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.01, help="Time to spend; default: advise.hours.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recommend what to spend the next hours on: more labels, cleaner labels, or the model; or say "can't tell".

    Estimates the gain of each with a 95 % interval: by a learning curve on parts of the labels, by trainings with
    suspects corrected or excluded, and by trials of a few settings. Measured on val, never on test. The section
    `advise` of params.yaml has the costs and the time limit. Trainings are cached: a stopped call resumes, a second one
    trains nothing.

    Examples:  assay advise   ·   assay advise --hours 4 --html advice.html   ·   assay advise --suspects review.csv
    """
    from assay.commands import advise
    from assay.commands.terminal import Terminal

    layout, params = project()
    show(advise.run(params, layout, hours, html, suspects, Terminal()), as_json, advise.render)


@why.command(rich_help_panel=WHY)
def simulate(
    strategies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STRATEGY]…", help="Strategies; default: simulate.strategies, or all."),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(metavar="10,30,100", help="Labels after each step; default: simulate.budgets."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Replays of each strategy; default: simulate.seeds.")
    ] = None,
    learner: Annotated[
        Literal["probe", "model"] | None,
        typer.Option(
            help="What is trained at every step: a linear probe (seconds), or the model of `train`."
        ),
    ] = None,
    to_accuracy: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Report the labels needed for it, e.g. 0.9; default: the last of random."
        ),
    ] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare selection strategies with random on the labels that exist, before paying for more.

    The labels of train are hidden and revealed when a strategy asks for them; each seed uses another half. Reports
    learning curves, areas under them and labels needed, paired with random, with 95 % intervals. The verdict is based
    on val; test is reported. Steps are cached: a stopped call resumes, a second one computes nothing.

    Examples:  assay simulate   ·   assay simulate margin --budgets 20,50,100   ·   assay simulate --html page.html
    """
    from assay.commands import simulate
    from assay.commands.study import numbers
    from assay.commands.terminal import Terminal

    layout, params = project()
    changed = {
        "strategies": strategies or None,
        "budgets": numbers("--budgets", budgets, int, "10,30,100"),
        "seeds": seeds,
        "learner": learner,
        "to_accuracy": to_accuracy,
    }
    show(simulate.run(params, layout, changed, html, Terminal()), as_json, simulate.render)


@why.command(rich_help_panel=WHY)
def effort(
    schemes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCHEME]…",
            help="E.g. masks@25, boxes/otsu, 0.25*masks+boxes; default: effort.schemes, or all.",
        ),
    ] = None,
    hours: Annotated[
        str | None,
        typer.Option(metavar="1,4,16", help="Hours of people's time; default: effort.hours."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Orders of the images to annotate; default: effort.seeds.")
    ] = None,
    target: Annotated[
        Literal["auto", "masks", "boxes", "presence"] | None,
        typer.Option(
            help="What is learnt and measured: masks (Dice), boxes (AP) or presence of classes (F1)."
        ),
    ] = None,
    learner: Annotated[
        Literal["quick", "model"] | None,
        typer.Option(
            help="What is trained: a decoder on a frozen network (seconds), or the model of `train`."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=512, help="Processes; default: one for each core.")
    ] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare what people might draw, boxes or masks say, in the hours there are, on annotations that exist.

    The annotations of train are reduced to polygons, boxes, points or tags; each scheme gets as many images as the
    seconds of its drawings allow (section `effort`), a learner is trained on them, and all are measured on the full
    annotation of test, paired, with 95 % intervals. Reports what to draw at each budget, and where curves cross. Fits
    are cached: a stopped call resumes, a second one computes nothing.

    Examples:  assay effort   ·   assay effort masks@25 boxes points --hours 1,4,16   ·   assay effort --html page.html
    """
    from assay.commands import effort
    from assay.commands.study import numbers
    from assay.commands.terminal import Terminal

    layout, params = project()
    changed = {
        "schemes": schemes or None,
        "hours": numbers("--hours", hours, float, "1,4,16"),
        "seeds": seeds,
        "target": target,
        "learner": learner,
    }
    show(effort.run(params, layout, changed, html, Terminal(), workers), as_json, effort.render)
