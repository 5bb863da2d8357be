"""The file name is the registration: `strategies/kcenter.py` is the strategy `kcenter`.

Plug-ins of a project are in `plugins/`: `plugins/strategies/mine.py` is the strategy `mine`, imported as
`assay.strategies.mine`. A name that assay has already is refused: no plug-in replaces another.
"""

from __future__ import annotations

import ast
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

from assay.errors import PluginError, PluginFailed

PACKAGE = Path(__file__).parent
OWN = "plugins"
"""Folder of a project with its own plug-ins."""
KINDS = ("annotators", "checks", "encoders", "formats", "gates", "models", "strategies", "tasks")
OWN_KINDS = (*(kind for kind in KINDS if kind != "gates"), "metrics")
"""Kinds that a project may add to; `metrics` belong to tasks. Gates, which decide whether a snapshot may be trained on,
are assay's only."""

PARSING = Lock()
PLACE = re.compile(
    rf'File "([^"\n]*[/\\]{OWN}[/\\](?:{"|".join(OWN_KINDS)})[/\\][^"\n/\\]+\.py)", line (\d+)(?:, in (\S+))?'
)
"""A line of a traceback in a project's own plug-in."""


@dataclass(frozen=True)
class Sources:
    """The code of one version: the package of assay, and the plug-ins of a project (the folder may be missing)."""

    package: Path = PACKAGE
    own: Path = Path(OWN)

    @property
    def folders(self) -> tuple[Path, Path]:
        """Folders searched for plug-ins, in order."""
        return self.package, self.own

    def names(self, kind: str) -> list[str]:
        """Sorted names of the plug-ins of one kind, from the folders, without an import."""
        return sorted({file.stem for file in self._files(kind)})

    def twice(self, kind: str) -> list[str]:
        """Names of one kind in both the project and the package."""
        theirs = {file.stem for file in (self.package / kind).glob("*.py") if not file.stem.startswith("_")}
        return sorted(theirs & {file.stem for file in (self.own / kind).glob("*.py")})

    def name(self, file: Path) -> str:
        """Name of a file in digests and reports: `training/fit.py`, `plugins/models/mine.py`."""
        if file.is_relative_to(self.package):
            return file.relative_to(self.package).as_posix()
        return f"{OWN}/{file.relative_to(self.own).as_posix()}"

    def file(self, name: str) -> Path:
        """Path of a file by its name, whether or not it exists."""
        return self.own / name.removeprefix(f"{OWN}/") if name.startswith(f"{OWN}/") else self.package / name

    def shown(self, name: str, root: Path) -> str:
        """Path of a file relative to the root of the project; for an installed or unpacked assay `assay/…`."""
        file = self.file(name)
        in_project = file.is_relative_to(root) and not file.is_relative_to(root / ".assay")
        return file.relative_to(root).as_posix() if in_project else f"assay/{name}"

    def home(self, file: Path) -> tuple[str, ...]:
        """Package of a module, e.g. ("assay", "data") of assay/data/pool.py and of assay/data/__init__.py."""
        top = self.package if file.is_relative_to(self.package) else self.own
        return (self.package.name, *file.relative_to(top).parts[:-1])

    def _files(self, kind: str) -> Iterator[Path]:
        for folder in self.folders if kind in OWN_KINDS else self.folders[:1]:
            yield from (file for file in (folder / kind).glob("*.py") if not file.stem.startswith("_"))


RUNNING = Sources()
"""The code of this process, run in the root of a project."""


def of_project(root: Path) -> Sources:
    """The code of a version of a project: its own sources of assay if it contains them, else the installed ones."""
    package = root / "src" / "assay"
    return Sources(package if (package / "__init__.py").is_file() else PACKAGE, root / OWN)


def names(kind: str, root: Path = Path()) -> list[str]:
    """Sorted names of the plug-ins of one kind, including those of the project in `root`, without an import."""
    return Sources(own=root / OWN).names(kind)


