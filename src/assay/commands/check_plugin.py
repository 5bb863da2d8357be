"""`assay check-plugin`: check a plug-in against the contract of its kind, as assay's tests do for its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.markup import escape

from assay import contracts, plugins
from assay.contracts import Check
from assay.errors import PluginError
from assay.params import Source, load_params


def run(file: Path) -> dict[str, Any]:
    """Each rule of the contract, with what is wrong if the plug-in breaks it.

    PluginError if the file is not in `plugins/<kind>/` of a project, or cannot be imported.
    """
    kind, root = kind_of(file)
    plugin = plugins.load(kind, file.stem, root)
    found = [
        {"check": (check.__doc__ or check.__name__).split("\n")[0], "wrong": contracts.outcome(check, plugin)}
        for check in (*contracts.checks(kind), *_on_sources(kind, plugin, file.stem, root))
    ]
    return {
        "file": str(file),
        "kind": kind,
        "checks": found,
        "kept": all(one["wrong"] is None for one in found),
    }


def kind_of(file: Path) -> tuple[str, Path]:
    """(kind, root of the project), by where a file is."""
    place = file.absolute()
    kind, folder = place.parent.name, place.parent.parent
    if not place.is_file() or place.suffix != ".py":
        raise PluginError(f"{file} is not a Python file", hint=f"{plugins.OWN}/<kind>/<name>.py")
    if folder.name != plugins.OWN or kind not in plugins.OWN_KINDS:
        raise PluginError(
            f"{file} is not in a folder of plug-ins",
            hint=f"valid: {', '.join(f'{plugins.OWN}/{one}/' for one in plugins.OWN_KINDS)}",
        )
    return kind, folder.parent


def _on_sources(kind: str, plugin: ModuleType, name: str, root: Path) -> list[Check]:
    """For a format, also the checks that read its sources in params.yaml."""
    if kind != "formats" or not (root / "params.yaml").exists():
        return []
    from assay.contracts.formats import ON_A_SOURCE

    sources = [source for source in load_params(root / "params.yaml").ingest.sources if source.format == name]
    return [_about(check, source, root) for source in sources for check in ON_A_SOURCE]


def _about(check: Any, source: Source, root: Path) -> Check:
    bound = partial(check, source=source, root=root)
    bound.__doc__ = f"{source.name}: {check.__doc__}"
    return bound


def render(result: dict[str, Any], console: Console) -> None:
    for one in result["checks"]:
        mark = "[green]✓[/]" if one["wrong"] is None else "[red]✗[/]"
        console.print(f"{mark} {escape(one['check'])}", highlight=False)
        if one["wrong"]:
            console.print(f"  [red]{escape(one['wrong'])}[/]", highlight=False, soft_wrap=True)
    verb = "keeps" if result["kept"] else "breaks"
    console.print(f"{escape(result['file'])} {verb} the contract of {result['kind']}", highlight=False)
