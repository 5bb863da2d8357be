"""Python interface: the pool, and the snapshot and selection of any revision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from assay.data.files import read_json, read_table
from assay.data.pool import Pool
from assay.data.snapshot import Snapshot
from assay.errors import NotKept
from assay.layout import Layout


@dataclass(frozen=True)
class Selection:
    """Training set (id, split, label, annotations), and queue of the images to label next, best first."""

    train: pa.Table
    queue: pa.Table
    digest: str


def pool(root: str | Path = ".") -> Pool:
    """The pool of the project in `root`. MissingInput if nothing was ingested or pulled."""
    return Pool.open(Layout(Path(root)).pool)


def snapshot(rev: str | None = None, root: str | Path = ".") -> Snapshot:
    """The snapshot of a git revision, or of the workspace. If DVC no longer has it, it is computed again.

    UnknownRevision; NotKept if the images of its pool are missing too.
    """
    return Snapshot.load(_folder(Layout(Path(root)).snapshot, rev, Path(root)))


def selection(rev: str | None = None, root: str | Path = ".") -> Selection:
    """The selection of a git revision, or of the workspace."""
    folder = _folder(Layout(Path(root)).selection, rev, Path(root))
    return Selection(
        train=read_table(folder / "train.parquet", made_by="select"),
        queue=read_table(folder / "queue.parquet", made_by="select"),
        digest=str(read_json(folder / "selection.json", "select")["digest"]),
    )


def _folder(path: Path, rev: str | None, root: Path) -> Path:
    if rev is None:
        return path
    from assay.lineage.revisions import checkout_dir

    name = path.relative_to(root).as_posix()
    try:
        return checkout_dir(rev, name, root)
    except NotKept:
        from assay.experiments.sides import revision_side

        return revision_side(rev, root.resolve()).path(name)
