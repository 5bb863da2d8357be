"""The file name is the registration: `strategies/kcenter.py` is the strategy `kcenter`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from assay.errors import PluginError

PACKAGE = Path(__file__).parent
KINDS = ("annotators", "checks", "encoders", "formats", "gates", "models", "strategies", "tasks")


def names(kind: str) -> list[str]:
    """The plug-ins of one kind, sorted; read off the folder, imports none of them."""
    return sorted(f.stem for f in (PACKAGE / kind).glob("*.py") if not f.stem.startswith("_"))


def check_name(kind: str, name: str) -> str:
    """`name`, if a file of that kind answers to it; PluginError with the valid names otherwise."""
    if name not in (valid := names(kind)):
        raise PluginError(
            f"{name!r} is not among the {kind}",
            hint=f"valid: {', '.join(valid)}. A new one is one file: src/assay/{kind}/<name>.py",
        )
    return name


def load(kind: str, name: str) -> ModuleType:
    """The module of a plug-in. PluginError if there is none of that name."""
    return import_module(f"assay.{kind}.{check_name(kind, name)}")
