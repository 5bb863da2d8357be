"""`assay review` on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.commands.invocation import Json, project, show

page = typer.Typer()


@page.command(rich_help_panel="Data, labels and champion")
def review(
    view: Annotated[
        str,
        typer.Argument(
            metavar="[VIEW]",
            help="queue, sent, suspects, outliers, duplicates, mistakes, changes or all; with filters: "
            "'suspects?split=train'. Default: the queue, if it has images.",
        ),
    ] = "",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; default: the first free one from 8420 on.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for a team. Default: this machine only.")
    ] = "127.0.0.1",
    invite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:view]", help="Somebody else, with a link of their own; `:view` may only look."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another name of this machine, as in a proxy.")
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the link only; open no browser.")] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Write the judgements so far as an edit batch; serve nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at images and judge them by keys, in a browser: labels, exclusions, corrections.

    Prints a link; only who has it gets in. A judgement is on disk (labelling/review/) before the page says so. `Done`
    on the page, or --finish, writes one edit batch to data/edits/ by the rules of `assay label`. ? lists the keys.

    Examples:  assay review   ·   assay review suspects   ·   assay review --host 0.0.0.0 --invite Bo --invite Cy:view
    """
    from assay.commands import review as command
    from assay.commands.terminal import err, out

    layout, params = project()
    if finish:
        show(command.finish(params, layout), as_json, command.render)
        return
    tell = command.tell_on(out if not as_json else err, as_json)
    command.run(params, layout, view, port, host, invite or (), allow_host or (), tell, not no_open)
