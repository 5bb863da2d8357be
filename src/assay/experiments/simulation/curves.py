"""Learning curves of strategies: measured, and as draws with the noise of seeds and of val images.

A draw weights the val images by one bootstrap sample, the same for all strategies, seeds and budgets, and adds the
deviations of the seeds. The variance that both contain is subtracted, pooled over all curves: see
`assay.experiments.learning_curves`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from assay.experiments.learning_curves import LEVEL, Curves, seed_deviations
from assay.metrics.bootstrap import bootstrap_weights

DRAWS = 4000


def measure(
    quality: NDArray[np.bool_] | NDArray[np.float32], budgets: Sequence[int], seed: int, chosen_among: int = 1
) -> Curves:
    """Curves from `quality` (strategies, seeds, b, n) in 0…1, n images measured on, at least two seeds.

    `chosen_among`: number of strategies from which one was chosen on the same images, with other seeds. The draws of
    the images are widened by the ratio of the normal quantiles with and without Bonferroni correction.
    """
    strategies, seeds, b, n = quality.shape
    flat = quality.reshape(strategies, seeds, b, n)
    shares = flat.mean(1, dtype=np.float32).reshape(strategies * b, n)
    blocks = [weights @ shares.T / n for weights in bootstrap_weights(n, DRAWS, seed)]
    images = np.concatenate(blocks).astype(np.float64).reshape(DRAWS, strategies, b)
    each = flat.mean(-1, dtype=np.float64)
    luck = ndtri(1 - (1 - LEVEL) / 2 / chosen_among) / ndtri((1 + LEVEL) / 2)
    drawn = (
        each.mean(1)
        + luck * (images - images.mean(0))
        + seed_deviations(each, _disagreement(flat), DRAWS, seed)
    )
    return Curves(np.asarray(budgets, np.int64), each, drawn)


def _disagreement(quality: NDArray[np.bool_] | NDArray[np.float32]) -> float:
    """Variance of the mean quality of a seed that is due to single images, pooled over curves and budgets."""
    within = [float(one.var(0, ddof=1).mean()) for one in quality]
    return float(np.mean(within)) / int(quality.shape[-1])
