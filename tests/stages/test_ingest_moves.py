"""Where an image is decides what it is: after any moves the pool says what the files say now."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.fold import fold
from assay.data.pool import Pool, content_id
from assay.data.snapshot import Snapshot
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import ingest

NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}


def look(root: Path, mirror: bool = False, **source: object) -> Snapshot:
    """One `assay ingest`, and the dataset version that follows from it."""
    place = {"name": "raw", "format": "imagefolder", "path": "raw", "mirror": mirror} | source
    ingest.run(parse_params({"ingest": {"sources": [place]}}), Layout(root), silent)
    return fold(Pool.open(Layout(root).pool), [], NO_PAIRS, FRACTIONS, 0)


def put(root: Path, path: str, data: bytes) -> None:
    file = root / "raw" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def row(snapshot: Snapshot, data: bytes) -> dict:
    return {r["id"]: r for r in snapshot.samples.to_pylist()}[content_id(data)]


def test_moved_and_moved_back_it_is_what_it_was(tmp_path, images):
    put(tmp_path, "cat/1.png", images[0])
    put(tmp_path, "dog/2.png", images[1])
    for before, after in (
        ("cat", "dog"),
        ("dog", "cat"),
        ("cat", "dog"),
        ("dog", "unlabelled"),
        ("unlabelled", "cat"),
    ):
        look(tmp_path)
        (tmp_path / "raw" / after).mkdir(exist_ok=True)
        (tmp_path / "raw" / before / "1.png").rename(tmp_path / "raw" / after / "1.png")
        snapshot = look(tmp_path)
        assert snapshot.labels().get(content_id(images[0])) == (None if after == "unlabelled" else after)
        assert row(snapshot, images[0])["origins"] == [f"raw:{after}/1.png"]
        assert not row(snapshot, images[0])["excluded"]


def test_a_split_follows_the_folder_and_leaves_no_claim_behind(tmp_path, images):
    put(tmp_path, "val/cat/1.png", images[0])
    for before, after in (("val", "test"), ("test", "train"), ("train", "test")):
        look(tmp_path)
        (tmp_path / "raw" / after / "cat").mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / before / "cat" / "1.png").rename(tmp_path / "raw" / after / "cat" / "1.png")
        put(tmp_path, "val/cat/2.png", images[1])
        assert row(look(tmp_path), images[0])["split"] == after


def test_a_label_of_a_table_that_changes_back(tmp_path, images):
    put(tmp_path, "1.png", images[0])
    for label in ("cat", "dog", "cat", "", "dog", "cat"):
        (tmp_path / "raw" / "t.csv").write_text(f"path,label\n1.png,{label}\n")
        snapshot = look(tmp_path, format="csv", path="raw/t.csv")
        assert snapshot.labels().get(content_id(images[0]), "") == label


FOLDERS = ("cat", "dog", "unlabelled")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["move", "copy", "delete"]),
        st.integers(0, 5),
        st.sampled_from(FOLDERS),
        st.integers(0, 2),
    ),
    max_size=7,
)


@pytest.mark.parametrize("mirror", [False, True])
@settings(max_examples=25)
@given(looks=st.lists(STEPS, min_size=1, max_size=4))
def test_in_every_order_of_moves_the_latest_sight_wins(mirror, looks, images):
    """Three images, moved over each other, copied and deleted between looks; what is not told is what the files say."""
    home = Path(tempfile.mkdtemp())
    raw = home / "raw"
    try:
        for n in range(3):
            put(home, f"cat/{n}.png", images[n])
        snapshot, last = look(home, mirror), {}
        for steps in looks:
            for kind, which, folder, name in steps:
                files = sorted(raw.rglob("*.png"))
                target = raw / folder / f"{name}.png"
                if not files or (file := files[which % len(files)]) == target:
                    continue
                target.parent.mkdir(exist_ok=True)
                if kind == "move":
                    file.replace(target)
                elif kind == "copy":
                    shutil.copyfile(file, target)
                else:
                    file.unlink()
            snapshot = look(home, mirror)
            said: dict[str, set[str]] = {}
            for file in raw.rglob("*.png"):
                said.setdefault(content_id(file.read_bytes()), set()).add(file.parent.name)
            for data in images[:3]:
                sample = content_id(data)
                found = snapshot.labels().get(sample)
                excluded = row(snapshot, data)["excluded"]
                assert excluded == (mirror and sample not in said)
                if sample in said:
                    valid = said[sample] - {"unlabelled"} or {None}
                    assert found in valid
                    last[sample] = found
                elif not mirror and sample in last:
                    assert found == last[sample], "what is in no file any more is what the last one said"
    finally:
        shutil.rmtree(home)


def test_overwritten_under_mirror_the_old_picture_is_gone(tmp_path, images):
    put(tmp_path, "cat/1.png", images[0])
    look(tmp_path, mirror=True)
    put(tmp_path, "cat/1.png", images[1])
    snapshot = look(tmp_path, mirror=True)
    assert (row(snapshot, images[0])["excluded"], row(snapshot, images[1])["excluded"]) == (True, False)
    put(tmp_path, "cat/1.png", images[0])
    snapshot = look(tmp_path, mirror=True)
    assert (row(snapshot, images[0])["excluded"], row(snapshot, images[1])["excluded"]) == (False, True)


@pytest.mark.parametrize("how", ["in place", "another file"])
def test_other_bytes_of_the_same_size_and_time_are_seen(tmp_path, images, how):
    a, b = (data.ljust(400, b"\0") for data in images[:2])
    put(tmp_path, "cat/1.png", a)
    look(tmp_path)
    file = tmp_path / "raw" / "cat" / "1.png"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    folder = (file.parent.stat().st_atime_ns, file.parent.stat().st_mtime_ns)
    if how == "another file":
        (tmp_path / "new").write_bytes(b)
        (tmp_path / "new").rename(file)
        os.utime(file.parent, ns=folder)
    else:
        file.write_bytes(b)
    os.utime(file, ns=times)
    assert (
        content_id(b) in Pool.open(Layout(tmp_path).pool)
        or content_id(b) in look(tmp_path).samples["id"].to_pylist()
    )


def test_a_source_copied_to_another_disk_is_read_once_and_imported_never(tmp_path, images):
    for n, data in enumerate(images):
        put(tmp_path, f"cat/{n}.png", data)
    look(tmp_path)
    before = sorted(file.name for file in Layout(tmp_path).pool.rglob("*"))
    shutil.copytree(tmp_path / "raw", tmp_path / "copy")
    shutil.rmtree(tmp_path / "raw")
    (tmp_path / "copy").rename(tmp_path / "raw")
    look(tmp_path)
    assert sorted(file.name for file in Layout(tmp_path).pool.rglob("*")) == before
