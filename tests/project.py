"""What tests run on: a small project that is filled image by image, and a repository of git and DVC."""

from __future__ import annotations

import atexit
import io
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from assay.data.annotations import Annotation
from assay.data.champion import Champion, sha256, write_champion
from assay.data.edits import Judgement, read_batches, write_batch
from assay.data.files import read_table
from assay.data.fold import Batches, fold
from assay.data.images.decode import inspect
from assay.data.pool import Pool, PoolWriter, content_id
from assay.data.snapshot import Snapshot
from assay.layout import Layout
from assay.lineage.revisions import run_dvc
from assay.params import Params, parse_params
from assay.progress import silent

AUTHOR = {"user.name": "Ada", "user.email": "ada@localhost", "commit.gpgsign": "false"}


NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}
TINY: dict[str, dict[str, Any]] = {
    "ingest": {"sources": [{"name": "s", "format": "csv", "path": "raw/images.csv"}]},
    "embed": {"options": {"size": 4}},
}
"""Params of a project, what is not said by a test."""


class Project:
    """Images that are added one by one, and stages that run on them; without git and DVC.

    Images come by the front door (`add`, then `ingest`), or straight into the pool (`put`), in a tenth of the time.
    """

    def __init__(self, root: Path, **defaults: dict[str, Any]) -> None:
        self.layout = Layout(root)
        self.defaults = TINY | defaults
        self.rows: list[dict[str, str]] = []
        self.names: dict[str, str] = {}

    def params(self, **sections: Any) -> Params:
        """Params with the keys of `sections` changed: `params(select={"budget": 5}, seed=1)`."""
        merged: dict[str, Any] = dict(self.defaults)
        for name, value in sections.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
        return parse_params(merged)

    def add(self, name: str, pixels: np.ndarray, kind: str = "PNG", **row: str) -> str:
        """One more image, stored under `name` in the table's order; its content id."""
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        file = self.layout.root / "raw" / f"{len(self.rows):03d}-{name}.{kind.lower()}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(stream.getvalue())
        self.rows.append({"path": file.name, **row})
        self.names[name] = content_id(stream.getvalue())
        return self.names[name]

    def ingest(self) -> None:
        from assay.stages import ingest

        fields = ("path", "label", "split", "group")
        lines = [",".join(row.get(field, "") for field in fields) for row in self.rows]
        (self.layout.root / "raw" / "images.csv").write_text("\n".join([",".join(fields), *lines, ""]))
        ingest.run(self.params(), self.layout, silent)

    def embed(self) -> None:
        """Run the stages up to embed."""
        from assay.stages import embed

        self.ingest()
        embed.run(self.params(), self.layout, silent)

    def put(self, images: Sequence[bytes], **columns: Sequence[str | None]) -> list[str]:
        """Images into the pool, with what came along: columns `label`, `split`, `metadata`; their content ids."""
        ids = [content_id(data) for data in images]
        there = len(Pool.open(self.layout.pool).ids) if self.layout.pool.exists() else 0
        with PoolWriter(self.layout.pool, 1000, 1 << 24) as writer:
            for n, (sample, data) in enumerate(zip(ids, images, strict=True)):
                label, split, metadata = (
                    (columns.get(name) or [None] * len(ids))[n] for name in ("label", "split", "metadata")
                )
                note = None if label is None else f'[{{"category":"{label}"}}]'
                writer.add(sample, data, inspect(data, 1 << 20))
                row = (sample, "s", f"{there + n}.png", note, split, None, None, metadata or "{}", False)
                writer.add_row("imports", row)
        return ids

    def judge(self, sample: str, op: str = "label", label: str | None = None) -> None:
        """A person's judgement, as an edit batch."""
        notes = [Annotation(category=label)] if label else None
        one = Judgement.model_validate(
            {"id": sample, "op": op, "annotations": notes, "by": "t", "at": "2026-01-01"}
        )
        write_batch(self.layout.edits, "t", [one])

    def curate(self) -> Snapshot:
        """The snapshot of the pool and all edits, without looking for near-duplicates."""
        snapshot = fold(self.pool, self.batches, NO_PAIRS, FRACTIONS, 0)
        self.layout.snapshot.mkdir(parents=True, exist_ok=True)
        snapshot.write(self.layout.snapshot)
        return snapshot

    def select(self, seed: int = 0, **settings: Any) -> dict[str, Any]:
        """Run the stage with other params of `select`; its summary."""
        from assay.stages import select

        return select.run(self.params(seed=seed, select=settings), self.layout, silent)

    def promote(self) -> Champion:
        """Make the model in outputs/ the champion."""
        champion = self.layout.champion / "model"
        shutil.copytree(self.layout.outputs / "model", champion, dirs_exist_ok=True)
        made = Champion(
            fingerprint="f" * 64,
            model_sha256=sha256(champion / "model.pt"),
            snapshot="s" * 64,
            params={},
            metrics={},
            promoted_by="me",
            promoted_at="2026-01-01T00:00:00Z",
        )
        write_champion(self.layout.champion, made)
        return made

    @property
    def pool(self) -> Pool:
        return Pool.open(self.layout.pool)

    @property
    def batches(self) -> Batches:
        return read_batches(self.layout.edits)

    @property
    def unlabelled(self) -> list[str]:
        """Images that came without a label, in the order of the pool."""
        came = {row["id"]: row["annotations"] for row in self.pool.imports.to_pylist()}
        return [sample for sample in self.pool.ids if came[sample] is None]

    def table(self, name: str) -> pa.Table:
        """`train` or `queue` of the selection."""
        return read_table(self.layout.selection / f"{name}.parquet")

    def bytes(self, name: str) -> bytes:
        """A file of the selection."""
        return (self.layout.selection / name).read_bytes()


@dataclass(frozen=True)
class Repository:
    """`root` on branch main, by author Ada."""

    root: Path

    @classmethod
    def begin(cls, root: Path, files: Mapping[str, str] = {}, dvc: bool = True) -> Repository:
        """An empty repository in `root`, with `files` written and nothing committed. `dvc`: with DVC in it."""
        shutil.copytree(_template(dvc), root, dirs_exist_ok=True)
        made = cls(root)
        made.write(files)
        return made

    def copy(self, to: Path) -> Repository:
        return Repository(shutil.copytree(self.root, to))

    def write(self, files: Mapping[str, str]) -> None:
        """{path relative to the root: text}."""
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def git(self, *args: str) -> str:
        """What git prints, stripped. CalledProcessError if it fails."""
        return subprocess.run(
            ["git", *args], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def dvc(self, *args: str) -> list[str]:
        """The lines that DVC prints. DvcError if it fails."""
        return run_dvc(list(args), self.root)

    def commit(self, message: str, files: Mapping[str, str] = {}) -> str:
        """Write `files`, commit all there is; the commit's id."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")


@cache
def _template(dvc: bool) -> Path:
    root = Path(mkdtemp(prefix="assay-repository-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    made = Repository(root)
    made.git("init", "-qb", "main")
    for key, value in AUTHOR.items():
        made.git("config", key, value)
    if dvc:
        made.dvc("init", "-q")
    return root
