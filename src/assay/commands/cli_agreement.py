"""The command `assay agreement`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.commands.invocation import Html, Json, destination, project, show

DESK = "Data, labels and champion"
people = typer.Typer()


@people.command(rich_help_panel=DESK)
def agreement(
    method: Annotated[
        Literal["auto", "majority", "dawid_skene", "combined", "crowdlab"],
        typer.Option(
            help="How the consensus is found; auto: combined if there are embeddings, else dawid_skene."
        ),
    ] = "auto",
    above: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Least posterior of a consensus, below it an image is a dispute; default: 0.8, of majority and "
            "crowdlab 0.5.",
        ),
    ] = None,
    apply: Annotated[
        Literal["consensus"] | None,
        typer.Option(help="Write the consensus as an edit batch, without disputes."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Show what --apply would write; write nothing.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", callback=destination, help="Write the disputes to FILE, to be settled."
        ),
    ] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare the people who judged the same images: agreement, reliability, consensus and disputes.

    Classes: Krippendorff's alpha, Cohen's kappa of every two people; how often each person agrees with the others, and
    an estimate of their accuracy. Boxes and masks: F1 of presence, mean IoU, alpha of the classes of matched objects;
    recall, precision and IoU of each person against the others. All intervals are 95 %. The judgements of all people
    remain in data/edits/; `select.overlap` asks several people about each image.

    Examples:  assay agreement --html agreement.html   ·   assay agreement --apply consensus --csv disputes.csv
    """
    from assay.commands import agreement
    from assay.commands.terminal import Terminal

    layout, params = project()
    found = agreement.run(params, layout, method, above, apply, dry_run, export, html, progress=Terminal())
    show(found, as_json, agreement.render)
