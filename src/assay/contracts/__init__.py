"""What a plug-in of a kind has to keep: for the tests of assay's own, and for `assay check-plugin FILE`.

A check is a function of a plug-in's module. Its docstring is a sentence of the contract; it raises, saying what is
wrong, where the plug-in breaks it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from assay.errors import AssayError, PluginError
from assay.plugins import at_fault

Check = Callable[[ModuleType], None]
KINDS = ("annotators", "checks", "encoders", "formats", "models", "strategies", "tasks")
"""Kinds whose contract is written down here: each is a module of this package with CHECKS."""


class Broken(AssayError):
    """A plug-in does not keep its contract."""


def of_kind(kind: str) -> tuple[Check, ...]:
    """The checks of a kind. PluginError if its contract is not written down."""
    if kind not in KINDS:
        raise PluginError(
            f"there is no written contract for {kind}",
            hint=f"{', '.join(KINDS)} have one; of {kind} the docstring of assay.{kind} says what is asked",
        )
    found: tuple[Check, ...] = import_module(f"assay.contracts.{kind}").CHECKS
    return found


def require(holds: object, otherwise: str) -> None:
    """Broken, with `otherwise` as its words, unless something holds."""
    if not holds:
        raise Broken(otherwise)


def outcome(check: Check, plugin: ModuleType) -> str | None:
    """What is wrong, as a sentence; None if nothing is. Whatever the plug-in raises is something wrong."""
    try:
        check(plugin)
    except Exception as error:
        return (
            str(error)
            if isinstance(error, Broken)
            else str(at_fault(error) or f"{type(error).__name__}: {error}")
        )
    return None
