"""Digests of values and of code, as keys of caches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assay.lineage.closure import deciding
from assay.plugins import RUNNING, Sources


def code_of(*modules: str) -> str:
    """Digest of the import closures of modules of assay."""
    return code_digest(file for module in modules for file in deciding(module))


def code_digest(files: Iterable[Path], sources: Sources = RUNNING) -> str:
    """Digest of the names (`Sources.name`) and contents of files."""
    return canonical_digest(hashes(files, sources))


def hashes(files: Iterable[Path], sources: Sources) -> dict[str, str]:
    """{name: SHA-256 (hex)} of files."""
    return {sources.name(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def canonical_digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of a value: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
