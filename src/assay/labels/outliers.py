"""Outlier score: how far the embedding of an image is from its nearest labelled images, relative to the others.

The score is based on the mean distance to the nearest neighbours (50, fewer in small sets), after S. Ramaswamy,
R. Rastogi, K. Shim: Efficient algorithms for mining outliers. SIGMOD 2000. The logarithm of the distance is close to
normal. It is standardised with median and median absolute deviation (Hampel), which outliers do not shift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.labels.beliefs import Floats

Scores = NDArray[np.float64]

NORMAL = 1.4826
"""Standard deviation of a normal distribution divided by its median absolute deviation."""


def deviations(distance: Floats) -> Scores:
    """(n,) z: log-distance above its median, in robust standard deviations; 0 where it is undefined."""
    logs = np.log(np.maximum(distance.astype(np.float64), np.finfo(np.float32).tiny))
    with np.errstate(invalid="ignore", divide="ignore"):  # ∞ where there are no neighbours
        middle = np.median(logs)
        spread = NORMAL * np.median(np.abs(logs - middle))
        z = (logs - middle) / spread
    return np.where(np.isfinite(z), z, 0.0)


def scores(distance: Floats, limit: float) -> Scores:
    """(n,) z⁴ / (z⁴ + limit⁴): 0 up to the median, 0.5 at the limit, towards 1 above it.

    The fourth power keeps the score of ordinary images near 0: it hardly changes their place in the combined order.
    """
    power = np.maximum(deviations(distance), 0.0) ** 4
    return np.asarray(power / (power + limit**4))
