"""Where the model is worse than elsewhere: slices by metadata and clusters of images, with intervals.

One-sided exact tests (Fisher) of a slice against the rest of the test images, with Holm's correction for the number of
slices: of twenty slices alike, one would look worse at 5 % by chance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.metrics.estimates import holm, wilson

LEAST = 20
"""Images of a slice, below which nothing is said of it."""
MOST_VALUES = 20
"""Numbers are cut at their quartiles, texts with more values than this are no slices."""
CLUSTERS = 10
LEVEL = 0.05

Rows = NDArray[np.bool_]


def worse_slices(
    right: Rows,
    metadata: Sequence[str | None],
    columns: Sequence[str],
    vectors: NDArray[np.float32] | None,
    seed: int,
) -> dict[str, Any]:
    """Of n measured images: whether the model is right (n,), their metadata as JSON, the columns to slice by, vectors.

    The slices that are worse than the rest, the surest first, and how many were tested.
    """
    named = [*_by_metadata(metadata, columns), *_by_cluster(vectors, seed)]
    tested = [(name, rows) for name, rows in named if LEAST <= rows.sum() <= len(rows) - LEAST]
    chances = [_chance(right, rows) for _, rows in tested]
    found = [
        _row(name, right, rows, p) for (name, rows), p in zip(tested, holm(chances), strict=True) if p < LEVEL
    ]
    return {"tested": len(tested), "rows": sorted(found, key=lambda row: (row["p_holm"], row["name"]))}


def _chance(right: Rows, rows: Rows) -> float:
    from scipy.stats import fisher_exact

    inside, outside = right[rows], right[~rows]
    table = np.array([[inside.sum(), (~inside).sum()], [outside.sum(), (~outside).sum()]])
    return float(fisher_exact(table, alternative="less").pvalue)


def _row(name: str, right: Rows, rows: Rows, p: float) -> dict[str, Any]:
    low, high = wilson(int(right[rows].sum()), int(rows.sum()))
    return {
        "name": name,
        "n": int(rows.sum()),
        "accuracy": float(right[rows].mean()),
        "low": low,
        "high": high,
        "rest": float(right[~rows].mean()),
        "p_holm": p,
    }


def _by_metadata(metadata: Sequence[str | None], columns: Sequence[str]) -> Iterator[tuple[str, Rows]]:
    held = [json.loads(text) if text else {} for text in metadata]
    for column in columns:
        values = [row.get(column) for row in held]
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) == len(values) and len(set(numbers)) > MOST_VALUES:
            yield from _quarters(column, np.array(numbers, float))
        elif len(names := sorted({str(v) for v in values if v is not None})) <= MOST_VALUES:
            for name in names:
                yield f"{column} = {name}", np.array([str(v) == name for v in values])


def _quarters(column: str, numbers: NDArray[np.float64]) -> Iterator[tuple[str, Rows]]:
    edges = np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1])
    for place, (low, high) in enumerate(pairwise(edges.tolist())):
        inside = (numbers >= low) & ((numbers < high) if place < 3 else (numbers <= high))
        yield f"{column} {low:.3g} to {high:.3g}", inside


def _by_cluster(vectors: NDArray[np.float32] | None, seed: int) -> Iterator[tuple[str, Rows]]:
    """Groups of images that look alike, by k-means on their embeddings."""
    if vectors is None or len(vectors) < CLUSTERS * LEAST:
        return
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        numbers = KMeans(CLUSTERS, n_init=1, random_state=seed).fit_predict(vectors)
    for number in range(CLUSTERS):
        yield f"images like cluster {number}", numbers == number
