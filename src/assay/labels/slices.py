"""Slices of the test images on which the model is worse: by metadata, and by clusters of the embeddings.

Each slice is compared with the rest of the test images by Fisher's exact test, one-sided, with Holm's correction:
uncorrected, one of twenty equal slices would be significant at 5 %.
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
"""Least number of images in a slice, and outside it, for a test."""
MOST_VALUES = 20
"""With more values than this, numbers are cut at their quartiles, and texts make no slices."""
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
    """Slices significantly worse than the rest, by rising p, and the number of slices tested.

    Of n test images: `right` (n,), whether the prediction is right; `metadata` (n,), JSON or None; `columns` of it to
    slice by; `vectors` (n, d), embeddings to cluster.
    """
    found, tested = significant(right, metadata, columns, vectors, seed)
    return {"tested": tested, "rows": [row for row, _ in found]}


def significant(
    right: Rows,
    metadata: Sequence[str | None],
    columns: Sequence[str],
    vectors: NDArray[np.float32] | None,
    seed: int,
) -> tuple[list[tuple[dict[str, Any], Rows]], int]:
    """The slices of `worse_slices`, each with its images (n,), and the number of slices tested."""
    named = [*_by_metadata(metadata, columns), *_by_cluster(vectors, seed)]
    tested = [(name, rows) for name, rows in named if LEAST <= rows.sum() <= len(rows) - LEAST]
    chances = [_chance(right, rows) for _, rows in tested]
    found = [
        (_row(name, right, rows, p), rows)
        for (name, rows), p in zip(tested, holm(chances), strict=True)
        if p < LEVEL
    ]
    return sorted(found, key=lambda one: (one[0]["p_holm"], one[0]["name"])), len(tested)


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
    """Clusters of the embeddings (k-means); none with fewer than CLUSTERS × LEAST images."""
    if vectors is None or len(vectors) < CLUSTERS * LEAST:
        return
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        numbers = KMeans(CLUSTERS, n_init=1, random_state=seed).fit_predict(vectors)
    for number in range(CLUSTERS):
        yield f"images like cluster {number}", numbers == number
