"""The command line: wires params and paths to stages and commands. Nothing heavy is imported at the top."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import typer

from assay import __version__
from assay.commands import cli_setup, cli_why
from assay.commands.invocation import MOST, Csv, Html, Json, project, show
from assay.commands.streams import reported
from assay.layout import Layout

STAGES = {
    "ingest": "Take in what is new in every source: raw images -> data/pool.",
    "embed": "One vector and one set of image statistics for each new image -> data/embeddings.",
    "curate": "Fold pool and edits, gate: the dataset version -> data/snapshot.",
    "audit": "What is odd about the snapshot, and which labels are wrong -> data/audit.",
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


def main() -> None:
    """Run the command line; a user's mistake ends in a message and an exit code, never in a traceback."""
    # before torch is loaded: threads that wait by spinning are 6 times slower on a machine that has other work too
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with reported():
        app()


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


def _run_stage(name: str, as_json: bool) -> None:
    from assay.commands import workspace
    from assay.commands.terminal import Terminal

    layout, params = project()
    terminal = Terminal()
    # before pyarrow is loaded: its own allocator keeps a third more memory than the tables of a stage take
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    stage = import_module(f"assay.stages.{name}")
    with workspace.writing(layout, *workspace.locks_of(name)):
        if name == "train" and os.environ.get("ASSAY_LIVE_CURVES") != "0":
            from assay.tracking import LiveCurves, environment

            with LiveCurves(params, layout, terminal) as curves:
                summary = stage.run(params, layout, terminal, on_epoch=curves.on_epoch)
            environment.note(params, layout, curves.began, curves.ended)
        else:
            summary = stage.run(params, layout, terminal)
    show(summary, as_json, getattr(stage, "render", None))


def _stage(name: str) -> Callable[[bool], None]:
    def command(as_json: Json = False) -> None:
        _run_stage(name, as_json)

    command.__name__ = name
    return command


def _audit(
    above: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Probability of being wrong; default: 0.5, and 0.9 with --apply."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="At most so many, the likeliest first.")
    ] = None,
    export: Csv = None,
    html: Html = None,
    thumbnails: Annotated[int, typer.Option(min=0, max=MOST, help="Pictures on the page.")] = 2000,
    apply: Annotated[
        Literal["suggested", "exclude"] | None,
        typer.Option(help="Write an edit batch: take the suggestions, or leave the images out."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what --apply would write, write nothing.")] = False,
    model: Annotated[
        bool,
        typer.Option(
            help="Ask the model of params.yaml too: five trainings, each judges what it has not seen."
        ),
    ] = False,
    check: Annotated[
        int | None,
        typer.Option(
            min=30,
            help="Draw so many labels for a second look, 50 for a start: answers measure the probabilities.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            help="--apply by probabilities that nobody has measured; exclude by the outlier score too."
        ),
    ] = False,
    sort: Annotated[
        Literal["wrong", "outlier", "combined"] | None,
        typer.Option(help="By the probability of a wrong label (default), the outlier score, or both."),
    ] = None,
    as_json: Json = False,
) -> None:
    """What is odd about the snapshot, and how likely each label is to be wrong -> data/audit.

    Without options it is the stage: it judges anew. With one it shows what was judged: train and val, never test; what
    somebody has looked at again is not shown again. Also whether cleaning pays, and where the last model is worse than
    elsewhere: slices of `evaluate.slices`, and clusters of images.

    Examples:  assay audit --html audit.html   ·   assay audit --csv review.csv   ·   assay audit --check 50
    """
    if (above, limit, export, html, apply, check, sort, dry_run, model) == (None,) * 7 + (False, False):
        _run_stage("audit", as_json)
        return
    from assay.commands import audit
    from assay.commands.terminal import Terminal
    from assay.labels.listing import render

    layout, params = project()
    found = audit.run(
        params,
        layout,
        above,
        limit,
        export,
        html,
        thumbnails,
        apply,
        dry_run,
        model,
        check,
        force,
        sort or "wrong",
        Terminal(),
    )
    show(found, as_json, render)


WITH_OPTIONS = {"audit": _audit}
"""Stages whose command does more than run them."""

for _name, _help in STAGES.items():
    app.command(
        _name,
        help=None if _name in WITH_OPTIONS else _help,
        rich_help_panel="Stages, in the order of dvc.yaml",
    )(WITH_OPTIONS.get(_name) or _stage(_name))


DESK = "At the desk"


@app.command(rich_help_panel=DESK)
def status(as_json: Json = False) -> None:
    """One screen: the data, the champion, the last metrics, what is stale, and what to do next."""
    from assay.commands import status

    layout, params = project()
    show(status.run(params, layout), as_json, status.render)


@app.command(rich_help_panel=DESK)
def verify(as_json: Json = False) -> None:
    """Read every image of the pool and compare it with its id, the hash of its bytes. Exit code 1 if one is damaged."""
    from assay.commands import verify
    from assay.commands.terminal import Terminal

    result = verify.run(Layout(Path()), Terminal())
    show(result, as_json, verify.render)
    raise typer.Exit(int(bool(result["damaged"])))


@app.command(rich_help_panel=DESK)
def queue(
    limit: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="How many to show or export; none: all.")
    ] = None,
    split: Annotated[Literal["train", "val", "test"] | None, typer.Option(help="Only this split.")] = None,
    export: Csv = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """The images to label next, best first. `--csv` makes the file that `assay label` reads back."""
    from assay.commands import queue
    from assay.commands.terminal import Terminal

    layout, _ = project()
    shown = limit if limit is not None or export is not None or html is not None else 20
    show(queue.run(layout, shown, split, export, html, Terminal()), as_json, queue.render)


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

    layout, params = project()
    show(label.run(params, layout, file, by, skip_bad, allow_new_classes), as_json, label.render)


