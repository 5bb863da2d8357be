"""The commands that say what changed, and why: a part of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.commands.invocation import MOST, Html, Json, destination, folder, project, show

WHY = "What changed, and why"
why = typer.Typer()


@why.command(rich_help_panel=WHY)
def diff(
    a: Annotated[str, typer.Argument(help="Before: a git revision, an MLflow run, or `workspace`.")] = "HEAD",
    b: Annotated[str, typer.Argument(help="After: likewise.")] = "workspace",
    html: Html = None,
    thumbnails: Annotated[int, typer.Option(min=0, max=MOST, help="Pictures on the page at most.")] = 2000,
    samples: Annotated[
        int | None,
        typer.Option(min=0, max=MOST, help="Samples in the JSON at most, of each list; none: all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """What differs between A and B: data, model, code, environment, ruler and metrics, down to the sample.

    Metrics are compared on the test samples that both sides measure with the same label, paired, with 95 % intervals.
    A run may be given by its id, a unique beginning of it, or its name. Exit code 0 whether or not anything differs.

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
    seeds: Annotated[int, typer.Option(help="Trainings of each corner; the first seed is A's own.")] = 3,
    split_data: Annotated[
        bool, typer.Option(help="Divide data into added, relabelled, excluded and split moves.")
    ] = False,
    by: Annotated[Literal["batch"] | None, typer.Option(help="Divide data into the edit batches.")] = None,
    per_class: Annotated[bool, typer.Option(help="Recall and F1 of every class as well.")] = False,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """How much of the change from A to B each of data, model, code and ruler made, with 95 % intervals.

    Every corner (some players from B, the rest from A) is an ordinary DVC run in a worktree; what is known is not
    trained again, and a stopped call carries on. Shares are Shapley values: they add up to the total.

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
        str, typer.Argument(help="Where both tracks start: a git revision, an MLflow run, or `workspace`.")
    ] = "workspace",
    steps: Annotated[int | None, typer.Option(help="Steps of each track; default: race.steps.")] = None,
    labels: Annotated[
        int | None, typer.Option(help="Labels asked in a step; default: race.labels_per_step.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Repetitions of the whole race; default: race.seeds.")
    ] = None,
    review_share: Annotated[
        float | None, typer.Option(help="Part of a step's labels that goes to suspicious ones, 0 to 1.")
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option(
            metavar="REV", help="Answer with the edit batches written from BASELINE to REV, not an annotator."
        ),
    ] = None,
    choose_on: Annotated[
        str, typer.Option(help="The split that both tracks choose by: val, and no other.")
    ] = "val",
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Is the next hour better spent on the labels, or on the model? Both, step for step, over several seeds.

    The data track asks `select.annotator` (a replay: oracle) for so many labels a step; the model track tries one
    setting a step (Optuna, `race.space`). Both choose on val and are reported on test, with 95 % intervals. Every
    training is kept: a stopped race carries on, a second call trains nothing.

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
            metavar="[RUN|REV]", help="A git revision, or a run of MLflow: id, beginning of it, name."
        ),
    ] = None,
    all_since: Annotated[
        str | None, typer.Option(metavar="REV", help="Each commit after REV that has recorded a result.")
    ] = None,
    exact: Annotated[bool, typer.Option(help="Nothing but the same bits will do: else exit code 1.")] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", callback=folder, help="Keep both versions of what differs: recorded/ and now/."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a recorded result again in a clean worktree, without caches, and say whether the same comes out.

    Its commit, with the uncommitted changes on record, from below the door on; every output is held against dvc.lock.
    Nothing of it gets into the workspace, or into DVC's cache.

    - **bitwise identical**: exit code 0
    - **within tolerance**: 0, or 1 with --exact. The same went in, and all 95 % intervals overlap
    - **diverged**: 1. At which stage, in which output, in what, and as far as known why
    - **cannot be reproduced**: 2. An input or the commit is gone, or a stage fails

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
            help="Write the labels to review to a CSV with an empty label, for `assay label`.",
        ),
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.01, help="How much time there is; default: advise.hours.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Where the next hour should go: more labels, cleaner labels, or the model; or that nobody can tell yet.

    Each as the gain that the hour is expected to buy, with a 95 % interval: from a learning curve on parts of the
    labels, from retraining without the labels that look wrong, and from a few cheap settings. Measured on val, never on
    test. What labels, reviews and training cost, and how long this may take, is in the section `advise` of params.yaml.
    Every training is kept: a stopped call carries on, a second one trains nothing.

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
        typer.Argument(metavar="[STRATEGY]…", help="Which; default: simulate.strategies, all there are."),
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
            help="Who is measured: a linear probe (seconds), or the model of `train` at every step."
        ),
    ] = None,
    to_accuracy: Annotated[
        float | None,
        typer.Option(metavar="X", help="Labels needed to get there, 0.9 say; default: to where random ends."),
    ] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Which strategy suits these data? Replayed on the labels there are, against random, before paying for more.

    The labels of train are hidden, and revealed as each strategy asks for them; each seed plays on another half.
    Learning curves, the area under them, the labels needed, all in pairs with random, with 95 % intervals. What decides
    is measured on val; test is reported. Every step is kept: a stopped call carries on, a second one computes nothing.

    Examples:  assay simulate   ·   assay simulate margin --budgets 20,50,100   ·   assay simulate --html page.html
    """
    from assay.commands import simulate
    from assay.commands.terminal import Terminal

    layout, params = project()
    changed = {
        "strategies": strategies or None,
        "budgets": simulate.budgets(budgets),
        "seeds": seeds,
        "learner": learner,
        "to_accuracy": to_accuracy,
    }
    show(simulate.run(params, layout, changed, html, Terminal()), as_json, simulate.render)
