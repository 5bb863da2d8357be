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
            help="PATH, or FORMAT:PATH with a format of `assay import --help`; or without files of your own: "
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


@setup.command("import", rich_help_panel=PANEL)
def add_source(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A folder of images with labels, or a file of labels.")
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="coco, yolo, voc, masks, label_studio, cvat, labelme, createml, imagefolder or csv; recognised if "
            "not given.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the source; default: that of the folder.")] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Read it and show what would be added; write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read a folder or an export of another tool, and add it to the sources of params.yaml.

    Says how the format was recognised, what is in it, and which objects are fixed or refused and why. The images are
    taken in by the next `assay ingest` or `dvc repro`.

    Examples:  assay import raw/cells   ·   assay import export.json --format label_studio --name second-round
    """
    from assay.commands import importing
    from assay.commands.terminal import Terminal

    layout, params = project()
    show(importing.run(params, layout, path, form, name, dry_run, Terminal()), as_json, importing.render)


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
        str,
        typer.Option(
            "--format",
            help="coco, yolo, voc, masks, label_studio, cvat, labelme, createml, imagefolder, csv, or your own.",
        ),
    ],
    split: Annotated[Literal["train", "val", "test"] | None, typer.Option(help="This split only.")] = None,
    rev: Annotated[
        str, typer.Option(help="The data set of a git revision or an MLflow run; default: `workspace`.")
    ] = "workspace",
    as_json: Json = False,
) -> None:
    """Write the labelled images of a snapshot in another format, and count what the format cannot represent.

    Examples:  assay export --format coco ../cells   ·   assay export --format cvat --rev v1 ../cells-v1
    """
    from assay.commands import export
    from assay.commands.terminal import Terminal

    layout, params = project()
    show(export.run(params, layout, form, folder, split, rev, Terminal()), as_json, export.render)
