"""Embed: data/pool -> data/embeddings. A vector, image statistics and near-duplicates for each new image.

Shards are processed one at a time, in batches, each image decoded once. Finished shards are kept while encoder,
options, code and weights are the same, so that a run after a kill resumes at the next shard, and the cost is that of
new images. The batches of a shard do not depend on other shards: an incremental run gives the same bits as a full one.

Encoder, options, code and weights are recorded in a separate output, data/embedder.json: a clone that has pulled both
computes new images only, and a change of the record alone makes no later stage stale. Versions and device are recorded
in .assay/ of the machine: after a change there, all embeddings are computed again; pulled ones are used as they are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from assay import plugins
from assay.data import near_duplicates
from assay.data.embeddings import ABOUT, PAIRS, SUFFIXES, part
from assay.data.files import read_json, read_table, recall, replacing, write_json, write_table
from assay.data.images import traits
from assay.data.images.decode import decode
from assay.data.images.orientation import Pixels
from assay.data.pool import Pool
from assay.encoders import Encoder
from assay.errors import BadImage, PoolError
from assay.layout import Layout
from assay.lineage.digests import code_of
from assay.params import Params
from assay.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

MACHINE = "embedder.json"
CODE = ("assay.data.images.decode", "assay.data.images.traits", "assay.data.near_duplicates")
"""Modules, besides the encoder, whose code embeddings depend on."""
LIBRARIES = ("numpy", "pillow", "simplejpeg")
ARRAYS = ("vectors", "thumbnails")
"""Arrays stored for each shard, one row for each image."""
SLICE = 16
"""Images in a unit of work of a decoding thread."""

Encoded = tuple[str, bytes]


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Embed new images. PoolError for an image that cannot be decoded, PluginError if an encoder lacks its package."""
    pool, path = Pool.open(layout.pool), layout.embeddings
    encoder = load_encoder(params)
    _keep_if_same(layout, maker(params, encoder), machine(encoder))
    sizes = {shard: len(_ids(pool, shard)) for shard in pool.shards}
    done = _keep_done(path, pool)
    new = [shard for shard in pool.shards if shard not in done]
    count = sum(sizes[shard] for shard in new)
    with progress.bar("embed", count) as advance, ThreadPoolExecutor(os.cpu_count()) as threads:
        for shard in new:
            look = BatchEncoding(encoder, params.embed.batch, threads)
            for advanced in _embed_shard(pool, shard, path, look):
                advance(advanced)
    about = {
        "encoder": params.embed.encoder,
        "options": params.embed.options,
        "dim": encoder.dim,
        "shards": sizes,
    }
    write_json(path / ABOUT, about)
    pairs = sum(pq.read_metadata(part(path, shard, "pairs")).num_rows for shard in pool.shards)
    return {**about, "shards": len(sizes), "images": len(pool), "new": count, "similar_pairs": pairs}


def load_encoder(params: Params) -> Encoder:
    """The encoder of the params, with the device and the threads of training."""
    plugin = plugins.load("encoders", params.embed.encoder)
    if "torch" in sys.modules:  # `pixels` needs no torch, whose import takes 3 s
        sys.modules["torch"].set_num_threads(params.train.threads)
    encoder: Encoder = plugin.load(params.embed.options, params.train.device)
    return encoder


def maker(params: Params, encoder: Encoder) -> dict[str, Any]:
    """Encoder, options, code and weights: what embeddings depend on besides the images and the machine."""
    return {
        "encoder": params.embed.encoder,
        "options": params.embed.options,
        "batch": params.embed.batch,
        "code": code_of(*CODE, f"assay.encoders.{params.embed.encoder}"),
        "of_encoder": encoder.fingerprint,
    }


def machine(encoder: Encoder) -> dict[str, Any]:
    """Versions and device: what the rounding of embeddings depends on."""
    return {"libraries": {name: version(name) for name in LIBRARIES}, "of_encoder": encoder.machine}


def _keep_if_same(layout: Layout, maker: dict[str, Any], machine: dict[str, Any]) -> None:
    """Empty the folder unless maker and machine are unchanged; then record both."""
    here = layout.scratch / MACHINE
    if _noted(layout.embedder) != maker or _noted(here) not in (machine, None):
        for old in layout.embeddings.glob("*"):
            old.unlink()
        write_json(layout.embedder, maker)
    write_json(here, machine)


def _noted(file: Path) -> Any:
    """The record in a file; None without one, or if it cannot be read."""
    return recall(lambda: read_json(file))


def _keep_done(path: Path, pool: Pool) -> set[str]:
    """Finished shards, up to the first unfinished one, as pairs refer to earlier shards; other files are removed."""
    done: set[str] = set()
    for shard in pool.shards:
        if not _is_done(path, shard, pool):
            break
        done.add(shard)
    keep = {part(path, shard, kind) for shard in done for kind in SUFFIXES}
    keep |= {path / ABOUT} if len(done) == len(pool.shards) else set()
    for old in set(path.glob("*")) - keep:
        old.unlink()
    return done


def _is_done(path: Path, shard: str, pool: Pool) -> bool:
    """Whether all files of a shard exist, can be read and have its images."""
    ids = recall(lambda: read_table(part(path, shard, "traits"), ["id"])["id"].combine_chunks())
    if ids is None or recall(lambda: pq.read_metadata(part(path, shard, "pairs"))) is None:
        return False
    return bool(ids.equals(_ids(pool, shard))) and {_length(path, shard, kind) for kind in ARRAYS} == {
        len(ids)
    }


