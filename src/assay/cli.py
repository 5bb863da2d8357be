"""The command line: wires params and paths to stages and commands. Nothing heavy is imported at the top."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assay import __version__
from assay.errors import AssayError
from assay.layout import Layout

if TYPE_CHECKING:
    from assay.params import Params

STAGES = {
    "ingest": "Take in what is new in every source: raw images -> data/pool.",
    "embed": "One vector and one set of image statistics for each new image -> data/embeddings.",
    "curate": "Fold pool and edits, audit, gate: the dataset version -> data/snapshot.",
    "select": "What the model learns from, and what to label next -> data/selection.",
    "train": "Learn from the selection -> outputs/model.",
    "evaluate": "Measure on the ruler, each number with its interval -> outputs/metrics.json.",
    "track": "Write the run to MLflow, or bring it up to date: one run per fingerprint.",
}

app = typer.Typer(
    name="assay",
    help="Find out what an improvement of a vision model is really made of: the data, or the model.",
    epilog="The pipeline: `dvc repro` runs what has changed; `assay status` says where you are and what to do next.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def main() -> None:
    """Run the command line; a user's mistake ends in a message and an exit code, never in a traceback."""
    # before torch is loaded: threads that wait by spinning are 6 times slower on a machine that has other work too
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except AssayError as error:
        from assay.terminal import fail

        sys.exit(fail(error))
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        from assay.terminal import fail

        sys.exit(fail(_disk_full(error)))


def _disk_full(error: OSError) -> AssayError:
    where = f" at {error.filename}" if error.filename else ""
    return AssayError(
        f"disk full: there was no room to go on{where}",
        hint="free some space and run it again: what was finished is kept, nothing is half-written",
    )


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


def _stage(name: str) -> Callable[[bool], None]:
    def command(as_json: Json = False) -> None:
        from assay.terminal import Terminal

        layout, params = _project()
        terminal = Terminal()
        stage = import_module(f"assay.stages.{name}")
        if name == "train" and os.environ.get("ASSAY_LIVE_CURVES") != "0":
            from assay.tracking import LiveCurves, environment

            with LiveCurves(params, layout, terminal) as curves:
                summary = stage.run(params, layout, terminal, on_epoch=curves.on_epoch)
            environment.note(params, layout)
        else:
            summary = stage.run(params, layout, terminal)
        _show(summary, as_json, getattr(stage, "render", None))

    command.__name__ = name
    return command


for _name, _help in STAGES.items():
    app.command(_name, help=_help, rich_help_panel="Stages, in the order of dvc.yaml")(_stage(_name))


def _project() -> tuple[Layout, Params]:
    from assay.params import load_params

    layout = Layout(Path())
    return layout, load_params(layout.params)


def _show(result: dict[str, Any], as_json: bool, render: Callable[[Any, Any], None] | None = None) -> None:
    if as_json:
        import json

        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
        return
    from assay.terminal import out

    if render is not None:
        render(result, out)
    else:
        from rich.pretty import pprint

        pprint(result, console=out, max_length=12)


DESK = "At the desk"


@app.command(rich_help_panel=DESK)
def status(as_json: Json = False) -> None:
    """One screen: the data, the champion, the last metrics, what is stale, and what to do next."""
    from assay.commands import status

    layout, params = _project()
    _show(status.run(params, layout), as_json, status.render)


