"""Contracts of plug-ins, as checks: run by the tests on assay's own plug-ins, and by `assay check-plugin FILE`.

A check is a function of the plug-in's module. Its docstring is a sentence of the contract. It raises Broken with the
defect if the plug-in violates the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from assay.errors import AssayError, PluginError
from assay.plugins import at_fault

Check = Callable[[ModuleType], None]
KINDS = ("annotators", "checks", "encoders", "formats", "models", "strategies", "tasks")
"""Kinds with a contract: each is a module of this package with CHECKS."""


class Broken(AssayError):
    """A plug-in violates its contract."""


def of_kind(kind: str) -> tuple[Check, ...]:
    """The checks of a kind. PluginError if it has none."""
    if kind not in KINDS:
        raise PluginError(
            f"there are no checks for {kind}",
            hint=f"{', '.join(KINDS)} have checks; the contract of {kind} is in the docstring of assay.{kind}",
        )
    found: tuple[Check, ...] = import_module(f"assay.contracts.{kind}").CHECKS
    return found


def require(holds: object, otherwise: str) -> None:
    """Raise Broken with the message `otherwise` unless `holds`."""
    if not holds:
        raise Broken(otherwise)


def outcome(check: Check, plugin: ModuleType) -> str | None:
    """The defect found by a check, as a sentence; None if there is none. Any exception of the plug-in is a defect."""
    try:
        check(plugin)
    except Exception as error:
        return (
            str(error)
            if isinstance(error, Broken)
            else str(at_fault(error) or f"{type(error).__name__}: {error}")
        )
    return None
