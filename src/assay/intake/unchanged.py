"""Whether anything is new at the door, by the notes of the last look: see assay.intake.watch.

Little of the standard library is imported, and nothing else: `dvc repro` waits for this each time.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from assay.intake import watch

PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  # pathlib takes as long as a look
CODE = ("data", "data/images", "formats", "intake", "params", "stages/ingest.py", "__main__.py", "plugins.py")
"""Another version of these may see more in the same files, or read params otherwise."""
PARAMS = "params.yaml"
WATCHED = ".assay/ingest/watched"
"""What the last look came to: as valid as its key, which is the checked params of ingest with the code."""
KEY = ".assay/ingest/key"
"""The bytes of params.yaml and of the code, as one hash, and the key that they came to when they were last read."""


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
    """Changes with the bytes of params.yaml and with the code. OSError without a params.yaml."""
    with open(os.path.join(root, PARAMS), "rb") as file:  # noqa: PTH118
        return code(file.read())


def code(salt: bytes) -> str:
    """A hash of some bytes and of all the code that has a part in ingest."""
    digest = hashlib.sha256(salt)
    for name in CODE:
        for path in _sources(os.path.join(PACKAGE, name)):  # noqa: PTH118
            with open(path, "rb") as file:
                digest.update(file.read())
    return digest.hexdigest()


def _sources(path: str) -> list[str]:
    if path.endswith(".py"):
        return [path]
    return sorted(entry.path for entry in os.scandir(path) if entry.name.endswith(".py"))


def books(summary: dict[str, Any]) -> list[str]:
    """What a person reads: a line for the pool and one for each source."""
    lines = [f"pool: {summary['samples']:,} images, {summary['new']:,} new"]
    for name, book in summary["sources"].items():
        why = ", ".join(f"{reason} {n:,}" for reason, n in sorted(book["reasons"].items()))
        lines.append(
            f"  {name}: {book['files']:,} files = {book['samples']:,} samples + {book['duplicates']:,} duplicates "
            f"+ {book['quarantined']:,} quarantined{f' ({why})' if why else ''}{_ignored(book)}"
        )
        lines += [f"    look: {remark}" for remark in book.get("remarks", [])]
    return lines


def _ignored(book: dict[str, Any]) -> str:
    return f" + {n:,} ignored" if (n := book.get("ignored", 0)) else ""
