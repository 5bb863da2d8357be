"""Small images for formats of objects, with an Exif orientation if wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw_image(tmp_path: Path) -> Draw:
    """`draw_image("images/1.jpg", (20, 10), orientation=6)`: a file of width × height px as stored."""

    def draw(name: str, size: tuple[int, int] = (20, 10), orientation: int = 1) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x112] = orientation
        shade = sum(name.encode()) % 256
        Image.new("L", size, shade).save(file, exif=exif)
        return file

    return draw
