from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap

import pyarrow as pa
import pytest

from assay.data.images.decode import ImageInfo
from assay.data.pool import Pool, PoolWriter, content_id
from assay.data.shards import _may_repeat, tar_header
from assay.errors import MissingInput, PoolError

INFO = ImageInfo(8, 8, "L", "PNG")


def test_what_goes_in_comes_out_bit_for_bit(make_pool, images):
    pool = Pool.open(make_pool())
    assert [pool.read(content_id(data)) for data in images] == images
    assert dict(pool.read_many(pool.ids)) == {content_id(data): data for data in images}
    assert [name for shard in pool.shards for name, _ in pool.iter_shard(shard)] == pool.ids
    assert pool.shards == ["00000", "00001", "00002"]


def test_shards_are_plain_tar_files(make_pool, images):
    path = make_pool()
    with tarfile.open(path / "shards" / "00000.tar") as tar:
        members = tar.getmembers()
        assert [m.name for m in members] == [f"{content_id(d)}.png" for d in images[:8]]
        assert tar.extractfile(members[3]).read() == images[3]


@pytest.mark.parametrize(
    ("name", "size"), [(f"{'0f' * 32}.jpeg", 0), ("a.png", 1234567), ("b.tiff", 8**11 - 1)]
)
def test_headers_are_those_of_tarfile(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    assert tar_header(name, size) == info.tobuf(tarfile.USTAR_FORMAT)


def test_the_same_images_make_the_same_shards(make_pool, tmp_path):
    one, two = make_pool(tmp_path / "one"), make_pool(tmp_path / "two")
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    assert all((one / f).read_bytes() == (two / f).read_bytes() for f in files)


def test_appending_touches_nothing_that_is_there(make_pool, images):
    path = make_pool()
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with PoolWriter(path, 8, 1 << 20) as writer:
        assert not writer.add(content_id(images[0]), images[0], INFO)
        assert writer.add(content_id(b"new"), b"new", INFO)
    assert {p: p.read_bytes() for p in before} == before
    assert Pool.open(path).read(content_id(b"new")) == b"new"
    assert Pool.open(path).shards[-1] == "00003"


def test_an_error_while_writing_leaves_the_pool_as_it_was(make_pool):
    path = make_pool()
    writer = PoolWriter(path, 8, 1 << 20)
    with contextlib.suppress(RuntimeError), writer:
        writer.add(content_id(b"half"), b"half", INFO)
        raise RuntimeError
    assert len(Pool.open(path)) == 20
    assert not list(path.rglob("*.tmp"))


def test_kill_9_loses_nothing_that_was_committed(tmp_path):
    """A writer that commits every five images and says so is killed; what it said is there, and it goes on."""
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from assay.data.images.decode import ImageInfo
        from assay.data.pool import PoolWriter, content_id
        writer = PoolWriter(Path(sys.argv[1]), 5, 1 << 20)
        for n in range(10**9):
            data = b"image %d" % n
            writer.add(content_id(data), data, ImageInfo(1, 1, "L", "PNG"))
            if writer.full:
                writer.commit()
                print(len(writer.known), flush=True)
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for _ in range(7):
        stored = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    child.stdout.close()
    child.wait()
    stored = max([stored, *map(int, rest)])
    pool = Pool.open(tmp_path)
    assert len(pool) >= stored
    assert all(content_id(data) == name for name, data in pool.read_many(pool.ids))
    with PoolWriter(tmp_path, 5, 1 << 20) as writer:
        writer.add(content_id(b"after"), b"after", INFO)
    assert content_id(b"after") in Pool.open(tmp_path)


def test_a_tar_without_its_index_is_swept_away_not_read(make_pool):
    path = make_pool()
    (path / "shards" / "00003.tar").write_bytes(b"killed before the index was written")
    assert len(Pool.open(path)) == 20
    with PoolWriter(path, 8, 1 << 20) as writer:
        writer.add(content_id(b"new"), b"new", INFO)
    assert Pool.open(path).read(content_id(b"new")) == b"new"


def test_what_is_missing_is_said(make_pool, tmp_path):
    with pytest.raises(MissingInput, match="is not there"):
        Pool.open(tmp_path / "nowhere")
    path = make_pool()
    pool = Pool.open(path)
    with pytest.raises(PoolError, match="not in the pool"):
        pool.read("0" * 64)
    with pytest.raises(PoolError, match="1 of 2 images"):
        list(pool.read_many([pool.ids[0], "0" * 64]))
    (path / "shards" / "00001.tar").unlink()
    with pytest.raises(PoolError, match=r"00001\.tar is missing"):
        Pool.open(path)


def test_a_shard_that_lost_its_end_is_an_error_not_short_bytes(make_pool):
    path = make_pool()
    pool = Pool.open(path)
    tar = path / "shards" / "00002.tar"
    tar.write_bytes(tar.read_bytes()[:700])
    with pytest.raises(PoolError, match="shard 00002 ends before"):
        pool.read(pool.ids[-1])
    with pytest.raises(
        PoolError, match=r"00002\.tar is damaged: it has 700 bytes, 5,120 by its index"
    ) as error:
        Pool.open(path)
    assert "dvc checkout --force data/pool" in error.value.hint


def test_an_image_that_is_there_twice_is_seen_when_the_pool_is_opened(make_pool):
    path = make_pool()
    for suffix in (".tar", ".parquet"):
        shutil.copy(path / "shards" / f"00001{suffix}", path / "shards" / f"00003{suffix}")
    with pytest.raises(PoolError, match="8 images twice"):
        Pool.open(path)
    with pytest.raises(PoolError, match="8 images twice"):
        PoolWriter(path, 8, 1 << 20)


def test_ids_that_are_no_hashes_are_compared_as_text():
    same_head = [f"{'0' * 16}{'1' * 48}", f"{'0' * 16}{'2' * 48}"]
    assert _may_repeat(pa.array(same_head)), "by their first digits; then the texts decide"
    assert not _may_repeat(pa.array([content_id(b"%d" % n) for n in range(1000)]))
    assert _may_repeat(pa.array(["a", "b"]))


def test_a_second_writer_is_refused_and_the_first_is_not_disturbed(make_pool):
    path = make_pool()
    with PoolWriter(path, 8, 1 << 20) as first:
        first.add(content_id(b"first"), b"first", INFO)
        with pytest.raises(PoolError, match="is writing to this pool"):
            PoolWriter(path, 8, 1 << 20)
    assert Pool.open(path).read(content_id(b"first")) == b"first"
    with PoolWriter(path, 8, 1 << 20) as second:
        assert not second.add(content_id(b"first"), b"first", INFO)


def test_a_shard_never_takes_the_number_of_another(make_pool):
    """Also where one is missing: a count of the files would name one that is there."""
    path = make_pool()
    for file in path.glob("shards/00001.*"):
        file.unlink()
    with PoolWriter(path, 8, 1 << 20) as writer:
        writer.add(content_id(b"new"), b"new", INFO)
    assert Pool.open(path).shards == ["00000", "00002", "00003"]
    assert Pool.open(path).read(content_id(b"new")) == b"new"
