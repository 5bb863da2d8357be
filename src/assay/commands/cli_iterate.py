"""`assay iterate` on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.commands.invocation import Json, project, show

loop = typer.Typer()


@loop.command(rich_help_panel="Data, labels and champion")
def iterate(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of the rounds; default: those of this branch, or the next free number."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Total number of rounds; default: iterate.rounds.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Total number of answers; default: iterate.budget.")
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(help="Stop when the whole interval on test has reached it; default: iterate.target."),
    ] = None,
    enough: Annotated[
        float | None, typer.Option(help="Share of the images that must be answered before a round goes on.")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(help="Hours after which it goes on with the answers that there are.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run rounds of select, annotate, train, evaluate, track, promote; each is a commit on branch iterate/NAME.

    The git tree must be clean; other branches do not change. Call it again to continue after a kill, a failed stage or
    new answers, or for more rounds. The section `iterate` of params.yaml sets when to stop.

    - **exit code 0**: the rounds have ended; the table gives the reason
    - **exit code 4**: images wait for people: call again when they have answered

    Examples:  assay iterate   ·   assay iterate nightly --rounds 5   ·   assay iterate --target 0.95 --budget 1000
    """
    from assay.commands import iterate
    from assay.commands.terminal import Terminal

    layout, params = project()
    changed = {"rounds": rounds, "budget": budget, "target": target, "enough": enough, "deadline": deadline}
    result = iterate.run(params, layout, name, changed, Terminal())
    show(result, as_json, iterate.render)
    raise typer.Exit(iterate.WAITING if result["waiting"] else 0)
