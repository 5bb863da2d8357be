"""Markdown of what the generated pages consist of."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by `python -m docs.generate` from the code: do not edit. -->\n"


def cell(text: str) -> str:
    """Text as a cell of a table: one line, no bar that ends the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines) + "\n"


def code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


def summary(doc: str | None) -> str:
    """First paragraph of a docstring, as one line."""
    return " ".join(inspect.cleandoc(doc or "").split("\n\n")[0].split())


def prose(doc: str | None) -> str:
    """A docstring as Markdown; indented blocks stay code, lists and paragraphs stay what they are."""
    return re.sub(r"\n{3,}", "\n\n", inspect.cleandoc(doc or "")) + "\n"