def check_name(kind: str, name: str, root: Path = Path()) -> str:
    """`name`, if exactly one plug-in of that kind has it; else PluginError with the valid names."""
    sources = Sources(own=root / OWN)
    if name not in (valid := sources.names(kind)):
        where = f"{OWN}/{kind}/<name>.py" if kind in OWN_KINDS else f"src/assay/{kind}/<name>.py"
        raise PluginError(
            f"{name!r} is not among the {kind}",
            hint=f"valid: {', '.join(valid)}. A new one is one file: {where}",
        )
    if name in sources.twice(kind):
        raise PluginError(
            f"{OWN}/{kind}/{name}.py has the name of one of assay's {kind}",
            hint="rename the file",
        )
    return name


def declared(kind: str, name: str, constant: str, sources: Sources = RUNNING) -> Any:
    """The literal `constant` in the file of a plug-in, without an import. None if absent, or if there is no such file.

    None also for a file with a syntax error: the import names the line.
    """
    files = (folder / kind / f"{name}.py" for folder in sources.folders)
    file = next((file for file in files if file.is_file()), None)
    try:
        return None if file is None else literals(parsed(file.read_text(encoding="utf-8"))).get(constant)
    except (SyntaxError, ValueError):
        return None


def parsed(text: str, name: str = "<unknown>") -> ast.Module:
    """The syntax tree. One thread at a time: parallel parsing sometimes raises SystemError (CPython 3.11)."""
    with PARSING:
        return ast.parse(text, name)


def literals(tree: ast.Module) -> dict[str, Any]:
    """{name: value} of the literals at the top level of a module, annotated or not."""
    found: dict[str, Any] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if names and isinstance(value := getattr(node, "value", None), ast.Constant | ast.Tuple | ast.List):
            with suppress(ValueError):  # not all of its elements are literals
                found |= dict.fromkeys(names, ast.literal_eval(value))
    return found


def serving(task: str, root: Path = Path()) -> list[str]:
    """Sorted names of the models that can be built for a task."""
    return [name for name in names("models", root) if serves(name, task, root)]


def serves(model: str, task: str, root: Path = Path()) -> bool:
    """Whether a model can be built for a task: by TASKS of the model, or MODELS of the task. True without TASKS."""
    sources = Sources(own=root / OWN)
    tasks = declared("models", model, "TASKS", sources)
    return tasks is None or task in tasks or model in (declared("tasks", task, "MODELS", sources) or ())


def load(kind: str, name: str, root: Path = Path()) -> ModuleType:
    """The module of a plug-in. PluginError if the name is unknown, or the import fails."""
    check_name(kind, name, root)
    if not is_own(kind, name):
        return import_module(f"assay.{kind}.{name}")
    return _load_own(kind, name, root / OWN / kind)


def _load_own(kind: str, name: str, folder: Path) -> ModuleType:
    """Import a file of the project as a module of `assay.<kind>`, so that it can import from that package."""
    _make_importable(import_module(f"assay.{kind}"), folder.resolve())
    try:
        return import_module(f"assay.{kind}.{name}")
    except Exception as error:
        raise at_fault(error) or PluginError(f"{folder / name}.py cannot be imported: {error}") from error


def _make_importable(package: ModuleType, folder: Path) -> None:
    """Add a project's folder to the path of a package. Modules of another project's folder are unloaded."""
    ours, *theirs = package.__path__
    if theirs == [str(folder)]:
        return
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.startswith(f"{package.__name__}.") and file and str(Path(file).parent) in theirs:
            del sys.modules[name]
    package.__path__ = [ours, str(folder)]


def is_own(kind: str, name: str) -> bool:
    """Whether a plug-in is a project's own, not one of assay's."""
    return not (PACKAGE / kind / f"{name}.py").is_file()


def at_fault(error: BaseException) -> PluginFailed | None:
    """The error with file and line of the project's own plug-in that raised it; None if no own plug-in did.

    Parses the formatted traceback, because an exception from another process carries it as text only.
    """
    found = list(PLACE.finditer("".join(traceback.format_exception(error))))
    if not found:
        return None
    file, line, function = found[-1].groups()
    own = Path(file).relative_to(Path(file).parents[2]).as_posix()
    where = f"{own}:{line}" + (f", in {function}" if function and function != "<module>" else "")
    said = error.msg if isinstance(error, SyntaxError) else error
    return PluginFailed(
        f"{where}: {type(error).__name__}: {said}",
        hint=f"`assay check-plugin {own}` checks it alone; ASSAY_DEBUG=1 shows the traceback",
    )
