"""Fast check, by stat only, whether any ingest source changed since the last run (notes of `assay.intake.watch`).

Imports a small part of the standard library only: it runs at every `dvc repro`.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from assay.intake import watch

PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  # pathlib takes as long as a look
PLUGINS = "plugins"
CODE = "data/code"
"""Manifests of the code of the stages: see `assay.lineage.manifests`."""
PARAMS = "params.yaml"
WATCHED = ".assay/ingest/watched"
"""Result of the last run, valid for its key: a digest of the validated params of ingest and of the code."""
KEY = ".assay/ingest/key"
"""`state` at the last full run of ingest, and its key."""


def nothing_new(root: str) -> dict[str, Any] | None:
    """The result of `assay ingest` if nothing changed; None if the sources must be listed."""
    try:
        with open(os.path.join(root, KEY), encoding="ascii") as file:  # noqa: PTH118
            as_read, key = file.read().split()
        if as_read != state(root):
            return None
    except (OSError, ValueError):
        return None
    return recall(root, key)


def recall(root: str, key: str) -> dict[str, Any] | None:
    """The result of the last run, if no noted file changed since; else None."""
    summary = watch.recall(os.path.join(root, WATCHED), key)  # noqa: PTH118
    return None if summary is None else {**summary, "new": 0}


def state(root: str) -> str:
    """A digest of params.yaml, data/code and the stamps of all code files.

    OSError without params.yaml or data/code.
    """
    digest = hashlib.sha256(code_state(root).encode())
    folder = os.path.join(root, CODE)  # noqa: PTH118
    for path in (os.path.join(root, PARAMS), *sorted(entry.path for entry in os.scandir(folder))):  # noqa: PTH118
        with open(path, "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def code_state(root: str) -> str:
    """A digest of the stamps of all source files of assay and of the project's plug-ins."""
    own = os.path.join(root, "src", "assay")  # noqa: PTH118
    package = own if os.path.exists(os.path.join(own, "__init__.py")) else PACKAGE  # noqa: PTH110, PTH118
    tops = (package, os.path.join(root, PLUGINS))  # noqa: PTH118
    seen = [(path, *watch.stamp(found)) for top in tops for path, found in _sources(top)]
    return hashlib.sha256(repr(seen).encode("utf-8", "surrogateescape")).hexdigest()


def _sources(folder: str) -> list[tuple[str, os.stat_result]]:
    """(path, stat result) of the Python files below a folder, sorted."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    found = []
    for entry in entries:
        if entry.name.endswith(".py"):
            found.append((entry.path, entry.stat()))
        elif entry.name != "__pycache__" and watch.is_folder(entry):
            found += _sources(entry.path)
    return found


def books(summary: dict[str, Any]) -> list[str]:
    """Lines for the terminal: one for the pool, one for each source."""
    lines = [f"pool: {summary['samples']:,} images, {summary['new']:,} new"]
    for name, book in summary["sources"].items():
        why = ", ".join(f"{reason} {n:,}" for reason, n in sorted(book["reasons"].items()))
        lines.append(
            f"  {name}: {book['files']:,} files = {book['samples']:,} samples + {book['duplicates']:,} duplicates "
            f"+ {book['quarantined']:,} quarantined{f' ({why})' if why else ''}{_ignored(book)}"
        )
        lines += _objects(book)
        lines += [f"    check: {remark}" for remark in book.get("remarks", [])]
    return lines


def _objects(book: dict[str, Any]) -> list[str]:
    if not (n := book.get("objects")):
        return []
    return [
        f"    {n['read']:,} objects = {n['taken']:,} taken + {n['fixed']:,} fixed + {n['refused']:,} refused"
    ]


def _ignored(book: dict[str, Any]) -> str:
    return f" + {n:,} ignored" if (n := book.get("ignored", 0)) else ""
