"""auto: the strategy that suits the number of labels there are, watched by a random control arm.

Few labels: coverage, as a model that knows little is unsure about the wrong things (G. Hacohen, A. Dekel, D. Weinshall:
Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets. ICML 2022). Many: coverage of what it is
unsure about.

A share of the labels is asked for at random; if all the chosen ones teach less than those few, beyond the noise, the
next are drawn at random too. What is compared, and what not: see `_arms.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.strategies import (
    Candidates,
    Explanation,
    affordable,
    explained,
    maxherding,
    random,
    uncertainty_herding,
)
from assay.strategies._arms import Comparison, compare, in_control
from assay.strategies._probe import classes, taught

NEEDS_MODEL = False
NEEDS_EMBEDDINGS = True

LOW, HIGH = maxherding, uncertainty_herding
"""Who chooses with few labels, and with many: the best of those measured in `benchmarks/`."""
BEGIN = 10
"""Labels a class, on average, before which no control is asked for: so few could not tell anything yet."""


@dataclass(frozen=True)
class Decision:
    """Which strategy chooses, and on what evidence."""

    strategy: ModuleType
    why: str
    labels: int
    per_class: float
    comparison: Comparison | None

    @property
    def name(self) -> str:
        return self.strategy.__name__.rpartition(".")[2]


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    control: float = 0.05,
    switch: int = 20,
) -> NDArray[np.int64]:
    """`control` is the share of labels asked for at random, `switch` the labels a class from which on many are many.

    The switch is where two replays of Fashion-MNIST (10,000 images) had it: 20 and 50 labels a class did equally well;
    `maxherding` all along had 0.9 points of area less from 1,000 to 5,000 labels, `uncertainty_herding` 4 up to 1,000.
    """
    arm = in_control(pool, control)
    strategy = decide(pool, control=control, switch=switch).strategy
    out_of_reach = replace(pool, costs=np.where(arm, np.float32(np.inf), pool.costs))
    chosen = strategy.select(out_of_reach, budget, rng)
    drawn = np.flatnonzero(arm & ~pool.labelled)
    if pool.draws is not None:
        drawn = drawn[np.argsort(pool.draws[drawn], kind="stable")]
    queue = interleaved(chosen, drawn, owed(pool, arm, control, len(chosen) + len(drawn)))
    rest = np.setdiff1d(pool.unlabelled, queue)
    return affordable(np.concatenate([queue, rest]), pool.costs, budget)


@lru_cache(maxsize=1)
def decide(pool: Candidates, *, control: float = 0.05, switch: int = 20) -> Decision:
    """By the number of labels, unless the control arm contradicts."""
    labels = len(taught(pool))
    per_class = labels / max(classes(pool), 1)
    found = compare(pool, in_control(pool, control))
    if found and found.worse:
        why = f"{labels} labels, but the chosen ones teach less than the random ones: {told(found)}"
        return Decision(random, why, labels, per_class, found)
    evidence = told(found) if found else "too few random ones to compare with"
    few = per_class < switch
    regime = (
        f"{labels} labels, {per_class:.0f} a class, are {'few' if few else 'many'} ({switch}); {evidence}"
    )
    return Decision(LOW if few else HIGH, regime, labels, per_class, found)


def fixed(
    pool: Candidates, picks: NDArray[np.int64], *, control: float = 0.05, switch: int = 20
) -> NDArray[np.bool_]:
    """(len(picks),) those whose place in the queue is not to be changed: the control would be none."""
    return in_control(pool, control)[picks]


def evidence(pool: Candidates, *, control: float = 0.05, switch: int = 20) -> dict[str, Any]:
    """What was decided and why, for the record."""
    decision = decide(pool, control=control, switch=switch)
    found = decision.comparison
    return {
        "strategy": decision.name,
        "why": decision.why,
        "labels": decision.labels,
        "comparison": None if found is None else {k: round(v, 6) for k, v in asdict(found).items()},
    }


def told(found: Comparison) -> str:
    """The evidence in words."""
    return (
        f"accuracy {found.chosen:.1%} after all {found.chosen_labels:,} chosen labels, {found.at_random:.1%} after the"
        f" {found.random_labels:,} random ones alone ({100 * (found.chosen - found.at_random):+.1f} points"
        f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}])"
    )


def owed(pool: Candidates, arm: NDArray[np.bool_], control: float, turns: int) -> NDArray[np.int64]:
    """(turns,) how many images of the control arm have to be among the first 1, 2, … that are asked now.

    What is lacking of the share is made up for at twice the pace, so that no batch is all control.
    """
    asked = 1 + np.arange(turns)
    beyond = pool.labelled.sum() + asked - BEGIN * classes(pool)
    lacking = np.floor(control * beyond) - (arm & pool.labelled).sum()
    most = np.floor(2 * control * asked) if classes(pool) else 0 * asked
    images: NDArray[np.int64] = np.clip(lacking, 0, most).astype(np.int64)
    return images


def interleaved(
    chosen: NDArray[np.int64], drawn: NDArray[np.int64], owed: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Both in their order; a drawn one where one is owed, or no other is left."""
    queue: list[int] = []
    mine, theirs = chosen.tolist()[::-1], drawn.tolist()[::-1]
    for many in owed.tolist():
        taken = len(drawn) - len(theirs)
        queue.append(theirs.pop() if theirs and (taken < many or not mine) else mine.pop())
    return np.array(queue, np.int64)


def explain(
    pool: Candidates,
    picks: NDArray[np.int64],
    categories: Sequence[str],
    *,
    control: float = 0.05,
    switch: int = 20,
) -> Explanation:
    """The words of the strategy that chose, or that it was control; and why it is this strategy."""
    decision = decide(pool, control=control, switch=switch)
    drawn = in_control(pool, control)[picks]
    told = iter(explained(decision.strategy, pool, picks[~drawn], categories, {}))
    why = f"{decision.name}, as {decision.why}"
    return [
        (0.0, "drawn at random, as the control that choosing has to beat")
        if is_drawn
        else _with(next(told), why)
        for is_drawn in drawn.tolist()
    ]


def _with(told: tuple[float, str], why: str) -> tuple[float, str]:
    return told[0], f"{told[1]}; {why}"