@app.command(rich_help_panel=DESK)
def annotate(as_json: Json = False) -> None:
    """Send the queue to `select.annotator` and write what it answers as an edit batch.

    Call it again to take in later answers: every image sent is accounted for in data/ledger/, nothing is asked or
    taken twice. Exit code 1 if answers could not be taken; they are named, the others are written.
    """
    from assay.commands import annotate

    layout, params = project()
    result = annotate.run(params, layout)
    show(result, as_json, annotate.render)
    raise typer.Exit(int(bool(result["refused"])))


@app.command(rich_help_panel=DESK)
def resolve(
    what: Annotated[str, typer.Argument(help="What stops the pipeline: leakage.")],
    dry_run: Annotated[bool, typer.Option(help="Say what would be written, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Write the edit batch that resolves what the gate stopped at. The test set is never touched."""
    from assay.commands import resolve

    layout, params = project()
    show(resolve.resolve(layout, params, what, dry_run), as_json, resolve.render)


@app.command(rich_help_panel=DESK)
def promote(
    force: Annotated[bool, typer.Option(help="Promote a model that is worse; needs --why.")] = False,
    why: Annotated[str, typer.Option(help="The reason, kept with the champion.")] = "",
    by: Annotated[str | None, typer.Option(help="Who promotes; default: git's user.name.")] = None,
    as_json: Json = False,
) -> None:
    """Make the last model the champion, unless it is worse beyond the noise.

    Registers it in MLflow, alias `champion`, and runs the stages that depend on the champion: one commit holds all.
    """
    from assay.commands import promote
    from assay.commands.terminal import Terminal

    layout, params = project()
    result = promote.run(params, layout, force, why, by)
    result |= promote.follow(layout, Terminal())
    show(result | promote.register(params, layout), as_json, promote.render)


@app.command(rich_help_panel=DESK)
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the server, for a local store.")] = 5000,
) -> None:
    """MLflow in the browser, on the runs of this project: one for each fingerprint, with what decides as columns.

    Starts a server for a local store, until Ctrl-C; of a server that runs (MLFLOW_TRACKING_URI) it prints the link.
    """
    from assay.tracking import server

    layout, params = project()
    raise typer.Exit(server.serve(params, layout, port, lambda link: typer.echo(f"MLflow: {link}")))


@app.command(rich_help_panel=DESK)
def iterate(
    name: Annotated[
        str | None,
        typer.Argument(help="Of the rounds; default: those of this branch, or the next free number."),
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="In all; default: iterate.rounds.")] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Answers in all; default: iterate.budget.")
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(help="Stop when the interval on test has reached it; default: iterate.target."),
    ] = None,
    enough: Annotated[
        float | None, typer.Option(help="Share of the images that people must have answered to go on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rounds by themselves: select, annotate, train, evaluate, track, promote; each a commit on branch iterate/NAME.

    The tree has to be clean; no other branch is touched. Call it again after anything: a kill, a failed stage, answers
    that have come in, more rounds wanted. The section `iterate` of params.yaml says when to stop.

    - **0**: the rounds are over, and the table says why
    - **4**: images wait for people (`select.annotator: file`, or null): fill in what it names, and call again

    Examples:  assay iterate   ·   assay iterate nightly --rounds 5   ·   assay iterate --target 0.95 --budget 1000
    """
    from assay.commands import iterate
    from assay.commands.terminal import Terminal

    layout, params = project()
    changed = {"rounds": rounds, "budget": budget, "target": target, "enough": enough}
    result = iterate.run(params, layout, name, changed, Terminal())
    show(result, as_json, iterate.render)
    raise typer.Exit(iterate.WAITING if result["waiting"] else 0)


app.add_typer(cli_why.why)
app.add_typer(cli_setup.setup)
