import io

import numpy as np
from PIL import Image

from assay.data.images.png import check_png, encode_png


def test_the_pixels_come_back():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9), dtype=np.uint8)
    data = encode_png(pixels)
    check_png(data)
    assert (np.asarray(Image.open(io.BytesIO(data))) == pixels).all()


def test_the_bytes_are_the_same_on_every_machine():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert encode_png(pixels).hex() == (
        "89504e470d0a1a0a0000000d4948445200000003000000020800000000b81f39"
        "c600000013494441547801010800f7ff0000010200030405002e00105dd9c116"
        "0000000049454e44ae426082"
    )
