"""TIFF: check of the tags that describe the pixels, before Pillow reads them (tag numbers of TIFF 6.0).

Pillow unpacks the samples but ignores some of the tags: 16-bit inversion, signs, subsampled planes. For files that it
would misread, the tags are changed in memory so that it reads them correctly; the others are refused.
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
    """Pillow's reader, which refuses files that it would misread. `inverted`: 0 is white; the caller has to invert."""

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
        """Change the tags in memory so that Pillow reads the samples unchanged."""
        if tags[PHOTOMETRIC] == MIN_IS_WHITE and max(tags.get(BITS, (1,))) > 8:
            self.inverted = True
            tags[PHOTOMETRIC] = MIN_IS_BLACK
        if tags[PHOTOMETRIC] == PALETTE and max(tags[COLOUR_MAP]) < 256:
            # 8-bit colours of old writers: libtiff scales them as well
            tags[COLOUR_MAP] = tuple(256 * value for value in tags[COLOUR_MAP])
        unpacked = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
        if unpacked and (tags[PHOTOMETRIC] == YCBCR or tags.get(PLANAR) == SEPARATE_PLANES):
            tags[COMPRESSION] = DEFLATED  # makes Pillow use libtiff, which reads the tags of the file itself


def check(tags: Any) -> None:
    """BadImage if Pillow would misread the tags of the first directory."""
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
    """Bits of a grey sample: those of its container, unless MaxSampleValue is that of a sensor, such as 4095."""
    tags = image.tag_v2
    bits: int = max(tags.get(BITS, (1,)))
    return SENSOR_WHITES.get(tags.get(MAX_VALUE, (0,))[0], bits)
