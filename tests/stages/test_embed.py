from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.data.embeddings import Embeddings
from assay.data.images.decode import ImageInfo
from assay.data.pool import PoolWriter, content_id
from assay.errors import MissingInput, PoolError
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import embed

SOURCES = {"sources": [{"name": "s", "format": "demo"}]}


def params(**section):
    return parse_params({"ingest": SOURCES, "embed": {"batch": 3, "options": {"size": 4}, **section}})


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def encoded(image: np.ndarray, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def add(path: Path, images: list[bytes], shard_images: int = 8) -> None:
    with PoolWriter(path, shard_images, 1 << 20) as writer:
        for data in images:
            writer.add(content_id(data), data, ImageInfo(8, 8, "L", "PNG"))
            if writer.full:
                writer.commit()


def test_adding_up_equals_starting_afresh(images, tmp_path):
    once, bit_by_bit = Layout(tmp_path / "a"), Layout(tmp_path / "b")
    for part in (images[:8], images[8:13], images[13:]):
        add(bit_by_bit.pool, part)
        assert embed.run(params(), bit_by_bit, silent)["new"] == len(part)
        add(once.pool, part)
    embed.run(params(), once, silent)
    assert content(once.embeddings) == content(bit_by_bit.embeddings)


def test_a_second_run_computes_nothing_and_changes_nothing(make_pool, tmp_path):
    make_pool()
    embed.run(params(), Layout(tmp_path), silent)
    before = {
        f: f.stat().st_mtime_ns
        for f in (tmp_path / "data/embeddings").iterdir()
        if f.name != "embeddings.json"
    }
    assert embed.run(params(), Layout(tmp_path), silent)["new"] == 0
    assert before == {file: file.stat().st_mtime_ns for file in before}


@pytest.mark.parametrize(
    "change", [{"options": {"size": 5}}, {"batch": 4}, {"options": {"size": 4, "color": "rgb"}}]
)
def test_another_encoder_starts_afresh(make_pool, tmp_path, change):
    make_pool()
    layout = Layout(tmp_path)
    embed.run(params(), layout, silent)
    assert embed.run(params(**change), layout, silent)["new"] == 20
    again = Layout(tmp_path / "again")
    make_pool(again.pool)
    embed.run(params(**change), again, silent)
    assert content(layout.embeddings) == content(again.embeddings)


def test_other_libraries_compute_anew_and_write_the_same(make_pool, tmp_path, monkeypatch):
    make_pool()
    layout = Layout(tmp_path)
    embed.run(params(), layout, silent)
    before = content(layout.embeddings) | {"": layout.embedder.read_bytes()}
    monkeypatch.setattr(embed, "version", lambda name: "2.5.5")
    assert embed.run(params(), layout, silent)["new"] == 20
    assert embed.run(params(), layout, silent)["new"] == 0
    assert content(layout.embeddings) | {"": layout.embedder.read_bytes()} == before


def test_a_clone_computes_what_is_new_and_not_what_it_pulled(make_pool, tmp_path):
    make_pool()
    layout = Layout(tmp_path)
    embed.run(params(), layout, silent)
    shutil.rmtree(layout.scratch)
    (layout.root / "data/embeddings/00002.pairs.parquet").unlink()
    assert embed.run(params(), layout, silent)["new"] == 4
    layout.embedder.unlink()
    assert embed.run(params(), layout, silent)["new"] == 20, "who made it, nobody knows"
    layout.embedder.write_text("{")
    assert embed.run(params(), layout, silent)["new"] == 20


def test_what_no_longer_belongs_is_removed(make_pool, tmp_path, images):
    make_pool()
    layout = Layout(tmp_path)
    embed.run(params(), layout, silent)
    (layout.embeddings / "00001.npy.tmp").write_bytes(b"half")
    for suffix in (".tar", ".parquet"):
        (layout.pool / "shards" / f"00002{suffix}").unlink()
    embed.run(params(), layout, silent)
    alone = Layout(tmp_path / "alone")
    add(alone.pool, images[:16])
    embed.run(params(), alone, silent)
    assert content(layout.embeddings) == content(alone.embeddings)


def test_a_shard_with_other_images_is_done_again(images, tmp_path):
    layout = Layout(tmp_path)
    add(layout.pool, images[:16])
    embed.run(params(), layout, silent)
    for file in (layout.pool / "shards").iterdir():
        file.unlink()
    add(layout.pool, [*images[:8], *images[12:]])
    assert embed.run(params(), layout, silent)["new"] == 8
    assert len(Embeddings.open(layout.embeddings)) == 16


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from assay.layout import Layout
from assay.params import load_params
from assay.progress import Silent
from assay.stages import embed

class Killing(Silent):
    @contextmanager
    def bar(self, label, total=None, unit="images"):
        done = 0
        def advance(n):
            nonlocal done
            done += n
            if done >= int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
        yield advance

root = Path(sys.argv[1])
embed.run(load_params(root / "params.yaml"), Layout(root), Killing())
"""


@pytest.mark.parametrize(("killed_at", "left"), [(3, 20), (11, 12), (20, 4)])
def test_a_kill_costs_the_shard_under_way_and_no_more(make_pool, tmp_path, killed_at, left):
    make_pool()
    (tmp_path / "params.yaml").write_text(
        "ingest: {sources: [{name: s, format: demo}]}\nembed: {batch: 3, options: {size: 4}}\n"
    )
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(killed_at)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "data/embeddings/embeddings.json").exists()
    assert embed.run(params(), Layout(tmp_path), silent)["new"] == left
    whole = Layout(tmp_path / "whole")
    make_pool(whole.pool)
    embed.run(params(), whole, silent)
    assert content(tmp_path / "data/embeddings") == content(whole.embeddings)


def test_images_of_all_shapes_share_a_batch(tmp_path):
    rng = np.random.default_rng(0)
    shapes = [(8, 8), (600, 40, 3), (1, 1), (8, 8), (300, 900), (2, 700, 3)]
    layout = Layout(tmp_path)
    add(layout.pool, [encoded(rng.integers(0, 256, shape, dtype=np.uint8)) for shape in shapes])
    assert embed.run(params(batch=256), layout, silent)["images"] == len(shapes)
    embeddings = Embeddings.open(layout.embeddings)
    assert np.isfinite(embeddings.vectors(embeddings.ids)).all()
    assert all(embeddings.traits[n].null_count == 0 for n in embeddings.traits.column_names)


def test_near_duplicates_are_found_across_shards_and_point_to_the_older(tmp_path, images):
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (8, 8)), np.ones((8, 8))).astype(np.uint8)
    copy = encoded(picture, "JPEG", quality=80)
    layout = Layout(tmp_path)
    add(layout.pool, [images[0], encoded(picture), *images[1:9], copy, *images[9:]], shard_images=5)
    embed.run(params(), layout, silent)
    (pair,) = Embeddings.open(layout.embeddings).pairs.to_pylist()
    assert (pair["id"], pair["other"]) == (content_id(copy), content_id(encoded(picture)))
    assert pair["similarity"] > 0.99


def test_a_damaged_image_is_named(images, tmp_path):
    layout = Layout(tmp_path)
    add(layout.pool, [images[0], b"no image at all"])
    with pytest.raises(PoolError, match=f"{content_id(b'no image at all')}.*not an image"):
        embed.run(params(), layout, silent)


def test_without_a_pool_it_says_what_to_run(tmp_path):
    with pytest.raises(MissingInput) as caught:
        embed.run(params(), Layout(tmp_path), silent)
    assert "assay ingest" in caught.value.hint


def test_pixels_are_embedded_without_torch(make_pool, tmp_path):
    make_pool()
    (tmp_path / "params.yaml").write_text("ingest: {sources: [{name: s, format: demo}]}\n")
    program = KILLED + "\nprint('torch' in sys.modules)"
    out = subprocess.check_output(
        [sys.executable, "-c", program, str(tmp_path), "1000"], text=True, env={**os.environ}
    )
    assert out.strip() == "False"
