"""Where everything lives, relative to the root of a project."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def locate(root: Path, path: str) -> Path:
    """A path that params or options name: relative to the root, `~` is the home folder, `$NAME` is left as it is."""
    return root / os.path.expanduser(path)  # noqa: PTH111  # Path.expanduser raises where there is no such user


def is_there(place: Path) -> bool:
    """Whether anything is at a path; what may not be asked about is away, as a share that is not mounted."""
    return os.path.exists(place)  # noqa: PTH110  # Path.exists raises where a folder above may not be entered


def shown(root: Path, file: Path) -> str:
    """A file as a person in the root names it: in full only if it is elsewhere."""
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
        """The code that each stage runs, as text: see assay.lineage.manifests."""
        return self.root / "data" / "code"

    @property
    def edits(self) -> Path:
        return self.root / "data" / "edits"

    @property
    def ledger(self) -> Path:
        """What was sent to annotators, and which answers could not be taken: text, in git, as the edits are."""
        return self.root / "data" / "ledger"

    @property
    def embeddings(self) -> Path:
        return self.root / "data" / "embeddings"

    @property
    def embedder(self) -> Path:
        """Who made the embeddings: beside them, as nothing that follows from the vectors follows from this."""
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
        """Machine-local state that can be lost at any time: caches, checkpoints, file fingerprints."""
        return self.root / ".assay"
