"""reference/python.md: what `import assay` offers, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

import assay
from docs.generate.markdown import NOTICE, prose

HEAD = f"""{NOTICE}
# Python

`import assay` in a notebook or in training code of your own. Modules are imported on first use, so that the import
takes no time. Tables are pyarrow tables.
"""
WIDTH = 100
INHERITED = (BaseModel, Exception)
"""Classes whose own methods are documented elsewhere."""


def page() -> str:
    """The whole page: functions first, then classes."""
    named = [(name, getattr(assay, name)) for name in assay.__all__ if not name.startswith("_")]
    functions = [section(name, value) for name, value in named if inspect.isfunction(value)]
    classes = [section(name, value) for name, value in named if inspect.isclass(value)]
    return "\n".join([HEAD, "## Functions\n", *functions, "## Classes\n", *classes])


def section(name: str, value: Any) -> str:
    parts = [f"### {name}\n", f"```python\n{signature(f'assay.{name}', value)}\n```\n", prose(value.__doc__)]
    if inspect.isclass(value):
        parts += [f"- `{signed}`: {doc}" for signed, doc in members(value)]
    return "\n".join([*parts, ""])


def signature(name: str, value: Any) -> str:
    """`name(arguments) -> result`, as the code declares it; one argument a line if it is long."""
    declared = inspect.signature(value)
    arguments = [_unquoted(p) for p in declared.parameters.values() if p.name not in ("self", "cls")]
    result = "" if not inspect.isroutine(value) else f" -> {declared.return_annotation}"
    line = f"{name}({', '.join(arguments)}){result}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){result}"


def _unquoted(parameter: inspect.Parameter) -> str:
    """A parameter; its annotation is a string in modules that postpone them, and shown without quotes."""
    return re.sub(r": '([^']*)'", r": \1", str(parameter))


def members(kind: type) -> Iterator[tuple[str, str]]:
    """(signature, docstring) of the public methods and properties of a class that say what they do."""
    for name, value in vars(kind).items():
        raw = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        doc = getattr(raw, "__doc__", None)
        if name.startswith("_") or not doc or (issubclass(kind, INHERITED) and not inspect.isfunction(raw)):
            continue
        if inspect.isfunction(raw):
            yield signature(name, raw), " ".join(doc.split())
        elif isinstance(value, property) or hasattr(value, "func"):
            yield name, " ".join(doc.split())
