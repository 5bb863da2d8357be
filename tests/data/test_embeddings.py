from __future__ import annotations

import numpy as np
import pytest

from assay.data import embeddings as embeddings_module
from assay.data.embeddings import Embeddings
from assay.data.pool import Pool
from assay.errors import MissingInput, PoolError
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import embed

PARAMS = parse_params(
    {"ingest": {"sources": [{"name": "s", "format": "demo"}]}, "embed": {"options": {"size": 4}}}
)


@pytest.fixture
def layout(make_pool, tmp_path):
    make_pool()
    embed.run(PARAMS, Layout(tmp_path), silent)
    return Layout(tmp_path)


def test_everything_is_in_the_order_of_the_pool(layout):
    embeddings, pool = Embeddings.open(layout.embeddings), Pool.open(layout.pool)
    assert embeddings.ids == pool.ids
    assert embeddings.traits["id"].to_pylist() == pool.ids
    assert (len(embeddings), embeddings.dim, len(embeddings.shards)) == (20, 16, 3)
    assert embeddings.pairs.column_names == ["id", "other", "similarity"]


def test_vectors_come_in_the_order_asked_for(layout):
    embeddings = Embeddings.open(layout.embeddings)
    files = [np.load(layout.embeddings / f"{k:05d}.npy") for k in range(3)]
    every = dict(zip(embeddings.ids, np.concatenate(files), strict=True))
    asked = [embeddings.ids[k] for k in (19, 0, 8, 7, 8)]
    assert (embeddings.vectors(asked) == np.stack([every[sample] for sample in asked])).all()
    assert embeddings.vectors([]).shape == (0, 16)


def test_a_scratch_file_holds_the_same_and_leaves_no_trace(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings_module, "BLOCK", 3)
    embeddings = Embeddings.open(layout.embeddings)
    asked = [embeddings.ids[k] for k in (19, 0, 8, 7, 8, 3, 1)]
    mapped = embeddings.mapped(asked, tmp_path / "scratch")
    assert isinstance(mapped, np.memmap)
    assert (mapped == embeddings.vectors(asked)).all()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert embeddings.mapped([], tmp_path / "scratch").shape == (0, 16)


def test_an_image_that_was_never_embedded_is_named(layout):
    with pytest.raises(PoolError, match="no vector for image ffff"):
        Embeddings.open(layout.embeddings).vectors(["ffff"])


def test_what_is_missing_is_named(layout, tmp_path):
    with pytest.raises(MissingInput, match=r"embeddings\.json is not there"):
        Embeddings.open(tmp_path / "nowhere")
    (layout.embeddings / "00001.npy").unlink()
    with pytest.raises(MissingInput, match=r"00001\.npy is not there"):
        Embeddings.open(layout.embeddings)
