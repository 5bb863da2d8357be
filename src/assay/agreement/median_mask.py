"""The consensus of several masks of one object: pixels that more than half of the people marked.

With an even number of people pixels are tied. The median of the signed distances to the outlines decides them: it has
the sign of the majority where there is one, and lies between the two middle outlines elsewhere. Distances are those of
T. Rohlfing, C. Maurer: Shape-based averaging, IEEE TIP 2007, who take the mean: one outline that is far off moves it.
STAPLE (S. Warfield et al., 2004) was no better on simulated people: benchmarks/README.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from assay.data import runs
from assay.data.masks import Mask, box_of_mask, encode
from assay.data.outlines import RLE


def median_mask(masks: list[RLE]) -> RLE | None:
    """The median of masks of one image; None if it is empty. Of equal masks it is that mask."""
    height, width = masks[0].size
    boxes = np.array([box_of_mask(one) for one in masks])
    left, top = boxes[:, :2].min(0).astype(int)
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(0).astype(int)
    window = slice(top, bottom), slice(left, right)
    inside = np.median([signed_distance(_part(one, window)) for one in masks], axis=0) > 0
    whole = np.zeros((height, width), bool, order="F")
    whole[window] = inside
    return encode(whole) if inside.any() else None


def _part(mask: RLE, window: tuple[slice, slice]) -> Mask:
    """The window of a mask, without the cost of turning the whole image round, as `decode` does."""
    lengths = runs.uncompressed(mask.counts)
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    height, width = mask.size
    return pixels.reshape(width, height).T[window]


def signed_distance(mask: Mask) -> NDArray[np.float64]:
    """(h, w) pixels from the centre of each pixel to the outline: positive inside, negative outside and beyond."""
    held = np.pad(mask, 1)
    far = ndimage.distance_transform_edt
    distance: NDArray[np.float64] = np.where(held, far(held) - 0.5, 0.5 - far(~held))
    return distance[1:-1, 1:-1]