@app.command(rich_help_panel=DESK)
def queue(
    limit: Annotated[int | None, typer.Option(min=1, help="How many to show or export; none: all.")] = None,
    split: Annotated[Literal["train", "val", "test"] | None, typer.Option(help="Only this split.")] = None,
    export: Annotated[
        Path | None, typer.Option("--csv", help="Write them to FILE, with an empty column for the label.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The images to label next, best first. `--csv` makes the file that `assay label` reads back."""
    from assay.commands import queue

    layout, _ = _project()
    shown = limit if limit is not None or export is not None else 20
    _show(queue.run(layout, shown, split, export), as_json, queue.render)


@app.command(rich_help_panel=DESK)
def label(
    file: Annotated[
        Path, typer.Argument(help="CSV: id or path, label; optional exclude, split, group, why, by, seconds.")
    ],
    by: Annotated[str | None, typer.Option(help="Who judged; default: git's user.name.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Leave bad rows out and write the others.")] = False,
    allow_new_classes: Annotated[bool, typer.Option(help="Let a label name a class that is new.")] = False,
    as_json: Json = False,
) -> None:
    """Judgements from a file: one edit batch in data/edits/. One bad row, and nothing is written."""
    from assay.commands import label

    layout, params = _project()
    _show(label.run(params, layout, file, by, skip_bad, allow_new_classes), as_json, label.render)


@app.command(rich_help_panel=DESK)
def annotate(as_json: Json = False) -> None:
    """Send the queue to `select.annotator` and write what it answers as an edit batch."""
    from assay.commands import annotate

    layout, params = _project()
    _show(annotate.run(params, layout), as_json, annotate.render)


@app.command(rich_help_panel=DESK)
def resolve(
    what: Annotated[str, typer.Argument(help="What stops the pipeline: leakage.")],
    dry_run: Annotated[bool, typer.Option(help="Say what would be written, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Write the edit batch that resolves what the gate stopped at. The test set is never touched."""
    from assay.commands import resolve

    layout, params = _project()
    _show(resolve.resolve(layout, params, what, dry_run), as_json, resolve.render)


@app.command(rich_help_panel=DESK)
def promote(
    force: Annotated[bool, typer.Option(help="Promote a model that is worse; needs --why.")] = False,
    why: Annotated[str, typer.Option(help="The reason, kept with the champion.")] = "",
    by: Annotated[str | None, typer.Option(help="Who promotes; default: git's user.name.")] = None,
    as_json: Json = False,
) -> None:
    """Make the last model the champion, unless it is worse beyond the noise."""
    from assay.commands import promote

    layout, params = _project()
    _show(promote.run(params, layout, force, why, by), as_json, promote.render)


WHY = "What changed, and why"


@app.command(rich_help_panel=WHY)
def diff(
    a: Annotated[str, typer.Argument(help="Before: a git revision, an MLflow run, or `workspace`.")] = "HEAD",
    b: Annotated[str, typer.Argument(help="After: likewise.")] = "workspace",
    html: Annotated[
        Path | None, typer.Option(help="Write one page to FILE: every changed sample, with pictures.")
    ] = None,
    thumbnails: Annotated[int, typer.Option(min=0, help="Pictures on the page at most.")] = 2000,
    samples: Annotated[
        int | None, typer.Option(min=0, help="Samples in the JSON at most, of each list; none: all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What differs between A and B: data, model, code, environment, ruler and metrics, down to the sample.

    Metrics are compared on the test samples that both sides measure with the same label, paired, with 95 % intervals.
    A run may be given by its id, an unique beginning of it, or its name. Exit code 0 whether or not anything differs.

    Examples:  assay diff   ·   assay diff HEAD~1 HEAD --html diff.html   ·   assay diff 0a1b2c3d workspace --json
    """
    from assay.commands import diff
    from assay.terminal import Terminal

    diff.spare_pandas()
    layout, params = _project()
    listed = samples if as_json else 0
    _show(diff.run(params, layout, a, b, html, thumbnails, listed, Terminal()), as_json, diff.render)


@app.command(rich_help_panel=WHY)
def attribute(
    a: Annotated[str, typer.Argument(help="Before: a git revision, an MLflow run, or `workspace`.")],
    b: Annotated[str, typer.Argument(help="After: likewise.")] = "workspace",
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings of each corner; the first seed is A's own.")
    ] = 3,
    split_data: Annotated[
        bool, typer.Option(help="Divide data into added, relabelled, excluded and split moves.")
    ] = False,
    by: Annotated[Literal["batch"] | None, typer.Option(help="Divide data into the edit batches.")] = None,
    per_class: Annotated[bool, typer.Option(help="Recall and F1 of every class as well.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the page to FILE too.")] = None,
    as_json: Json = False,
) -> None:
    """How much of the change from A to B each of data, model, code and ruler made, with 95 % intervals.

    Every corner (some players from B, the rest from A) is an ordinary DVC run in a worktree; what is known is not
    trained again, and a stopped call carries on. Shares are Shapley values: they add up to the total.

    Examples:  assay attribute HEAD~1 HEAD   ·   assay attribute HEAD --seeds 5   ·   assay attribute v1 v2 --by batch
    """
    from assay.commands import attribute
    from assay.terminal import Terminal

    layout, params = _project()
    division: Literal["none", "kind", "batch"] = by or ("kind" if split_data else "none")
    found = attribute.run(params, layout, a, b, division, seeds, per_class, html, Terminal())
    _show(found, as_json, attribute.render)


@app.command(rich_help_panel=WHY)
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
    html: Annotated[Path | None, typer.Option(help="Write the page to FILE too.")] = None,
    as_json: Json = False,
) -> None:
    """Is the next hour better spent on the labels, or on the model? Both, step for step, over several seeds.

    The data track asks `select.annotator` (a replay: oracle) for so many labels a step; the model track tries one
    setting a step (Optuna, `race.space`). Both choose on val and are reported on test, with 95 % intervals. Every
    training is kept: a stopped race carries on, a second call trains nothing.

    Examples:  assay race   ·   assay race HEAD~3 --answers HEAD   ·   assay race --steps 3 --labels 60 --seeds 5
    """
    from assay.commands import race
    from assay.terminal import Terminal

    layout, params = _project()
    changed = {"steps": steps, "labels_per_step": labels, "seeds": seeds, "review_share": review_share}
    found = race.run(params, layout, baseline, answers, choose_on, changed, html, Terminal())
    _show(found, as_json, race.render)


@app.command(rich_help_panel=WHY)
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
        typer.Option(metavar="DIR", help="Keep both versions of what differs: recorded/ and now/."),
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
    from assay.terminal import Terminal

    layout, params = _project()
    found = reproduce.run(params, layout, name, all_since, exact, keep, Terminal())
    _show(found, as_json, reproduce.render)
    raise typer.Exit(found["exit_code"])


@app.command(rich_help_panel=WHY)
def advise(
    html: Annotated[
        Path | None, typer.Option(help="Write the page to FILE: curves, suspects, trials.")
    ] = None,
    suspects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the labels to review to a CSV with an empty label, for `assay label`."
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
    from assay.terminal import Terminal

    layout, params = _project()
    _show(advise.run(params, layout, hours, html, suspects, Terminal()), as_json, advise.render)
