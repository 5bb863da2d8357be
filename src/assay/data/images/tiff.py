"""TIFF: what a file declares about its pixels, checked before Pillow reads them (tag numbers of TIFF 6.0).

Pillow unpacks the samples but leaves some of their meaning out: 16-bit inversion, signs, subsampled planes. What it
would get wrong is read as something that it gets right, or refused.
"""

from __future__ import annotations

from typing import Any

from PIL import TiffImagePlugin

from assay.errors import BadImage

SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, PLANAR = 254, 258, 259, 262, 284
MAX_VALUE, COLOUR_MAP, INK_SET, EXTRA, SAMPLE_FORMAT = 281, 320, 332, 338, 339
MIN_IS_WHITE, MIN_IS_BLACK, PALETTE, SEPARATED, YCBCR = 0, 1, 3, 5, 6
GREYS = (MIN_IS_WHITE, MIN_IS_BLACK)
RAW_PHOTOMETRICS = (32803, 34892)
REDUCED = 1
UNCOMPRESSED, DEFLATED = 1, 8
SEPARATE_PLANES = 2
CMYK_INKS = 1
UNSPECIFIED = 0
SIGNED, FLOAT = {2, 5}, {3, 6}
SENSOR_WHITES = {2**bits - 1: bits for bits in range(9, 16)}


class Tiff(TiffImagePlugin.TiffImageFile):
    """Pillow's reader, stopped at what it would misread. `inverted`: 0 is white, which is still to be undone."""

    inverted = False

    def _setup(self) -> None:
        check(self.tag_v2)
        self._reword(self.tag_v2)
        try:
            super()._setup()
        except SyntaxError:
            kind = f"photometric {self.tag_v2[PHOTOMETRIC]}, {self.tag_v2.get(BITS, (1,))} bits"
            raise BadImage(f"unsupported: TIFF of {kind}") from None

    def _reword(self, tags: Any) -> None:
        """Change the tags in memory to what makes Pillow read the samples as they are."""
        if tags[PHOTOMETRIC] == MIN_IS_WHITE and max(tags.get(BITS, (1,))) > 8:
            self.inverted = True
            tags[PHOTOMETRIC] = MIN_IS_BLACK
        if tags[PHOTOMETRIC] == PALETTE and max(tags[COLOUR_MAP]) < 256:
            # colours of 8 bits, by old writers: libtiff takes them so, too
            tags[COLOUR_MAP] = tuple(256 * value for value in tags[COLOUR_MAP])
        unpacked = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
        if unpacked and (tags[PHOTOMETRIC] == YCBCR or tags.get(PLANAR) == SEPARATE_PLANES):
            tags[COMPRESSION] = DEFLATED  # Pillow leaves these to libtiff, which looks at the file itself


def check(tags: Any) -> None:
    """BadImage unless the tags of the first directory say what Pillow takes them to say."""
    photometric, bits = tags.get(PHOTOMETRIC), max(tags.get(BITS, (1,)))
    sensor = SENSOR_WHITES.get(tags.get(MAX_VALUE, (0,))[0]) if bits > 8 else None
    packing = tags.get(COMPRESSION, UNCOMPRESSED)
    formats = set(tags.get(SAMPLE_FORMAT, (1,)))
    troubles = {
        "corrupt: no photometric interpretation": photometric is None,
        "unsupported: camera raw": photometric in RAW_PHOTOMETRICS,
        "unsupported: a preview of another picture": tags.get(SUBFILE, 0) & REDUCED,
        "unsupported: signed pixels": formats & SIGNED,
        "unsupported: floating-point pixels": formats & FLOAT,
        f"unsupported: {bits}-bit pixels": bits > 16,
        "unsupported: inks other than CMYK": tags.get(INK_SET, CMYK_INKS) != CMYK_INKS,
        "unsupported: several grey channels": photometric in GREYS and UNSPECIFIED in tags.get(EXTRA, ()),
        f"unsupported: TIFF compression {packing}": packing not in TiffImagePlugin.COMPRESSION_INFO,
        f"unsupported: colours of {sensor} bits": sensor and photometric not in GREYS,
        "corrupt: colour map": photometric == PALETTE and len(tags.get(COLOUR_MAP, ())) != 3 << bits,
    }
    if trouble := next((name for name, is_so in troubles.items() if is_so), None):
        raise BadImage(trouble)


def declared_bits(image: Tiff) -> int:
    """The bits a grey sample has: those of its container, unless MaxSampleValue is the white of a sensor, as 4095."""
    tags = image.tag_v2
    bits: int = max(tags.get(BITS, (1,)))
    return SENSOR_WHITES.get(tags.get(MAX_VALUE, (0,))[0], bits)
