"""Markdown for pages of MLflow and artifacts of Prefect. Plain text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SPECIAL = re.compile(r"([\\`*_\[\]|~])")
"""Escaped with a backslash; `&`, `<` and `>` become entities, since some renderers do not support `\\<`."""


class Markdown(str):
    """Text that is Markdown already and is not escaped again."""

    __slots__ = ()


def text(value: object) -> Markdown:
    """One line of escaped text: `[+0.02, +0.05] (helped)` is no link, `a_b_c` no emphasis, `<b>` no tag."""
    if isinstance(value, Markdown):
        return value
    plain = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markdown(SPECIAL.sub(r"\\\1", plain))


def bold(value: object) -> Markdown:
    return Markdown(f"**{text(value)}**")


def code(value: object) -> Markdown:
    """Inline code; backticks in the value become quotes."""
    return Markdown(f"`{str(value).replace('`', chr(39))}`")


def link(name: object, url: str) -> Markdown:
    return Markdown(f"[{text(name)}]({url})")


def table(heading: Sequence[object], rows: Iterable[Sequence[object]]) -> Markdown:
    lines = [_row(heading), _row([Markdown("---")] * len(heading)), *map(_row, rows)]
    return Markdown("\n".join(lines))


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(text(cell) for cell in cells)} |"
