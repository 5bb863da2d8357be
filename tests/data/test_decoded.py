from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from assay.data.images.decode import decode_resized
from assay.data.images.decoded import DecodedCache
from assay.data.pool import Pool, content_id
from assay.errors import PoolError
from assay.progress import silent


@pytest.fixture
def pool(make_pool) -> Pool:
    return Pool.open(make_pool())


def check(cache: DecodedCache, pool: Pool, ids: Sequence[str]) -> None:
    """Every row holds the image of its id."""
    rows = cache.rows(pool, ids, silent)
    expected = [decode_resized(pool.read(sample), 6, "gray") for sample in ids]
    assert np.array_equal(cache.pixels[rows], np.stack(expected))


class Counting:
    """A pool that remembers what it was asked for."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.asked: list[str] = []

    def read_many(self, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        self.asked += ids
        return self.pool.read_many(ids)


def test_each_image_is_decoded_once(pool: Pool, tmp_path: Path) -> None:
    ids, counting = pool.ids, Counting(pool)
    cache = DecodedCache(tmp_path / "c", 6, "gray")
    first = cache.rows(counting, ids[10:], silent)
    assert cache.pixels[first].shape == (10, 6, 6, 1)
    rows = DecodedCache(tmp_path / "c", 6, "gray").rows(counting, ids, silent)
    assert sorted(counting.asked) == sorted(ids)
    assert np.array_equal(rows[10:], first), "rows never change"
    check(cache, pool, ids[::-1] + ids[:3])


def test_pixels_are_right_at_once_also_after_appending(pool: Pool, tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path / "c", 6, "gray")
    for start in (0, 7, 13):
        check(cache, pool, pool.ids[start : start + 7])


def test_chunks_change_nothing(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.data.images.decoded.CHUNK_IMAGES", 3)
    check(DecodedCache(tmp_path / "c", 6, "gray"), pool, pool.ids)


def test_sizes_and_colours_are_caches_of_their_own(pool: Pool, tmp_path: Path) -> None:
    for size, color, channels in ((6, "gray", 1), (6, "rgb", 3), (9, "rgb", 3)):
        cache = DecodedCache(tmp_path / "c", size, color)  # type: ignore[arg-type]
        cache.rows(pool, pool.ids[:2], silent)
        assert cache.pixels.shape == (2, size, size, channels)
    assert {p.name for p in (tmp_path / "c").iterdir() if p.is_dir()} == {"6-gray", "6-rgb", "9-rgb"}


def test_an_empty_cache_has_no_rows(pool: Pool, tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path / "c", 6, "gray")
    assert cache.pixels.shape == (0, 6, 6, 1)
    assert cache.rows(pool, [], silent).shape == (0,)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("pixels.bin", 50),  # pixels were on their way
        ("pixels.bin", 36 * 2),  # two whole rows without their ids
        ("ids.bin", 11),  # half an id
        ("ids.bin", -5),  # the last id lost its end
        ("pixels.bin", -40),  # ids without pixels: the disk lied
        ("ids.bin", -32 * 10),
    ],
)
def test_what_a_kill_leaves_is_cut_off(pool: Pool, tmp_path: Path, file: str, change: int) -> None:
    DecodedCache(tmp_path / "c", 6, "gray").rows(pool, pool.ids[:10], silent)
    path = tmp_path / "c" / "6-gray" / file
    data = path.read_bytes()
    path.write_bytes(data + b"\x7f" * change if change > 0 else data[:change])
    check(DecodedCache(tmp_path / "c", 6, "gray"), pool, pool.ids)


def test_another_decoder_starts_anew(pool: Pool, tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path / "c", 6, "gray")
    cache.rows(pool, pool.ids, silent)
    mapped = cache.pixels
    stamp = tmp_path / "c" / "6-gray" / "decoder.json"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"pillow": "0"}))
    counting = Counting(pool)
    DecodedCache(tmp_path / "c", 6, "gray").rows(counting, pool.ids[:5], silent)
    assert len(counting.asked) == 5
    assert mapped.sum() > 0, "who had the old pixels mapped keeps them"


class Dying(Counting):
    """A pool whose reader is killed, as by the machine, while it reads."""

    def read_many(self, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for number, item in enumerate(self.pool.read_many(ids)):
            if number == 13:
                os.kill(os.getpid(), signal.SIGKILL)
            yield item


def _die(pool: Path, cache: Path) -> None:
    import assay.data.images.decoded as decoded

    decoded.CHUNK_IMAGES = 4
    opened = Pool.open(pool)
    DecodedCache(cache, 6, "gray").rows(Dying(opened), opened.ids, silent)


def _fill(pool: Path, cache: Path, backwards: bool) -> None:
    opened = Pool.open(pool)
    ids = opened.ids[::-1] if backwards else opened.ids
    for start in range(0, len(ids), 3):
        check(DecodedCache(cache, 6, "gray"), opened, ids[: start + 3])


def _start(target: Callable[..., None], *args: object) -> int:
    """Run in a child process of its own; its pid."""
    if child := os.fork():
        return child
    try:
        target(*args)
        os._exit(0)
    except BaseException:
        os._exit(1)


def _end(child: int) -> int:
    """Exit code of a child, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_real_kill_loses_nothing_that_was_whole(pool: Pool, tmp_path: Path) -> None:
    assert _end(_start(_die, pool.path, tmp_path / "c")) == -signal.SIGKILL
    counting = Counting(pool)
    cache = DecodedCache(tmp_path / "c", 6, "gray")
    cache.rows(counting, pool.ids, silent)
    assert len(counting.asked) == 20 - 12
    check(cache, pool, pool.ids)


def test_two_writers_at_once(pool: Pool, tmp_path: Path) -> None:
    children = [_start(_fill, pool.path, tmp_path / "c", backwards) for backwards in (False, True)]
    assert [_end(child) for child in children] == [0, 0]
    cache = DecodedCache(tmp_path / "c", 6, "gray")
    check(cache, pool, pool.ids)
    assert len(cache.pixels) == 20


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    sample = content_id(b"no image")

    class Broken:
        def read_many(self, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
            yield sample, b"no image"

    with pytest.raises(PoolError, match=f"image {sample} of the pool cannot be decoded"):
        DecodedCache(tmp_path / "c", 6, "gray").rows(Broken(), [sample], silent)
