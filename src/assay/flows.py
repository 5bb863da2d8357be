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
    """The module of a flow (`pipeline`, `iterate`, …), which finds the others beside it."""
    folder = str(ORIGIN / "flows")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module(name)
