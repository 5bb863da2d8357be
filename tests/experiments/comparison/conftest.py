"""Versions of a small project as folders: a dataset, what was learnt from, and what was predicted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from assay.data.edits import Judgement, write_batch
from assay.data.files import write_json, write_table
from assay.data.images.decode import ImageInfo
from assay.data.pool import PoolWriter, content_id
from assay.data.snapshot import ANNOTATIONS, SAMPLES, Snapshot
from assay.data.training_set import training_set
from assay.experiments.sides import Side

CLASSES = ("cat", "dog", "owl")
PARAMS = {
    "ingest": {"sources": [{"name": "s", "format": "csv", "path": "raw.csv"}]},
    "evaluate": {"bootstrap": 100, "slices": ["light"]},
}


def picture(n: int, color: bool) -> bytes:
    rng = np.random.default_rng(n)
    pixels = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    image = Image.fromarray(pixels if color else pixels[..., 0]).resize((90, 60), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


class Versions:
    """Makes versions in folders below `root`, all about the same 40 pictures."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pool = root / "pool"
        images = [picture(n, color=n % 2 == 0) for n in range(40)]
        self.ids = sorted(map(content_id, images))
        with PoolWriter(self.pool, 100, 1 << 20) as writer:
            for data in images:
                writer.add(content_id(data), data, ImageInfo(90, 60, "RGB", "PNG"))

    def rows(self) -> dict[str, dict]:
        """40 samples, 10 of them test; all labelled, in turn."""
        splits = ["train", "train", "val", "test"]
        return {
            sample: {
                "label": CLASSES[n % 3],
                "split": splits[n % 4],
                "light": "day" if n % 8 < 4 else "night",
            }
            for n, sample in enumerate(self.ids)
        }

    def make(
        self,
        name: str,
        rows: dict[str, dict],
        wrong: Callable[[int], bool] = lambda n: n % 2 == 0,
        params: dict | None = None,
        batches: dict[str, list[Judgement]] | None = None,
    ) -> Side:
        """A version; `wrong` says of which test samples (counted) the model names the class after the right one."""
        root = self.root / name
        snapshot = dataset(rows)
        (root / "data" / "snapshot").mkdir(parents=True)
        snapshot.write(root / "data" / "snapshot")
        train = training_set(snapshot, None, 0)
        write_table(root / "data" / "selection" / "train.parquet", train)
        digest = train.schema.metadata[b"digest"].decode()
        write_json(root / "data" / "selection" / "selection.json", {"digest": digest})
        write_table(root / "outputs" / "predictions.parquet", predictions(snapshot, wrong))
        for source, batch in (batches or {}).items():
            write_batch(root / "data" / "edits", source, batch)
        (root / "params.yaml").write_text(yaml.safe_dump(PARAMS | (params or {})))
        (root / "dvc.yaml").write_text("stages: {}\n")
        return Side(name, "workspace", root, None)


def dataset(rows: dict[str, dict]) -> Snapshot:
    ids = sorted(rows)
    table = pa.table(
        {
            "id": ids,
            **{name: pa.array([1] * len(ids), pa.int32()) for name in ("width", "height")},
            **{name: [""] * len(ids) for name in ("mode", "format")},
            "origins": [[f"s:{i[:6]}.png"] for i in ids],
            "group": pa.array([rows[i].get("group") for i in ids], pa.string()),
            "captured_at": pa.nulls(len(ids), pa.string()),
            "metadata": [json.dumps({"light": rows[i].get("light", "day")}) for i in ids],
            "split": [rows[i]["split"] for i in ids],
            "labelled": [rows[i].get("label") is not None for i in ids],
            "excluded": [rows[i].get("excluded", False) for i in ids],
        }
    )
    notes = [
        (i, 0, rows[i]["label"], None, None, False, None) for i in ids if rows[i].get("label") is not None
    ]
    columns = list(zip(*notes, strict=True))
    annotations = pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, ANNOTATIONS, strict=True)], ANNOTATIONS
    )
    return Snapshot(table.select(SAMPLES.names).cast(SAMPLES), annotations, CLASSES)


def predictions(snapshot: Snapshot, wrong: Callable[[int], bool]) -> pa.Table:
    ruler = snapshot.ruler()
    rows = []
    for n, label in enumerate(ruler["label"].to_pylist()):
        said = (CLASSES.index(label) + wrong(n)) % 3
        rows.append([0.8 if k == said else 0.1 for k in range(3)])
    return pa.table({"id": ruler["id"], "probabilities": pa.array(rows, pa.list_(pa.float32()))})


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)
