"""What the pixels of a file are compared by: for the formats, whose tests work out themselves what they should be."""

from __future__ import annotations

import numpy as np

from assay.data.images.decode import decode, inspect


def check(data, expected, close=0):
    """Size, colour and luma of a file are those of `expected`, RGB (h, w, 3), within `close` levels."""
    info = inspect(data, 10**6)
    assert (info.height, info.width) == expected.shape[:2]
    assert np.abs(decode(data).astype(int) - expected).max() <= close
    luma = expected @ [0.299, 0.587, 0.114]
    assert np.abs(decode(data, "gray")[..., 0].astype(int) - luma).max() <= close + 1


def eight(values, bits):
    """The eight highest bits; fewer than eight are spread over 0…255."""
    return values >> (bits - 8) if bits >= 8 else values * 255 // (2**bits - 1)


def grey(values):
    """(h, w, 1) -> (h, w, 3)"""
    return np.repeat(values, 3, axis=2)


def over_white(colour, alpha):
    return colour * (alpha / 255) + 255 - alpha
