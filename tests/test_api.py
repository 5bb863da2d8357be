from __future__ import annotations

import subprocess
import sys
import types
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import assay
from assay.data.edits import Judgement
from assay.data.fold import fold
from assay.data.images.decode import ImageInfo
from assay.data.pool import Pool, PoolWriter, content_id


@pytest.fixture
def project(make_pool, tmp_path):
    pool = Pool.open(make_pool())
    no_pairs = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
    out = [Judgement(id=pool.ids[1], op="exclude", by="t", at="2026")]
    snap = fold(pool, [("0001-t", out)], no_pairs, {"train": 0.6, "val": 0.2, "test": 0.2}, 0)
    (tmp_path / "data" / "snapshot").mkdir()
    snap.write(tmp_path / "data" / "snapshot")
    return tmp_path


def test_all_is_what_there_is():
    assert set(assay.__all__) == set(dir(assay))
    public = {n for n in assay.__all__ if not n.startswith("_")}
    assert all(not isinstance(getattr(assay, name), types.ModuleType) for name in public)
    assert all(getattr(assay, name).__doc__ for name in public)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = assay.nonsense


def test_importing_assay_imports_nothing_heavy():
    heavy = ("torch", "pandas", "mlflow", "dvc", "pyarrow")
    program = f"import sys, assay; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_a_snapshot_as_pandas(project):
    frame = assay.snapshot(root=project).to_pandas()
    assert len(frame) == 20
    assert frame["label"].notna().sum() == 15
    assert frame["excluded"].sum() == 1


def test_a_data_set_feeds_a_loader_with_workers(project):
    torch = pytest.importorskip("torch")
    data = assay.dataset("train", root=project, color="gray")
    assert 0 < len(data) < 15
    # spawned: a fork of the test process would take the threads of servers and trackers along
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=1, multiprocessing_context="spawn")
    batches = list(loader)
    assert sum(len(x) for x, _ in batches) == len(data)
    assert batches[0][0].shape[1:] == (1, 8, 8)
    assert data.classes == ["even", "odd"]
    frame = assay.snapshot(root=project).to_pandas().set_index("id")
    assert [data.classes[t] for t in data.targets] == frame.loc[data.ids, "label"].tolist()
    assert not frame.loc[data.ids, "excluded"].any()


def test_photographs_of_different_sizes_make_batches(tmp_path):
    torch = pytest.importorskip("torch")
    rng, sizes = np.random.default_rng(0), [(30, 40), (40, 30), (300, 500), (50, 40)]
    with PoolWriter(tmp_path / "data" / "pool", 10, 1 << 20) as writer:
        for width, height in sizes:
            Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(out := BytesIO(), "PNG")
            sample = content_id(out.getvalue())
            writer.add(sample, out.getvalue(), ImageInfo(width, height, "RGB", "PNG"))
            note = '[{"category":"a"}]'
            writer.add_row("imports", (sample, "s", f"{width}.png", note, "train", None, None, "{}", False))
    no_pairs = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
    made = fold(
        Pool.open(tmp_path / "data" / "pool"), [], no_pairs, {"train": 1.0, "val": 0.0, "test": 0.0}, 0
    )
    (tmp_path / "data" / "snapshot").mkdir()
    made.write(tmp_path / "data" / "snapshot")
    batch, _ = next(iter(torch.utils.data.DataLoader(assay.dataset(root=tmp_path), batch_size=4)))
    assert batch.shape == (4, 3, 40, 40)
    large = assay.dataset(root=tmp_path, size=96)
    assert {image.shape for image, _ in large} == {(3, 96, 96)}
    stored = assay.dataset(root=tmp_path, transform=lambda image: image.shape)
    assert {tuple(shape[1:]) for shape, _ in stored} == {(h, w) for w, h in sizes}


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(assay.AssayError, match="is not there"):
        assay.snapshot(root=tmp_path)
    with pytest.raises(assay.AssayError, match="is not there"):
        assay.pool(root=tmp_path)
