"""assay's Prefect flows, for the thin files that `assay init` writes to a project's own `flows/`.

Prefect is imported by the flows themselves.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from assay.plugins import PACKAGE

SHIPPED = PACKAGE / "project"
"""In an installed package: the files that a project begins with."""
ORIGIN = SHIPPED if SHIPPED.is_dir() else PACKAGE.parents[1]
"""Where they are; of a clone its root, as a clone is such a project."""


def load(name: str) -> ModuleType:
    """The module of a flow (`pipeline`, `iterate`, …), which finds the others beside it.

    Prefect gives a project's thin file the name of the flow while it runs it: that one makes room for assay's.
    """
    folder = str(ORIGIN / "flows")
    sys.path.insert(0, folder)
    taken = sys.modules.get(name)
    if taken is not None and not str(taken.__file__).startswith(folder):
        del sys.modules[name]
    return import_module(name)
