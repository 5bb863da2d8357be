"""reference/plugins.md: every built-in plug-in, its docstring and its options."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import get_type_hints

from assay import plugins
from docs.generate.markdown import NOTICE, code, prose, table
from docs.generate.params import kinds, rows

HEAD = f"""{NOTICE}
# Plug-ins

The plug-ins of assay, one file each. The name of the file is the name in params.yaml.
"""
KINDS = {
    "formats": "`ingest.sources[].format`, options in `ingest.sources[].options`",
    "encoders": "`embed.encoder`, options in `embed.options`",
    "gates": "always on: an issue stops `curate`",
    "checks": "`audit.checks`, limits in `audit.limits`",
    "strategies": "`select.strategy`, options in `select.options`",
    "annotators": "`select.annotator`, options in `select.annotator_options`",
    "models": "`train.model`, options in `train.options`",
    "tasks": "`task`",
}
"""Where params.yaml names a plug-in of each kind."""


def page() -> str:
    """The whole page, kind by kind in the order of the pipeline."""
    parts = [HEAD]
    for kind, chosen in KINDS.items():
        parts += [f"## {kind.capitalize()}\n\nChosen by: {chosen}.\n"]
        parts += [section(name, plugins.load(kind, name)) for name in plugins.names(kind)]
    return "\n".join(parts)


def section(name: str, module: ModuleType) -> str:
    options = getattr(module, "Options", None)
    listed = list(rows(options, "", {})) if options else strategy_options(module)
    head = ["option", "valid", "default", "meaning"]
    return f"### {name}\n\n{spaced(prose(module.__doc__))}\n" + (table(head, listed) if listed else "")


def strategy_options(module: ModuleType) -> list[list[str]]:
    """The keyword-only arguments of `select` that have a default."""
    if not (select := getattr(module, "select", None)):
        return []
    hints = get_type_hints(select, include_extras=True)
    return [
        [code(p.name), kinds(hints[p.name], []), code(p.default), ""]
        for p in inspect.signature(select).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY and p.default is not inspect.Parameter.empty
    ]


def spaced(text: str) -> str:
    """A docstring with an empty line before each list, without which Markdown makes one paragraph of it."""
    out: list[str] = []
    for line in text.splitlines():
        if line.startswith("- ") and out and out[-1] and not out[-1].startswith(("- ", "  ")):
            out.append("")
        out.append(line)
    return "\n".join(out) + "\n"
