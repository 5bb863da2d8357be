"""Training and validation images far from all others: of another kind, badly cropped, or from another place.

    outlier    6.0  robust standard deviations of the log-distance beyond the middle from which on it is an issue

Measured is the mean distance of the embedding to its nearest neighbours (50, fewer in small sets) among the labelled
images: S. Ramaswamy, R. Rastogi, K. Shim: Efficient algorithms for mining outliers. SIGMOD 2000. Its logarithm is near
to normal; median and median absolute deviation (Hampel) are not moved by the outliers themselves.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.checks import Context
from assay.data.findings import Finding, findings

LIMITS = {"outlier": 6.0}
NORMAL = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


def check(context: Context) -> pa.Table:
    """A row for each outlier; score: 0.5 at the limit, less the farther out."""
    judged = context.judged_labels
    if judged is None:
        return findings([])
    apart = judged.distance.astype(np.float64)
    logs = np.log(np.maximum(apart, np.finfo(np.float32).tiny))
    middle = float(np.median(logs))
    spread = NORMAL * float(np.median(np.abs(logs - middle)))
    if not spread > 0:
        return findings([])
    beyond, limit = (logs - middle) / spread, context.limits["outlier"]
    rows: list[Finding] = [
        (
            context.labels.ids[row],
            float(np.clip(0.5 * limit / beyond[row], 0, 0.5)),
            True,
            f"{apart[row] / np.exp(middle):.1f} times as far from its nearest images as half of them are",
            None,
        )
        for row in np.flatnonzero((beyond > limit) & np.isfinite(apart)).tolist()
    ]
    return findings(rows)
