"""assay's Prefect flows, for the thin files that `assay init` writes to a project's own `flows/`.

Prefect is imported by the flows themselves.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from assay.plugins import PACKAGE

SHIPPED = PACKAGE / "project"
"""Template files of a project in an installed package."""
ORIGIN = SHIPPED if SHIPPED.is_dir() else PACKAGE.parents[1]
"""Folder of the template files; in a clone of the repository its root, which is such a project."""


def load(name: str) -> ModuleType:
    """The module of a flow (`pipeline`, `iterate`, …), which imports the others in its folder.

    Prefect registers a project's thin file under the name of the flow while it runs; it is replaced by assay's module.
    """
    folder = str(ORIGIN / "flows")
    sys.path.insert(0, folder)
    taken = sys.modules.get(name)
    if taken is not None and not str(taken.__file__).startswith(folder):
        del sys.modules[name]
    return import_module(name)
