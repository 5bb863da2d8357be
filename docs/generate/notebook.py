"""how-to/notebook.md: the notebook as a page, from its jupytext file."""

from __future__ import annotations

import re
from pathlib import Path

from docs.generate.markdown import NOTICE

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "one_version.py"
CELL = re.compile(r"^# %%(?P<kind> \[markdown\])?\n", re.MULTILINE)


def page(file: Path = NOTEBOOK) -> str:
    """Cells of text as they are, cells of code as blocks."""
    parts = CELL.split(file.read_text(encoding="utf-8"))[1:]
    cells = zip(parts[::2], parts[1::2], strict=True)
    return "\n".join([NOTICE, *(_text(body) if kind else _code(body) for kind, body in cells)])


def _text(body: str) -> str:
    return re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE) + "\n"


def _code(body: str) -> str:
    return f"```python\n{body.strip()}\n```\n"
