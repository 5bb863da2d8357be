"""Train and val images far from all others: another kind of image, a bad crop, or another origin.

    outlier    6.0  log-distance above its median, in robust standard deviations, from which on an image is an issue

The measure is the outlier score of `assay.labels.outliers`, 0.5 at the limit; score: 1 − outlier score.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.checks import Context
from assay.data.findings import Finding, findings
from assay.data.suspects import FOREIGN
from assay.labels.outliers import scores

LIMITS = {"outlier": 6.0}


def check(context: Context) -> pa.Table:
    """A row for each outlier. Score: 0.5 at the limit, lower farther out."""
    judged = context.judged_labels
    if judged is None:
        return findings([])
    outlier, distance = scores(judged.distance, context.limits["outlier"]), judged.distance
    middle = float(np.median(distance))
    rows: list[Finding] = [
        (
            context.labels.ids[row],
            float(1 - outlier[row]),
            True,
            f"{distance[row] / middle:.1f} times as far from its nearest images as half of them are",
            None,
        )
        for row in np.flatnonzero(outlier > FOREIGN).tolist()
    ]
    return findings(rows)
