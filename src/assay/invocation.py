"""What every command of the command line has in common: the project it is run in, and how a result is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.layout import Layout

if TYPE_CHECKING:
    from assay.params import Params

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def project() -> tuple[Layout, Params]:
    """The layout and the params of the folder that a command is run in."""
    from assay.params import load_params

    layout = Layout(Path())
    return layout, load_params(layout.params)


def show(result: dict[str, Any], as_json: bool, render: Callable[[Any, Any], None] | None = None) -> None:
    """A command's result: as JSON, as its `render` writes it, or as it is."""
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
