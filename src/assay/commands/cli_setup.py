"""Commands to create a project, and to check its plug-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.commands.invocation import Json, project, show
from assay.commands.invocation import folder as folder_of

setup = typer.Typer()
PANEL = "Projects and plug-ins"


@setup.command(rich_help_panel=PANEL)
def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="[DIR]", help="An empty or new folder, or one in an existing git repository."),
    ] = Path(),
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="PATH, or FORMAT:PATH with imagefolder, csv, coco, yolo, voc or masks; or without files of your own: "
            "demo, 5,000 real digits to classify; scenes, digits to detect.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="classification, detection, semantic_segmentation…; by the labels if not given."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Read the images and show what would be written.")] = False,
    as_json: Json = False,
) -> None:
    """Create a project for your images: dvc.yaml, params.yaml with values that suit them, flows. Overwrites nothing.

    Examples:  assay init --from imagefolder:~/photos   ·   assay init quality --from csv:labels.csv --dry-run
    """
    from assay.commands import init

    show(init.run(folder, origin, dry_run, task), as_json, init.render)


@setup.command("check-plugin", rich_help_panel=PANEL)
def check_plugin(
    file: Annotated[Path, typer.Argument(help="plugins/models/mine.py, plugins/strategies/mine.py …")],
    as_json: Json = False,
) -> None:
    """Check a plug-in of your own against the contract of its kind. Exit code 1 if it breaks it."""
    from assay.commands import check_plugin

    result = check_plugin.run(file)
    show(result, as_json, check_plugin.render)
    raise typer.Exit(int(not result["kept"]))


@setup.command(rich_help_panel=PANEL)
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", callback=folder_of, help="A new or empty folder.")],
    form: Annotated[
        str, typer.Option("--format", help="coco, yolo, voc, masks, label_studio, cvat, labelme, createml, imagefolder, csv, or your own.")
    ],
    split: Annotated[Literal["train", "val", "test"] | None, typer.Option(help="This split only.")] = None,
    as_json: Json = False,
) -> None:
    """Write the labelled images of the snapshot in another format, and count what the format cannot represent.

    Example:  assay export --format coco ../cells
    """
    from assay.commands import export
    from assay.commands.terminal import Terminal

    layout, _ = project()
    show(export.run(layout, form, folder, split, Terminal()), as_json, export.render)
