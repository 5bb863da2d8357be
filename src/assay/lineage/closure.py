"""The files of assay that a stage runs: its import closure, by static analysis of the source.

Third-party packages are not followed: they belong to the environment. Dynamic imports are recognised in the form
`plugins.load("kind", …)`: the plug-ins of that kind that the params name belong to the closure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from pathlib import Path
from typing import Any

from assay.params import Params
from assay.plugins import RUNNING, Sources, declared, literals, parsed

ONLOOKERS = frozenset(
    f"assay.{name}"
    for name in (
        *("errors", "layout", "params", "plugins", "progress", "tracking"),
        *("lineage.closure", "lineage.digests", "lineage.manifests"),
    )
)
"""Modules that observe a stage, report on it or pass it values, without influence on its output: the values of params
are in the fingerprint, defaults included, and params.yaml has all of them."""

TYPES_ONLY = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
LOADS = ("load", "plugins.load")


def import_closure(module: str, sources: Sources = RUNNING) -> list[Path]:
    """Sorted files of assay that `module` imports, directly or indirectly, at import time or inside functions.

    KeyError if there is no such module.
    """
    return _close(_start(module, sources), None, frozenset(), sources)


def deciding(module: str, sources: Sources = RUNNING) -> list[Path]:
    """The files of `import_closure` that can change what the module computes: without onlookers."""
    return _close(_start(module, sources), None, _without(ONLOOKERS, sources), sources)


def stage_closure(stage: str, params: Params, sources: Sources = RUNNING) -> list[Path]:
    """The files that can change the output of a stage: imports and the plug-ins that the params name, no onlookers."""
    aside = ONLOOKERS - ({"assay.tracking"} if stage == "track" else set())
    start = _start(f"{sources.package.name}.stages.{stage}", sources)
    return _close(start, params, _without(aside, sources), sources)


def model_input(model: str, sources: Sources = RUNNING) -> str | None:
    """The constant INPUT of a model's file ("pixels", "embeddings"), without an import; None if absent."""
    found: str | None = declared("models", model, "INPUT", sources)
    return found


def _without(modules: Set[str], sources: Sources) -> frozenset[Path]:
    return frozenset(sources.package.joinpath(*module.split(".")[1:]) for module in modules)


def _close(start: list[Path], params: Params | None, without: Set[Path], sources: Sources) -> list[Path]:
    seen: set[Path] = set()
    todo = list(start)
    while todo:
        file = todo.pop()
        if file not in seen and without.isdisjoint([file.with_suffix(""), *file.parents]):
            seen.add(file)
            todo += _next(file, params, sources)
    return sorted(seen)


def _next(file: Path, params: Params | None, sources: Sources) -> Iterator[Path]:
    imports, loads = _read(file, file.stat().st_mtime_ns, sources)
    for name in imports:
        yield from _resolve(name, sources)
    if params:
        for kind, literal in loads:
            for name in [literal] if literal else chosen(params, sources).get(kind, []):
                yield from _resolve(f"{sources.package.name}.{kind}.{name}", sources)


def _resolve(name: str, sources: Sources) -> Iterator[Path]:
    """The file of a module and the `__init__.py` of its parent packages.

    `assay/__init__.py`, the façade for notebooks, counts only if a name is imported from it.
    """
    parts = tuple(name.split(".")[1:])
    for depth in range(1, len(parts) + 1):
        if found := _find(parts[:depth], sources):
            yield found
    if not parts or (len(parts) == 1 and not _find(parts, sources)):
        yield sources.package / "__init__.py"


def _find(parts: tuple[str, ...], sources: Sources) -> Path | None:
    """The file of a module of assay: in the package, else in the project."""
    places = (folder.joinpath(*parts) for folder in sources.folders)
    candidates = (file for path in places for file in (path.with_suffix(".py"), path / "__init__.py"))
    return next((file for file in candidates if file.is_file()), None)


def _start(module: str, sources: Sources) -> list[Path]:
    parts = tuple(module.split(".")[1:])
    if not _find(parts, sources):
        raise KeyError(f"{module}: no {sources.package.joinpath(*parts).with_suffix('.py')}")
    return list(_resolve(module, sources))


def chosen(params: Params, sources: Sources) -> dict[str, list[str]]:
    """{kind: plug-ins that the params name}."""
    named: dict[str, list[str | None]] = {
        "annotators": [params.select.annotator],
        "checks": [*(params.audit.checks or sources.names("checks"))],
        "encoders": [params.embed.encoder],
        "gates": [*sources.names("gates")],
        "metrics": [params.task],
        "formats": [source.format for source in params.ingest.sources],
        "models": [params.train.model],
        "strategies": [params.select.strategy],
        "tasks": [params.task],
    }
    return {kind: sorted({name for name in found if name}) for kind, found in named.items()}


@lru_cache(maxsize=1024)
def _read(
    file: Path, mtime_ns: int, sources: Sources
) -> tuple[frozenset[str], frozenset[tuple[str, str | None]]]:
    """(modules of assay that a file imports, (kind, literal name or None) of each plug-in that it loads)."""
    tree = parsed(file.read_text(encoding="utf-8"), str(file))
    home = sources.home(file)
    constants = literals(tree)
    imports: set[str] = set()
    loads: set[tuple[str, str | None]] = set()
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports |= set(_from(node, home))
        elif isinstance(node, ast.Call) and (load := _load(node, constants)):
            loads.add(load)
    package = sources.package.name
    ours = {name for name in imports if name == package or name.startswith(f"{package}.")}
    return frozenset(ours), frozenset(loads)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node except the bodies of `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _dotted(child.test) in TYPES_ONLY:
            for other in child.orelse:
                yield from _walk(other)
        else:
            yield from _walk(child)


def _from(node: ast.ImportFrom, home: tuple[str, ...]) -> Iterator[str]:
    """Modules of `from a.b import c`: both a.b and a.b.c, as c may be a module."""
    base = list(home[: len(home) + 1 - node.level]) if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        yield f"{module}.{alias.name}"


def _load(call: ast.Call, constants: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """(kind, name) of `load("kind", name)` or `plugins.load("kind", name)`; name is None unless it is a constant."""
    if _dotted(call.func) not in LOADS or len(call.args) != 2:
        return None
    kind, name = call.args
    if not isinstance(kind, ast.Constant):
        return None
    literal = name.value if isinstance(name, ast.Constant) else constants.get(getattr(name, "id", ""))
    return str(kind.value), None if literal is None else str(literal)


def _dotted(node: ast.expr) -> str:
    """`a` or `a.b` as written; empty for other expressions. ast.unparse takes ten times as long."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
