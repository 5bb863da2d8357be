"""Whether anything is new at the door, by the notes of the last look: see assay.intake.watch.

Little of the standard library is imported, and nothing else: `dvc repro` waits for this each time.
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
    """What `assay ingest` would come to in a project's root, if nothing is new; None if that has to be found out."""
    try:
        with open(os.path.join(root, KEY), encoding="ascii") as file:  # noqa: PTH118
            as_read, key = file.read().split()
        if as_read != state(root):
            return None
    except (OSError, ValueError):
        return None
    return recall(root, key)


def recall(root: str, key: str) -> dict[str, Any] | None:
    """What the last look came to, if nothing has moved since."""
    summary = watch.recall(os.path.join(root, WATCHED), key)  # noqa: PTH118
    return None if summary is None else {**summary, "new": 0}


def state(root: str) -> str:
    """Changes with the bytes of params.yaml and of data/code, and with any file of code.

    OSError without a params.yaml or a data/code.
    """
    digest = hashlib.sha256(code_state(root).encode())
    folder = os.path.join(root, CODE)  # noqa: PTH118
    for path in (os.path.join(root, PARAMS), *sorted(entry.path for entry in os.scandir(folder))):  # noqa: PTH118
        with open(path, "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def code_state(root: str) -> str:
    """Changes with the stamp of any source file that a project runs: assay's, and its own plug-ins'."""
    own = os.path.join(root, "src", "assay")  # noqa: PTH118
    package = own if os.path.exists(os.path.join(own, "__init__.py")) else PACKAGE  # noqa: PTH110, PTH118
    tops = (package, os.path.join(root, PLUGINS))  # noqa: PTH118
    seen = [(path, *watch.stamp(found)) for top in tops for path, found in _sources(top)]
    return hashlib.sha256(repr(seen).encode("utf-8", "surrogateescape")).hexdigest()


def _sources(folder: str) -> list[tuple[str, os.stat_result]]:
    """The Python files in a folder and below it, sorted, with what the system says of each."""
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
    """What a person reads: a line for the pool and one for each source."""
    lines = [f"pool: {summary['samples']:,} images, {summary['new']:,} new"]
    for name, book in summary["sources"].items():
        why = ", ".join(f"{reason} {n:,}" for reason, n in sorted(book["reasons"].items()))
        lines.append(
            f"  {name}: {book['files']:,} files = {book['samples']:,} samples + {book['duplicates']:,} duplicates "
            f"+ {book['quarantined']:,} quarantined{f' ({why})' if why else ''}{_ignored(book)}"
        )
        lines += _objects(book)
        lines += [f"    look: {remark}" for remark in book.get("remarks", [])]
    return lines


def _objects(book: dict[str, Any]) -> list[str]:
    if not (n := book.get("objects")):
        return []
    return [
        f"    {n['read']:,} objects = {n['taken']:,} taken + {n['fixed']:,} fixed + {n['refused']:,} refused"
    ]


def _ignored(book: dict[str, Any]) -> str:
    return f" + {n:,} ignored" if (n := book.get("ignored", 0)) else ""
