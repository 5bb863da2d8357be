"""The command line: wires params and paths to stages and commands. Nothing heavy is imported at the top."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import typer

from assay import __version__
from assay.commands import cli_agreement, cli_iterate, cli_review, cli_setup, cli_why
from assay.commands.invocation import MOST, Csv, Html, Json, project, show
from assay.commands.streams import DEBUG, reported
from assay.layout import Layout

STAGES = {
    "ingest": "Read new and changed images of every source: raw images -> data/pool.",
    "embed": "Compute a vector and image statistics for each new image -> data/embeddings.",
    "curate": "Apply the edits to the pool, check for leaks: the dataset version -> data/snapshot.",
    "audit": "Check the snapshot for bad images and wrong labels -> data/audit.",
    "select": "Choose the training set and the images to label next -> data/selection.",
    "train": "Train the model on the selection -> outputs/model.",
    "evaluate": "Measure on the labelled test set, with intervals -> outputs/metrics.json.",
    "track": "Write or update the run in MLflow: one run for each fingerprint.",
}

app = typer.Typer(
    name="assay",
    help="Find out whether an improvement of a vision model comes from the data or from the model.",
    epilog="The pipeline: `dvc repro` runs what has changed; `assay status` shows the state and the next step.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line. AssayError is printed without a traceback and sets the exit code."""
    # before torch is loaded: spinning threads are 6 times slower on a machine with other load
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with reported():
        app()


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool, typer.Option("--traceback", help="Show the whole traceback of an error; also ASSAY_DEBUG=1.")
    ] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"
    if show:
        typer.echo(__version__)
        raise typer.Exit


