"""Whatever kind of image ingest takes in, every later stage reads: one table of modes, each with every consumer."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.data.images.decode import decode, decode_resized, inspect, thumbnail
from assay.data.images.decoded import DecodedCache
from assay.data.pool import Pool
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.reports import pictures
from assay.stages import embed, ingest

SIZE = (20, 14)
MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B"),
    "GIF": ("P",),
    "BMP": ("1", "L", "P", "RGB"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
}


def picture(mode: str, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    if mode in ("I;16", "I;16B", "LAB", "YCbCr", "CMYK"):
        size = SIZE[0] * SIZE[1] * {"I;16": 2, "I;16B": 2, "CMYK": 4}.get(mode, 3)
        return Image.frombytes(mode, SIZE, rng.bytes(size))
    return (
        Image.fromarray(rng.integers(0, 256, (*SIZE[::-1], 4), dtype=np.uint8)).convert("RGB").convert(mode)
    )


def encoded(kind: str, mode: str, seed: int) -> bytes:
    file = io.BytesIO()
    picture(mode, seed).save(file, kind)
    return file.getvalue()


IMAGES = {
    f"{kind}-{mode}".replace(";", ""): encoded(kind, mode, n)
    for n, (kind, mode) in enumerate((kind, mode) for kind, modes in MODES.items() for mode in modes)
}


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_taken_in_can_be_read_in_every_way(name: str) -> None:
    data = IMAGES[name]
    info = inspect(data, 10**6)
    colour, grey = decode(data, "rgb"), decode(data, "gray")
    assert colour.shape == (*SIZE[::-1], 3) == (info.height, info.width, 3)
    luma = colour.astype(float) @ [0.299, 0.587, 0.114]
    jpeg = name == "JPEG-RGB"  # its Y, which its colours may have been cut off from
    assert np.abs(grey[..., 0] - luma).max() <= (255 if jpeg else 1)
    for color, channels in (("rgb", 3), ("gray", 1)):
        small = decode_resized(data, 9, color)  # type: ignore[arg-type]
        assert small.shape == (9, 9, channels)
        assert abs(small.mean() - decode(data, color).mean()) < 6  # type: ignore[arg-type]
    assert inspect(thumbnail(data, 12), 10**6).format == "JPEG"


def test_a_pool_of_every_mode_goes_through_every_stage(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "any"
    folder.mkdir(parents=True)
    for name, data in IMAGES.items():
        (
            folder / f"{name}.{name.split('-')[0].lower().replace('ppm', 'pgm').replace('jpeg2000', 'jp2')}"
        ).write_bytes(data)
    source = {"name": "s", "format": "imagefolder", "path": "raw"}
    params = parse_params({"ingest": {"sources": [source]}, "embed": {"options": {"size": 4}}})
    layout = Layout(tmp_path)
    book = ingest.run(params, layout, silent)["sources"]["s"]
    assert (book["files"], book["samples"], book["reasons"]) == (len(IMAGES), len(IMAGES), {})
    assert embed.run(params, layout, silent)["images"] == len(IMAGES)
    pool = Pool.open(layout.pool)
    for color in ("rgb", "gray"):
        cache = DecodedCache(tmp_path / "cache", 8, color)  # type: ignore[arg-type]
        rows = cache.rows(pool, pool.ids, silent)
        plain = [decode_resized(pool.read(sample), 8, color) for sample in pool.ids]  # type: ignore[arg-type]
        assert (cache.pixels[rows] == np.stack(plain)).all()
    assert len(pictures.thumbnails(pool.ids, pool)) == len(IMAGES)
