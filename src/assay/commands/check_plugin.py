"""`assay check-plugin`: check a plug-in against the contract of its kind, as assay's tests do for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.markup import escape

from assay import contracts, plugins
from assay.contracts import Check
from assay.errors import PluginError
from assay.layout import Layout
from assay.params import Params, load_params, parse_params
from assay.progress import silent

DEMO = {
    "images": 150,
    "exact_duplicates": 4,
    "near_duplicates": 4,
    "blurred": 3,
    "blank": 2,
    "wrong_labels": 0.05,
}
"""Options of the demo images that a check is tried on: some of each defect."""


def run(file: Path) -> dict[str, Any]:
    """Each rule of the contract, with what is wrong if the plug-in breaks it.

    PluginError if the file is not in `plugins/<kind>/` of a project, or cannot be imported.
    """
    kind, root = kind_of(file)
    plugin = plugins.load(kind, file.stem, root)
    with _on_what_there_is(kind, file.stem, root) as more:
        found = [
            {
                "check": (check.__doc__ or check.__name__).split("\n")[0],
                "wrong": contracts.outcome(check, plugin),
            }
            for check in (*contracts.of_kind(kind), *more)
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


@contextmanager
def _on_what_there_is(kind: str, name: str, root: Path) -> Iterator[list[Check]]:
    """Checks of a kind that need more than the plug-in: sources, params, or a snapshot."""
    params = load_params(root / "params.yaml") if (root / "params.yaml").exists() else None
    match kind:
        case "formats":
            yield _on_sources(name, params, root)
        case "annotators":
            yield _on_a_project(name, params, root)
        case "checks":
            with TemporaryDirectory(prefix="assay-") as folder:
                yield _on_a_context(Layout(Path(folder)))
        case _:
            yield []


def _on_sources(name: str, params: Params | None, root: Path) -> list[Check]:
    """For a format, the checks that read its sources in params.yaml."""
    from assay.contracts.formats import ON_A_SOURCE

    sources = [source for source in params.ingest.sources if source.format == name] if params else []
    return [
        _about(f"{source.name}: ", check, source=source, root=root)
        for source in sources
        for check in ON_A_SOURCE
    ]


def _on_a_project(name: str, params: Params | None, root: Path) -> list[Check]:
    """For an annotator, with its options in params.yaml if it is chosen there, else with its defaults."""
    from assay.annotators import AnnotatorContext
    from assay.contracts.annotators import ON_A_PROJECT

    if params is None or params.select.annotator != name:
        params = _params()
    return [_about("", check, context=AnnotatorContext(Layout(root), params)) for check in ON_A_PROJECT]


def _on_a_context(layout: Layout) -> list[Check]:
    """For a check, on a small project that is made here: ingested, embedded, folded."""
    from assay import checks, gates
    from assay.contracts.checks import ON_A_CONTEXT
    from assay.data.files import fresh_dir
    from assay.stages import embed, ingest

    params = _params()
    ingest.run(params, layout, silent)
    embed.run(params, layout, silent)
    with fresh_dir(layout.snapshot) as folder:
        gates.fold_version(params, layout).snapshot.write(folder)
    context = checks.open_context(params, layout)
    return [_about("", check, context=context) for check in ON_A_CONTEXT]


def _params() -> Params:
    source = {"name": "demo", "format": "demo", "options": DEMO}
    return parse_params({"ingest": {"sources": [source]}})


def _about(prefix: str, check: Callable[..., None], **more: Any) -> Check:
    bound = partial(check, **more)
    bound.__doc__ = f"{prefix}{check.__doc__}"
    return bound


def render(result: dict[str, Any], console: Console) -> None:
    for one in result["checks"]:
        mark = "[green]✓[/]" if one["wrong"] is None else "[red]✗[/]"
        console.print(f"{mark} {escape(one['check'])}", highlight=False)
        if one["wrong"]:
            console.print(f"  [red]{escape(one['wrong'])}[/]", highlight=False, soft_wrap=True)
    verb = "keeps" if result["kept"] else "breaks"
    console.print(f"{escape(result['file'])} {verb} the contract of {result['kind']}", highlight=False)
