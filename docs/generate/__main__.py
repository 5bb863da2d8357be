"""python -m docs.generate [DIR]: write every generated page below DIR (default: the folder docs)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.generate import cli, files, notebook, params, plugins, python

DOCS = Path(__file__).parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "reference/params.md": params.page,
    "reference/cli.md": cli.page,
    "reference/python.md": python.page,
    "reference/files.md": files.page,
    "reference/plugins.md": plugins.page,
    "how-to/notebook.md": notebook.page,
}


def write(folder: Path) -> None:
    for name, page in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else DOCS)
