"""Effects of spreadsheets on tables: formulas, separators, numbers.

A cell that a spreadsheet would run as a formula (a class named `=cmd|…`) is written with an apostrophe before it, which
reading removes. A cell that begins with apostrophes before such a sign gets one more, so that the mapping is one to
one: `=x` is `'=x` in the file, `'=x` is `''=x`, and `'tis` is `'tis`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠]")
SEPARATORS = {";": "';'", "\t": '"\\t"', "|": "'|'", ",": "','"}
"""Separator of cells -> how it is written in params.yaml."""


def quoted(cell: object) -> object:
    """A cell as written to a file. Numbers are not quoted: −1 stays −1."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def unquoted(cell: str) -> str:
    """The inverse of `quoted`; other cells stay as they are."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def header_hint(names: Sequence[str], wanted: Collection[str], delimiter: str = ",") -> str | None:
    """A probable reason why a header lacks the columns `wanted`; None if there is none."""
    first = names[0] if names else ""
    if first.lower().replace('"', "").startswith("sep="):
        return "line 1 is Excel's `sep=`, the header comes after it: delete the line"
    if len(names) == 1:
        for sign, written in SEPARATORS.items():
            if sign != delimiter and sign in first:
                return f"the columns are separated by {written}: set delimiter: {written} in the source's options"
    others = {name.lower(): name for name in names}
    if same := {name: others[name.lower()] for name in sorted(wanted) if name.lower() in others}:
        listed = ", ".join(f"{name}: {other}" for name, other in same.items())
        return f"upper and lower case count: set {listed} in the source's options"
    return None


def path_hint(cell: str) -> str:
    """A probable reason why a path names no file; empty if it looks like a relative path."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", cell):
        return ": it is an address; download the images and name the files"
    if "\\" in cell:
        return ": it has backslashes; write folders with /, relative to image_root"
    return ""


def as_number(text: str) -> float | None:
    """The number that a spreadsheet sees in a text (`3`, `3.0`, `03` and `3e0` are equal); None if it is none."""
    return float(text) if re.fullmatch(r"[+-]?\d{1,15}(\.\d{0,15})?([eE][+-]?\d{1,2})?", text) else None
