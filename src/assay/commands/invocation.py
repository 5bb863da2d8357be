"""Common parts of the commands: the project of the current folder, shared options, output of results."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.commands.streams import has_all_characters
from assay.errors import ParamsError, UsageError
from assay.layout import Layout
from assay.reports.destinations import check_file, check_folder, is_stdout

if TYPE_CHECKING:
    from assay.params import Params


def destination(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """The FILE of an option. UsageError, before any work, if it cannot be written."""
    return path and check_file(path, param.opts[0])


def folder(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """The DIR of an option. UsageError, before any work, if it cannot be created."""
    return path and check_folder(path, param.opts[0])


MOST = 1_000_000_000
"""Largest number of rows or pictures that an option accepts."""
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Csv = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        callback=destination,
        help="Write the rows to FILE as CSV, with an empty column for the label.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=destination,
        help="Write one HTML page to FILE, with charts, pictures and lists.",
    ),
]


def project() -> tuple[Layout, Params]:
    """Layout and params of the project in the current folder."""
    from assay.params import load_params

    layout = Layout(Path())
    _require_plain(layout.root.resolve())
    _require_params(layout)
    return layout, load_params(layout.params)


def _require_plain(root: Path) -> None:
    """UsageError for a path with characters that end a URI: MLflow would open its store in another folder."""
    if found := [character for character in "#?" if character in str(root)]:
        raise UsageError(
            f"the path of the project contains {' and '.join(map(repr, found))}: {root}; URIs end there, and MLflow "
            "would open its store in another folder",
            hint="rename the folder",
        )


def _require_params(layout: Layout) -> None:
    """ParamsError where no project is, with the project that the folder is in, or how to create one."""
    if layout.params.exists():
        return
    home = layout.root.resolve()
    above = next((folder for folder in home.parents if (folder / layout.params).is_file()), None)
    there = (
        f"run assay in the root of the project: cd {shlex.quote(os.path.relpath(above))}"
        if above
        else (
            "go to the root of a project, or create one here: `assay init --from PATH` with the folder of your images"
        )
    )
    raise ParamsError(f"{home} is not a project of assay: it has no {layout.params}", hint=there)


def show(result: dict[str, Any], as_json: bool, render: Callable[[Any, Any], None] | None = None) -> None:
    """Print a result: as JSON, by `render`, or as it is."""
    if as_json:
        import json

        typer.echo(json.dumps(result, indent=2, ensure_ascii=not has_all_characters()))
        return
    from assay.commands.terminal import err, out

    console = err if _holds_stdout(result) else out
    if render is not None:
        render(result, console)
    else:
        from rich.pretty import pprint

        pprint(result, console=console, max_length=12)


def _holds_stdout(result: dict[str, Any]) -> bool:
    """Whether a requested file is standard output, so that nothing else may be printed there."""
    made = [result.get("file"), result.get("page")]
    names = [one["file"] if isinstance(one, dict) else one for one in made if one]
    return any(is_stdout(Path(name)) for name in names)
