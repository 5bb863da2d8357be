"""Metrics of counts: share of exact counts, and mean absolute error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.metrics.estimates import Floats, wilson
from assay.metrics.judged import Judged
from assay.metrics.table import OF_TASK

METRICS = OF_TASK["counting"]


def judge(table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]) -> Counted:
    """Compare the column `count` with the labels; categories are ignored."""
    return Counted(np.asarray(table["count"], np.float32), np.array(labels, np.float32))


@dataclass(frozen=True)
class Counted(Judged):
    """Predicted counts (n,), not rounded, and the right ones (n,)."""

    METRICS: ClassVar = METRICS

    counts: NDArray[np.float32]
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def errors(self) -> Floats:
        """(n,) |count − truth|, the count not rounded."""
        return np.abs(self.counts.astype(np.float64) - self.targets)

    @property
    def exact(self) -> NDArray[np.bool_]:
        """(n,) whether the count, rounded, is the truth."""
        right: NDArray[np.bool_] = np.round(self.counts) == self.targets
        return right

    @property
    def quality(self) -> Floats:
        """(n,) 1 − |rounded count − truth| / truth, at least 0; the divisor is at least 1."""
        off = np.abs(np.round(self.counts.astype(np.float64)) - self.targets)
        quality: Floats = np.maximum(0.0, 1 - off / np.maximum(self.targets, 1))
        return quality

    @property
    def words(self) -> list[str]:
        return [str(round(count)) for count in self.counts.tolist()]

    @property
    def content(self) -> tuple[bytes, bytes]:
        return self.counts.tobytes(), self.targets.tobytes()

    def take(self, rows: Any) -> Counted:
        return Counted(self.counts[rows], self.targets[rows])

    def values(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        weights = np.ones((1, len(self)), np.float32) if weights is None else weights
        terms = np.stack([self.exact, self.errors], axis=1)
        means = (weights @ terms) / weights.sum(1, keepdims=True)
        return dict(zip(self.METRICS, means.T, strict=True))

    def interval(self, name: str, value: float, drawn: Floats) -> tuple[float, float]:
        if name == "exact":
            return wilson(float(self.exact.sum()), len(self))
        return super().interval(name, value, drawn)