def _run_stage(name: str, as_json: bool) -> None:
    from assay.commands import workspace
    from assay.commands.terminal import Terminal

    layout, params = project()
    terminal = Terminal()
    # before pyarrow is loaded: its own allocator keeps a third more memory than the tables need
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
        int | None, typer.Option(min=1, max=MOST, help="Most suspects, the likeliest first.")
    ] = None,
    export: Csv = None,
    html: Html = None,
    thumbnails: Annotated[int, typer.Option(min=0, max=MOST, help="Pictures on the page.")] = 2000,
    apply: Annotated[
        Literal["suggested", "exclude"] | None,
        typer.Option(help="Write an edit batch that relabels as suggested, or excludes the images."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Show what --apply would write; write nothing.")] = False,
    model: Annotated[
        bool,
        typer.Option(
            help="Use the model of params.yaml as well: five trainings, each judges the labels it was not trained on."
        ),
    ] = False,
    check: Annotated[
        int | None,
        typer.Option(
            min=30,
            help="Draw so many labels for review, e.g. 50: the answers calibrate the probabilities.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            help="--apply without calibrated probabilities; --apply exclude also by the outlier score."
        ),
    ] = False,
    sort: Annotated[
        Literal["wrong", "outlier", "combined"] | None,
        typer.Option(help="Order: probability of a wrong label (default), outlier score, or both."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the snapshot for bad images, and estimate for each label the probability that it is wrong -> data/audit.

    Without options it runs the stage. With options it shows the results for labels of train and val, never test; labels
    that were reviewed are not shown again. It also says whether cleaning pays, and lists slices (`evaluate.slices`) and
    clusters of images on which the last model is significantly worse.

    Of boxes, the options show objects that are probably missed, spurious, of another class or badly placed: on val by
    the last model, or with --model on train and val. Of masks, outlines that are probably wrong, on train and val.
    `assay review suspects` shows them in an editor.

    Examples:  assay audit --html audit.html   ·   assay audit --csv review.csv   ·   assay audit --check 50
    """
    if (above, limit, export, html, apply, check, sort, dry_run, model) == (None,) * 7 + (False, False):
        _run_stage("audit", as_json)
        return
    from assay import tasks
    from assay.commands import audit, audit_objects
    from assay.commands.terminal import Terminal
    from assay.labels import listing
    from assay.labels.objects import listing as objects_listing

    layout, params = project()
    if tasks.has_objects(params.task) or tasks.outlines(params.task):
        audit_objects.refuse(params.task, check, sort)
        suspected = audit_objects.run(
            params, layout, above, limit, export, html, thumbnails, apply, dry_run, model, force, Terminal()
        )
        show(suspected, as_json, objects_listing.render)
        return
    options = (above, limit, export, html, thumbnails, apply, dry_run, model, check, force, sort or "wrong")
    found = audit.run(params, layout, *options, Terminal())
    show(found, as_json, listing.render)


WITH_OPTIONS = {"audit": _audit}
"""Stages whose command has options."""

for _name, _help in STAGES.items():
    app.command(
        _name,
        help=None if _name in WITH_OPTIONS else _help,
        rich_help_panel="Stages, in the order of dvc.yaml",
    )(WITH_OPTIONS.get(_name) or _stage(_name))


DESK = "Data, labels and champion"


@app.command(rich_help_panel=DESK)
def status(as_json: Json = False) -> None:
    """Show data, champion, last metrics, stale stages, and the next step on one screen."""
    from assay.commands import status

    layout, params = project()
    show(status.run(params, layout), as_json, status.render)


@app.command(rich_help_panel=DESK)
def verify(as_json: Json = False) -> None:
    """Compare every image of the pool with its id, the hash of its bytes. Exit code 1 if one is damaged."""
    from assay.commands import verify
    from assay.commands.terminal import Terminal

    result = verify.run(Layout(Path()), Terminal())
    show(result, as_json, verify.render)
    raise typer.Exit(int(bool(result["damaged"])))


@app.command(rich_help_panel=DESK)
def queue(
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help="Number of images; default: 20 on the terminal, all in a file."),
    ] = None,
    split: Annotated[Literal["train", "val", "test"] | None, typer.Option(help="This split only.")] = None,
    by: Annotated[str | None, typer.Option(help="Without the images that this person has judged.")] = None,
    export: Csv = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """List the images to label next, best first. `--csv` writes the file that `assay label` reads."""
    from assay.commands import queue
    from assay.commands.terminal import Terminal

    layout, params = project()
    shown = limit if limit is not None or export is not None or html is not None else 20
    found = queue.run(layout, shown, split, export, html, Terminal(), params.task, params.select.overlap, by)
    show(found, as_json, queue.render)


app.add_typer(cli_review.page)


@app.command(rich_help_panel=DESK)
def label(
    file: Annotated[
        Path, typer.Argument(help="CSV: id or path, label; optional exclude, split, group, why, by, seconds.")
    ],
    by: Annotated[str | None, typer.Option(help="Name of the labeller; default: git's user.name.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Skip invalid rows and write the others.")] = False,
    allow_new_classes: Annotated[bool, typer.Option(help="Accept labels with a new class.")] = False,
    as_json: Json = False,
) -> None:
    """Read labels from a file and write one edit batch to data/edits/. With an invalid row, nothing is written."""
    from assay.commands import label

    layout, params = project()
    show(label.run(params, layout, file, by, skip_bad, allow_new_classes), as_json, label.render)


@app.command(rich_help_panel=DESK)
def annotate(as_json: Json = False) -> None:
    """Send the queue to `select.annotator` and write its answers as an edit batch.

    Call it again for later answers: data/ledger/ records every image sent, so that none is sent or accepted twice.
    Exit code 1 if answers are invalid: they are listed, the others are written.
    """
    from assay.commands import annotate
    from assay.commands.terminal import Terminal

    layout, params = project()
    result = annotate.run(params, layout, Terminal())
    show(result, as_json, annotate.render)
    raise typer.Exit(int(bool(result["refused"])))


@app.command(rich_help_panel=DESK)
def resolve(
    what: Annotated[str, typer.Argument(help="The gate that stopped the pipeline: leakage.")],
    dry_run: Annotated[bool, typer.Option(help="Show what would be written; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Write an edit batch that resolves the issues of a gate. The test set does not change."""
    from assay.commands import resolve

    layout, params = project()
    show(resolve.resolve(layout, params, what, dry_run), as_json, resolve.render)


@app.command(rich_help_panel=DESK)
def promote(
    force: Annotated[bool, typer.Option(help="Promote a worse model; needs --why.")] = False,
    why: Annotated[str, typer.Option(help="The reason, recorded with the champion.")] = "",
    by: Annotated[str | None, typer.Option(help="Name recorded with it; default: git's user.name.")] = None,
    as_json: Json = False,
) -> None:
    """Make the last model the champion, unless it is significantly worse than the present one.

    Registers it in MLflow with the alias `champion`, and runs the stages that depend on it; commit the result.
    """
    from assay.commands import promote
    from assay.commands.terminal import Terminal

    layout, params = project()
    result = promote.run(params, layout, force, why, by)
    result |= promote.follow(layout, Terminal())
    show(result | promote.register(params, layout), as_json, promote.render)


@app.command(rich_help_panel=DESK)
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server for a local store.")] = 5000,
) -> None:
    """Open the runs of this project in MLflow, with metrics, data and champion as columns.

    For a local store it starts a server, until Ctrl-C; for a remote one (MLFLOW_TRACKING_URI) it prints the link.
    """
    from assay.tracking import server

    layout, params = project()
    typer.echo("starting MLflow, the address follows …", err=True)
    raise typer.Exit(server.serve(params, layout, port, lambda link: typer.echo(f"MLflow: {link}")))


app.add_typer(cli_iterate.loop)
app.add_typer(cli_agreement.people)
app.add_typer(cli_why.why)
app.add_typer(cli_setup.setup)
