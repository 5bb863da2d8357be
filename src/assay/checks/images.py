"""Images of low quality: blank, too small, of odd shape, dark, bright, blurred.

Each limit is a name of `audit.limits`, each measure a column of `assay.data.images.traits`, 0…1 unless stated:

    blank         0.02  standard deviation of the luma
    small           16  pixels of the shorter side
    odd_aspect    0.35  shorter side over longer
    dark          0.32  99th percentile of the luma: even the highlights are dark
    bright        0.95  5th percentile of the luma: even the shadows are bright
    blurry         0.3  deviation of the Laplacian over that of the image, at 64 pixels or fewer

The limits of dark, bright and aspect are cleanvision's. A blank image is not reported as dark, bright or blurry as
well. These three also require that the image is unusual in the data set: drawings on white paper are not all bright.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context
from assay.data.findings import Finding, findings

LIMITS = {"blank": 0.02, "small": 16.0, "odd_aspect": 0.35, "dark": 0.32, "bright": 0.95, "blurry": 0.3}

Columns = dict[str, np.ndarray]
Measure = tuple[str, Callable[[Columns], np.ndarray], bool, str]

MEASURES: tuple[Measure, ...] = (
    ("blank", lambda t: t["contrast"], False, "blank: contrast {value:.3f} < {limit:g}"),
    ("small", lambda t: np.minimum(t["width"], t["height"]), False, "too small: {value:.0f} px < {limit:g}"),
    (
        "odd_aspect",
        lambda t: _aspect(t),
        False,
        "odd aspect: shorter side {value:.2f} of the longer < {limit:g}",
    ),
    ("dark", lambda t: t["percentile_99"], False, "very dark: 99th percentile {value:.2f} < {limit:g}"),
    ("bright", lambda t: t["percentile_5"], True, "very bright: 5th percentile {value:.2f} > {limit:g}"),
    ("blurry", lambda t: t["sharpness"], False, "blurry: sharpness {value:.2f} < {limit:g}"),
)
"""(name of the limit, measure, whether higher is worse, format of the reason)."""
RELATIVE = ("dark", "bright", "blurry")
"""Not reported for blank images, nor for values that are usual in the data set."""
MANY = 20
"""Least number of images for which a value can be usual."""
UNUSUAL, NORMAL, LEAST_SPREAD = 3.0, 1.4826, 0.01
"""Robust standard deviations from the median of an unusual value; standard deviation of a normal distribution over its
median absolute deviation; least standard deviation."""


def check(context: Context) -> pa.Table:
    """One row for each image that exceeds a limit, with all limits it exceeds."""
    columns = _columns(context)
    ids = context.kept["id"].to_pylist()
    reasons: dict[int, list[str]] = {}
    scores = np.ones(len(ids))
    blank = columns["contrast"] < context.limits["blank"]
    for name, measure, more_is_worse, text in MEASURES:
        values, limit = measure(columns), context.limits[name]
        beyond = values > limit if more_is_worse else values < limit
        if name in RELATIVE:
            beyond &= ~blank & unusual(values, more_is_worse)
        for row in np.flatnonzero(beyond).tolist():
            value = float(values[row])
            reasons.setdefault(row, []).append(text.format(value=value, limit=limit))
            scores[row] = min(scores[row], _score(value, limit, more_is_worse))
    rows: list[Finding] = [
        (ids[row], scores[row], True, "; ".join(why), None) for row, why in reasons.items()
    ]
    return findings(rows)


def unusual(values: np.ndarray, more_is_worse: bool) -> np.ndarray:
    """(n,) whether each value is far from the median in the worse direction; all True with fewer than MANY images."""
    if len(values) < MANY:
        return np.ones(len(values), bool)
    middle = np.median(values)
    spread = max(NORMAL * float(np.median(np.abs(values - middle))), LEAST_SPREAD)
    apart = (values - middle) / spread
    return np.asarray((apart if more_is_worse else -apart) > UNUSUAL)


def _score(value: float, limit: float, more_is_worse: bool) -> float:
    """0.5 at the limit, falling to 0 at the end of the scale."""
    share = (1 - value) / (1 - limit) if more_is_worse else value / limit
    return float(np.clip(share / 2, 0, 0.5))


def _aspect(t: Columns) -> np.ndarray:
    return np.asarray(np.minimum(t["width"], t["height"]) / np.maximum(t["width"], t["height"]))


def _columns(context: Context) -> Columns:
    """{column: (n,)} width, height and statistics of the samples that are not excluded."""
    kept, table = context.kept, context.embeddings.traits
    rows = pc.index_in(kept["id"].combine_chunks(), value_set=table["id"].combine_chunks())
    measured = {name: table[name].take(rows).to_numpy() for name in table.column_names if name != "id"}
    return measured | {name: kept[name].to_numpy().astype(np.float64) for name in ("width", "height")}
