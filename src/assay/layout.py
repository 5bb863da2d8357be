"""Paths of a project, relative to its root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def locate(root: Path, path: str) -> Path:
    """A path in params or options: relative to the root, with `~` expanded; `$NAME` is not expanded."""
    return root / os.path.expanduser(path)  # noqa: PTH111  # Path.expanduser raises where there is no such user


def is_there(place: Path) -> bool:
    """Whether a path exists; False if it is not accessible, as on a share that is not mounted."""
    return os.path.exists(place)  # noqa: PTH110  # Path.exists raises where a folder above may not be entered


def shown(root: Path, file: Path) -> str:
    """A path relative to the root; absolute if it is outside."""
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


@dataclass(frozen=True)
class Layout:
    """The paths of one workspace; `root` holds dvc.yaml and params.yaml."""

    root: Path = Path()

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def pool(self) -> Path:
        return self.root / "data" / "pool"

    @property
    def code(self) -> Path:
        """Manifests of the code of the stages: see `assay.lineage.manifests`."""
        return self.root / "data" / "code"

    @property
    def edits(self) -> Path:
        return self.root / "data" / "edits"

    @property
    def ledger(self) -> Path:
        """Images sent to annotators, and refused answers: text in git, like the edits."""
        return self.root / "data" / "ledger"

    @property
    def embeddings(self) -> Path:
        return self.root / "data" / "embeddings"

    @property
    def embedder(self) -> Path:
        """Record of the encoder; a separate file, as no stage that reads the embeddings depends on it."""
        return self.root / "data" / "embedder.json"

    @property
    def snapshot(self) -> Path:
        return self.root / "data" / "snapshot"

    @property
    def audit(self) -> Path:
        return self.root / "data" / "audit"

    @property
    def selection(self) -> Path:
        return self.root / "data" / "selection"

    @property
    def champion(self) -> Path:
        return self.root / "data" / "champion"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def scratch(self) -> Path:
        """Machine-local state that may be deleted at any time: caches, checkpoints, file stamps."""
        return self.root / ".assay"
