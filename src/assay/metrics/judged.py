"""`Judged`: predictions compared with labels. Each task implements it; bootstrap and comparisons need nothing else.

The bootstrap, paired comparisons, attribution, races and advice all compute the metrics of weighted samples. A metric
that is a function of weighted sums (accuracy, F1, log-loss, mean IoU) or of weighted cumulative sums (average
precision) can be computed for many weightings at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from assay.metrics.bootstrap import LEVELS, bootstrap_weights, percentiles, two_sided
from assay.metrics.estimates import Floats, bonett_price, estimate, mcnemar_p, paired_t, rounded, undefined

HALF = 0.5
"""Quality at or above which a sample counts as right, where a binary decision is needed."""


@dataclass(frozen=True)
class Mark:
    """One object on an image: annotated (`given`), or detected, `right` or `wrong`."""

    box: tuple[float, float, float, float]
    """x, y, width, height in pixels of the upright image."""
    kind: Literal["given", "right", "wrong"]
    words: str = ""
    mask: Mapping[str, Any] | None = None
    """The mask in the form of pycocotools; None: only the box is known."""


class Judged(ABC):
    """n predictions, each compared with its label."""

    METRICS: ClassVar[tuple[str, ...]]
    """Names of rows of `assay.metrics.table`, in the order in which they are shown."""
    OF_A_CLASS: ClassVar[tuple[str, ...]] = ()
    """Names of the metrics of single classes, which `of_classes` returns."""
    SHARE_RIGHT: ClassVar[str | None] = None
    """The metric that is the mean of `quality`, where quality is 0 or 1: its intervals and p-values are exact."""
    BIAS: ClassVar[Mapping[str, float]] = {}
    """Metric that noise increases -> factor: its bias is the factor times (bootstrap mean − value)."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def quality(self) -> Floats:
        """(n,) quality of each prediction, from 0 (wrong) to 1 (right)."""

    @abstractmethod
    def values(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        """METRICS under each of b weightings (b, n): (b,) each, NaN where undefined. None: every sample once, b = 1."""

    @abstractmethod
    def take(self, rows: Any) -> Self:
        """Some of the samples, given by a mask or by indices."""

    @property
    @abstractmethod
    def words(self) -> list[str]:
        """(n,) the predictions as text."""

    @property
    @abstractmethod
    def content(self) -> tuple[bytes, bytes]:
        """(predictions, labels) as bytes, equal if and only if they are bitwise equal."""

    @property
    def confidence(self) -> Floats:
        """(n,) the model's confidence, 0…1; NaN if it gives none."""
        return np.full(len(self), np.nan)

    def objects_on(self, row: int) -> list[Mark]:
        """Marks to draw on the image of one sample; [] if the prediction is of the whole image."""
        return []

    @property
    def classes(self) -> int:
        """Number of classes in `of_classes`."""
        return 0

    def of_classes(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        """OF_A_CLASS under each of b weightings (b, n): (b, classes) each."""
        return {}

    def per_class(self, categories: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Estimates of the metrics of each class, by its name."""
        return {}

    def interval(self, name: str, value: float, drawn: Floats) -> tuple[float, float]:
        """95 % interval of a metric from its bootstrap replicates (b,)."""
        return percentiles(value, drawn)

    def floors(self) -> tuple[dict[str, float], dict[str, Floats]]:
        """Least variance of a paired difference: by metric, and by metric of a class (classes,)."""
        return {}, {}


def measure(judged: Judged, replicates: int, seed: int) -> dict[str, Any]:
    """Metric -> {"value", "low", "high", "n"}; null values without samples."""
    n = len(judged)
    if not n:
        return {name: undefined() for name in judged.METRICS}
    values, drawn = judged.values(), replicate([judged], replicates, seed)[0]
    return {name: _estimate(judged, name, float(values[name][0]), drawn[name], n) for name in judged.METRICS}


def _estimate(judged: Judged, name: str, value: float, drawn: Floats, n: int) -> dict[str, Any]:
    if not np.isfinite(value):
        return undefined()
    return estimate(value, *judged.interval(name, value, drawn), n)


def compare(challenger: Judged, champion: Judged, replicates: int, seed: int) -> dict[str, Any]:
    """Challenger − champion on the same samples: {"difference": {metric: {…, "p_value"}}, "mcnemar": {…}}.

    SHARE_RIGHT has the interval of Bonett & Price (2012), which does not collapse if the models never disagree, and
    McNemar's exact p. The other metrics have those of the paired bootstrap, with the same draws for both models.
    """
    n, names, exact = len(challenger), challenger.METRICS, challenger.SHARE_RIGHT
    if not n:
        return {"difference": {name: undefined() | {"p_value": None} for name in names}, "mcnemar": None}
    new, old = replicate([challenger, champion], replicates, seed)
    values = [judged.values() for judged in (challenger, champion)]
    differences = {
        name: _difference(float(values[0][name][0] - values[1][name][0]), new[name] - old[name], n)
        for name in names
    }
    if exact is None:
        return {"difference": differences, "mcnemar": None}
    differences[exact] = mean_difference(challenger.quality, champion.quality)
    better, worse = _discordant(challenger.quality, champion.quality)
    mcnemar = {"only_challenger": better, "only_champion": worse, "p_value": differences[exact]["p_value"]}
    return {"difference": differences, "mcnemar": mcnemar}


def _difference(value: float, drawn: Floats, n: int) -> dict[str, Any]:
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(drawn):
        return undefined() | {"p_value": None}
    low, high = (float(x) for x in np.percentile(drawn, LEVELS))
    return estimate(value, low, high, n) | {"p_value": rounded(two_sided(drawn))}


def mean_difference(new: Floats, old: Floats) -> dict[str, Any]:
    """Mean of new − old quality (n,), with its 95 % interval and p.

    By Bonett & Price (2012) and McNemar if all qualities are 0 or 1, otherwise by Student's paired t.
    """
    n = len(new)
    if is_binary(new) and is_binary(old):
        better, worse = _discordant(new, old)
        row = estimate((better - worse) / n, *bonett_price(better, worse, n), n)
        return row | {"p_value": rounded(mcnemar_p(better, worse))}
    value, low, high, p = paired_t(new - old)
    return estimate(value, max(low, -1.0), min(high, 1.0), n) | {"p_value": rounded(p)}


def is_binary(quality: Floats) -> bool:
    return bool(np.isin(quality, (0.0, 1.0)).all())


def is_right(quality: Floats) -> NDArray[np.bool_]:
    """(n,) whether each sample counts as right."""
    right: NDArray[np.bool_] = quality >= HALF
    return right


def _discordant(new: Floats, old: Floats) -> tuple[int, int]:
    """Number of samples that are right in `new` only, and in `old` only."""
    now, was = is_right(new), is_right(old)
    return int((now & ~was).sum()), int((was & ~now).sum())


def replicate(models: Sequence[Judged], replicates: int, seed: int) -> list[dict[str, Floats]]:
    """Metric -> (replicates,) for each model; all models have the same bootstrap draws."""
    drawn: list[list[dict[str, Floats]]] = [[] for _ in models]
    for weights in bootstrap_weights(len(models[0]), replicates, seed):
        for parts, judged in zip(drawn, models, strict=True):
            parts.append(judged.values(weights))
    return [
        {name: np.concatenate([part[name] for part in parts]) for name in judged.METRICS}
        for parts, judged in zip(drawn, models, strict=True)
    ]
