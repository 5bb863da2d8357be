"""Memory-mapped cache of decoded pixels, keyed by content id, one for each canvas, colour and fit.

    <dir>/28-gray/decoder.json   code and libraries that decoded; a change of them empties the cache
    <dir>/28-gray/ids.bin        32 bytes per row: the content id
    <dir>/28-gray/pixels.bin     height × width × channels bytes per row, same order

Pixels are flushed to disk before their ids. After a kill, the next writer cuts off incomplete rows and rows without an
id. A file lock admits one writer at a time; readers need no lock, as rows never change.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from io import BufferedWriter
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from assay.data.files import read_json, write_json
from assay.data.images.decode import decode_resized
from assay.data.images.placement import Canvas, Fit
from assay.errors import BadImage, MissingInput, PoolError
from assay.progress import Progress

ID_BYTES = 32
CHUNK_BYTES = 32 << 20
"""Bytes of pixels that are decoded and flushed to disk at a time."""
CHUNK_IMAGES = 2048

Encoded = tuple[str, bytes]


class EncodedImages(Protocol):
    """Source of encoded bytes, such as a Pool."""

    def read_many(self, ids: Sequence[str]) -> Iterator[Encoded]: ...


class DecodedCache:
    """The decoded images of one canvas, colour and fit. Opening is cheap; `rows` decodes missing images."""

    def __init__(
        self, path: Path, size: int | Canvas, color: Literal["rgb", "gray"], fit: Fit = "squeeze"
    ) -> None:
        canvas = (size, size) if isinstance(size, int) else size
        self.path = path / folder_name(canvas, color, fit)
        self.shape = (*canvas, 3 if color == "rgb" else 1)
        self._decode = partial(decode_resized, size=canvas, color=color, fit=fit)
        self._row_bytes = math.prod(self.shape)
        self._row_of: dict[bytes, int] = {}

    def rows(self, pool: EncodedImages, ids: Sequence[str], progress: Progress) -> NDArray[np.int64]:
        """Rows of `pixels` (int64) for content ids, in their order; decodes missing images.

        PoolError names an image that cannot be decoded.
        """
        keys = [bytes.fromhex(sample) for sample in ids]
        self._read_ids()
        if any(key not in self._row_of for key in keys):
            self.path.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name(f"{self.path.name}.lock")):
                self._mend()
                missing = sorted(
                    {sample for sample, key in zip(ids, keys, strict=True) if key not in self._row_of}
                )
                self._append(pool, missing, progress)
        return np.array([self._row_of[key] for key in keys], dtype=np.int64)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(N, height, width, channels), memory-mapped for reading: only rows that are read take memory."""
        if not self._row_of:
            return np.zeros((0, *self.shape), np.uint8)
        return np.memmap(self.path / "pixels.bin", np.uint8, "r", shape=(len(self._row_of), *self.shape))

    def _read_ids(self) -> None:
        """Load the index of the complete rows; empty if there is no cache, or one by another decoder."""
        self._row_of = {}
        with suppress(MissingInput, OSError, ValueError):
            if read_json(self.path / "decoder.json") == _decoder():
                whole = (self.path / "pixels.bin").stat().st_size // self._row_bytes
                raw = (self.path / "ids.bin").read_bytes()
                keys = (raw[k : k + ID_BYTES] for k in range(0, len(raw) - ID_BYTES + 1, ID_BYTES))
                self._row_of = {key: row for row, key in enumerate(islice(keys, whole))}

    def _mend(self) -> None:
        """Under the lock: read the index again, as another writer may have written, and cut off incomplete rows."""
        self._read_ids()
        if not self._row_of:
            # new files instead of truncated ones: another process may have mapped the old ones
            shutil.rmtree(self.path)
            self.path.mkdir()
            write_json(self.path / "decoder.json", _decoder())
        for name, size in (("pixels.bin", self._row_bytes), ("ids.bin", ID_BYTES)):
            with (self.path / name).open("ab") as file:
                file.truncate(len(self._row_of) * size)

    def _append(self, pool: EncodedImages, missing: list[str], progress: Progress) -> None:
        chunk = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // self._row_bytes))
        encoded = iter(pool.read_many(missing))
        with (
            ThreadPoolExecutor(os.cpu_count()) as threads,
            (self.path / "pixels.bin").open("ab") as pixels,
            (self.path / "ids.bin").open("ab") as ids,
            progress.bar("decoding", len(missing)) as advance,
        ):
            while batch := list(islice(encoded, chunk)):
                pixels.write(self._decode_all(batch, threads).data)
                _flush(pixels)
                keys = [bytes.fromhex(sample) for sample, _ in batch]
                ids.write(b"".join(keys))
                _flush(ids)
                self._row_of.update(
                    zip(keys, range(len(self._row_of), len(self._row_of) + len(keys)), strict=True)
                )
                advance(len(batch))

    def _decode_all(self, batch: list[Encoded], threads: ThreadPoolExecutor) -> NDArray[np.uint8]:
        out = np.empty((len(batch), *self.shape), np.uint8)
        # a few slices per thread: a task per image would cost more than decoding a small image
        cuts = np.array_split(np.arange(len(batch)), min(len(batch), 4 * (os.cpu_count() or 1)))
        list(threads.map(lambda rows: self._decode_slice(batch, rows, out), cuts))
        return out

    def _decode_slice(self, batch: list[Encoded], rows: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        for row in rows:
            sample, data = batch[row]
            try:
                out[row] = self._decode(data)
            except BadImage as error:
                raise PoolError(
                    f"image {sample} of the pool cannot be decoded: {error}",
                    hint="`dvc checkout data/pool` if the pool is damaged; else exclude the image",
                ) from None


def folder_name(canvas: Canvas, color: str, fit: Fit) -> str:
    """`28-gray`; `256x320-rgb-letterbox`, height first."""
    size = f"{canvas[0]}" if canvas[0] == canvas[1] else f"{canvas[0]}x{canvas[1]}"
    return f"{size}-{color}" if fit == "squeeze" else f"{size}-{color}-{fit}"


def _decoder() -> dict[str, str]:
    """What the pixels depend on besides the image: hash of the decoding code, and versions of the libraries."""
    module = sys.modules[decode_resized.__module__]
    owners = {getattr(part, "__module__", getattr(part, "__name__", "")) for part in vars(module).values()}
    names = sorted({module.__name__, *(name for name in owners if str(name).startswith("assay.data."))})
    code = hashlib.sha256(b"".join(Path(str(sys.modules[name].__file__)).read_bytes() for name in names))
    return {"code": code.hexdigest(), **{name: version(name) for name in ("numpy", "pillow", "simplejpeg")}}


def _flush(file: BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())