def _length(path: Path, shard: str, kind: str) -> int | None:
    return recall(lambda: len(np.load(part(path, shard, kind), mmap_mode="r")))


def _ids(pool: Pool, shard: str) -> pa.Array:
    return pool.index["id"].filter(pc.equal(pool.index["shard"], shard)).combine_chunks()


@dataclass(frozen=True)
class BatchEncoding:
    """Computes vectors (n, d), statistics and thumbnails (n, 256) of a batch of encoded images."""

    encoder: Encoder
    batch: int
    threads: ThreadPoolExecutor

    def at(self, batch: list[Encoded]) -> tuple[NDArray[np.float32], traits.Row, NDArray[np.int8]]:
        slices = [batch[start : start + SLICE] for start in range(0, len(batch), SLICE)]
        seen = [one for some in self.threads.map(self._decode_slice, slices) for one in some]
        vectors = self.encoder.encode(np.stack([small for _, small in seen]))
        return vectors, *_measure([pixels for pixels, _ in seen])

    def _decode_slice(self, encoded: list[Encoded]) -> list[tuple[Pixels, Pixels]]:
        return [self._decode(one) for one in encoded]

    def _decode(self, encoded: Encoded) -> tuple[Pixels, Pixels]:
        """The image for statistics, and the one for the encoder; the full-size pixels are freed."""
        sample, data = encoded
        try:
            pixels = decode(data)
        except BadImage as error:
            raise PoolError(
                f"image {sample} of the pool cannot be decoded: {error}",
                hint="`dvc checkout data/pool` restores a damaged pool",
            ) from None
        return traits.shrink(pixels), _fit(pixels, self.encoder.size, self.encoder.color)


def _fit(pixels: Pixels, size: int, color: str) -> Pixels:
    """uint8 (h, w, 3) resized to (size, size, 3 or 1), antialiased."""
    if color == "rgb" and pixels.shape[:2] == (size, size):
        return pixels
    image = Image.fromarray(pixels).convert("RGB" if color == "rgb" else "L")
    resized = image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(resized).reshape(size, size, -1)


def _measure(seen: list[Pixels]) -> tuple[traits.Row, NDArray[np.int8]]:
    """Statistics and thumbnails, images of one size at a time."""
    rows_of: dict[tuple[int, ...], list[int]] = {}
    for row, pixels in enumerate(seen):
        rows_of.setdefault(pixels.shape, []).append(row)
    statistics = {name: np.empty(len(seen), np.float32) for name in traits.NAMES}
    thumbnails = np.empty((len(seen), near_duplicates.CELLS), np.int8)
    for rows in rows_of.values():
        grey = traits.luma(np.stack([seen[row] for row in rows]))
        thumbnails[rows] = near_duplicates.thumbnails(grey)
        for name, values in traits.measure(grey).items():
            statistics[name][rows] = values
    return statistics, thumbnails


def _embed_shard(pool: Pool, shard: str, path: Path, look: BatchEncoding) -> Iterator[int]:
    """Write the files of one shard, the pairs last. Yields the number of images of each finished batch."""
    ids = _ids(pool, shard)
    vectors = np.empty((len(ids), look.encoder.dim), np.float32)
    thumbnails = np.empty((len(ids), near_duplicates.CELLS), np.int8)
    statistics = {name: np.empty(len(ids), np.float32) for name in traits.NAMES}
    encoded, start = pool.iter_shard(shard), 0
    while batch := list(islice(encoded, look.batch)):
        rows = slice(start, start + len(batch))
        vectors[rows], measured, thumbnails[rows] = look.at(batch)
        for name, values in measured.items():
            statistics[name][rows] = values
        start += len(batch)
        yield len(batch)
    _write_array(part(path, shard, "vectors"), vectors)
    _write_array(part(path, shard, "thumbnails"), thumbnails)
    write_table(part(path, shard, "traits"), pa.table({"id": ids, **statistics}))
    write_table(part(path, shard, "pairs"), _pairs(pool, shard, path, thumbnails))


def _pairs(pool: Pool, shard: str, path: Path, thumbnails: NDArray[np.int8]) -> pa.Table:
    """Near-duplicates within a shard, and with earlier shards, which are read one at a time."""
    before = pool.shards[: pool.shards.index(shard)]
    rows, similarity = near_duplicates.find_pairs(
        thumbnails, (np.load(part(path, earlier, "thumbnails")) for earlier in before)
    )
    first = pool.index["shard"].index(shard).as_py()
    newer, older = (pool.index["id"].take(pa.array(r)) for r in (rows[:, 0] + first, rows[:, 1]))
    return pa.table({"id": newer, "other": older, "similarity": similarity}, schema=PAIRS)


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with replacing(path) as aside, aside.open("wb") as file:
        np.save(file, array)


def render(summary: dict[str, Any], console: Console) -> None:
    """Print one line."""
    console.print(
        f"{summary['new']:,} of {summary['images']:,} images embedded by {summary['encoder']}: "
        f"{summary['dim']} numbers each; {summary['similar_pairs']:,} similar pairs",
        highlight=False,
    )
