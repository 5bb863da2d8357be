"""Which files of assay a stage runs: its import closure, read off the source without importing anything.

Third-party packages are not followed: their versions are the environment's. Dynamic imports are seen when
they are written `plugins.load("kind", …)`: the plug-ins of that kind which params name belong to the closure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from functools import lru_cache
from pathlib import Path

from assay.params import Params
from assay.plugins import PACKAGE

ONLOOKERS = frozenset(
    f"assay.{name}"
    for name in (
        *("errors", "layout", "params", "plugins", "progress", "tracking"),
        *("lineage.closure", "lineage.digests"),
    )
)
"""Modules that watch a stage, talk about it or hand it its values, but decide nothing about what it writes: the
values of params are in the fingerprint, defaults included, and params.yaml spells all of them out."""

TYPES_ONLY = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
LOADS = ("load", "plugins.load")


def import_closure(module: str, package: Path = PACKAGE) -> list[Path]:
    """Files of `package` that importing `module` runs (also later, inside functions), sorted.

    KeyError if there is no such module.
    """
    return _close(_start(module, package), None, frozenset(), package)


def deciding(module: str, package: Path = PACKAGE) -> list[Path]:
    """The files of `import_closure` whose change may change what the module computes: no onlookers."""
    return _close(_start(module, package), None, _without(ONLOOKERS, package), package)


def stage_closure(stage: str, params: Params, package: Path = PACKAGE) -> list[Path]:
    """The code whose change may change what a stage writes: imports, the plug-ins of params, no onlookers."""
    aside = ONLOOKERS - ({"assay.tracking"} if stage == "track" else set())
    return _close(
        _start(f"{package.name}.stages.{stage}", package), params, _without(aside, package), package
    )


def model_input(model: str, package: Path = PACKAGE) -> str | None:
    """The constant INPUT of a model's file ("pixels", "embeddings"), without importing it; None if absent."""
    tree = ast.parse((package / "models" / f"{model}.py").read_text(encoding="utf-8"))
    return _constants(tree).get("INPUT")


def _without(modules: Set[str], package: Path) -> frozenset[Path]:
    return frozenset(package.joinpath(*module.split(".")[1:]) for module in modules)


def _close(start: list[Path], params: Params | None, without: Set[Path], package: Path) -> list[Path]:
    seen: set[Path] = set()
    todo = list(start)
    while todo:
        file = todo.pop()
        if file not in seen and without.isdisjoint([file.with_suffix(""), *file.parents]):
            seen.add(file)
            todo += _next(file, params, package)
    return sorted(seen)


def _next(file: Path, params: Params | None, package: Path) -> Iterator[Path]:
    imports, loads = _read(file, file.stat().st_mtime_ns, package)
    for name in imports:
        yield from _resolve(name, package)
    if params:
        for kind, literal in loads:
            for name in [literal] if literal else _named(kind, params, package):
                yield from _resolve(f"{package.name}.{kind}.{name}", package)


def _resolve(name: str, package: Path) -> Iterator[Path]:
    """The file of a module and the `__init__.py` of the folders on the way.

    `assay/__init__.py` is the façade for notebooks: it counts only where a name is imported from it.
    """
    parts = name.split(".")[1:]
    for depth in range(1, len(parts) + 1):
        if found := _find(package.joinpath(*parts[:depth])):
            yield found
    if not parts or (len(parts) == 1 and not _find(package / parts[0])):
        yield package / "__init__.py"


def _find(path: Path) -> Path | None:
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _start(module: str, package: Path) -> list[Path]:
    path = package.joinpath(*module.split(".")[1:])
    if not _find(path):
        raise KeyError(f"{module}: no {path.with_suffix('.py')}")
    return list(_resolve(module, package))


def _named(kind: str, params: Params, package: Path) -> list[str]:
    """The plug-ins of one kind that params choose."""
    every = {kind: [file.stem for file in (package / kind).glob("[!_]*.py")] for kind in ("checks", "gates")}
    chosen: dict[str, list[str | None]] = {
        "annotators": [params.select.annotator],
        "checks": [*(params.audit.checks or every["checks"])],
        "encoders": [params.embed.encoder],
        "gates": [*every["gates"]],
        "formats": [source.format for source in params.ingest.sources],
        "models": [params.train.model],
        "strategies": [params.select.strategy],
        "tasks": [params.task],
    }
    return sorted({name for name in chosen.get(kind, []) if name})


@lru_cache(maxsize=1024)
def _read(
    file: Path, mtime_ns: int, package: Path
) -> tuple[frozenset[str], frozenset[tuple[str, str | None]]]:
    """(modules of the package that a file imports, (kind, literal name or None) of its plug-in loads)."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    inside = file.relative_to(package.parent).with_suffix("").parts
    home = inside[:-1]  # of x/__init__.py as of x/y.py: the folder
    constants = _constants(tree)
    imports: set[str] = set()
    loads: set[tuple[str, str | None]] = set()
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports |= set(_from(node, home))
        elif isinstance(node, ast.Call) and (load := _load(node, constants)):
            loads.add(load)
    prefix = f"{package.name}."
    ours = {name for name in imports if name == package.name or name.startswith(prefix)}
    return frozenset(ours), frozenset(loads)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but the bodies of `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _dotted(child.test) in TYPES_ONLY:
            for other in child.orelse:
                yield from _walk(other)
        else:
            yield from _walk(child)


def _from(node: ast.ImportFrom, home: tuple[str, ...]) -> Iterator[str]:
    """`from a.b import c` may mean the module a.b.c or something inside a.b: both are named."""
    base = list(home[: len(home) + 1 - node.level]) if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        yield f"{module}.{alias.name}"


def _load(call: ast.Call, constants: dict[str, str]) -> tuple[str, str | None] | None:
    """`load("kind", name)` or `plugins.load("kind", name)`; the name is known if it is a constant."""
    if _dotted(call.func) not in LOADS or len(call.args) != 2:
        return None
    kind, name = call.args
    if not isinstance(kind, ast.Constant):
        return None
    literal = name.value if isinstance(name, ast.Constant) else constants.get(getattr(name, "id", ""))
    return str(kind.value), None if literal is None else str(literal)


def _dotted(node: ast.expr) -> str:
    """`a` or `a.b` as written; empty for anything else (ast.unparse says the same, ten times slower)."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _constants(tree: ast.Module) -> dict[str, str]:
    """The texts that a module gives a name to at its top level."""
    found: dict[str, str] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found |= {target.id: value.value for target in targets if isinstance(target, ast.Name)}
    return found
