"""auto: the strategy that suits what the labels teach so far, watched by a random control arm.

A model that knows little is unsure about the wrong things, so few labels call for coverage; many, for coverage of what
it is unsure about (G. Hacohen, A. Dekel, D. Weinshall: Active Learning on a Budget: Opposite Strategies Suit High and
Low Budgets. ICML 2022). How many are many is a matter of the data: a probe on the labels is asked how many of those
that it has not seen it tells right. Where it never tells most of them, the number of labels decides in the end.

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
from assay.strategies._probe import classes, knowledge, taught

NEEDS_MODEL = False
NEEDS_EMBEDDINGS = True

LOW, HIGH = maxherding, uncertainty_herding
"""Who chooses with few labels, and with many: the best of those measured in `benchmarks/`."""
CONTROL, KNOWN, SWITCH = 0.05, 0.75, 50
"""Defaults of the options, see `select`."""
BEGIN = 10
"""Labels a class, on average, before which no control is asked for: so few could not tell anything yet."""


@dataclass(frozen=True)
class Decision:
    """Which strategy chooses, and on what evidence."""

    strategy: ModuleType
    why: str
    labels: int
    per_class: float
    knowledge: float
    """0…1, see `_probe.knowledge`."""
    comparison: Comparison | None

    @property
    def name(self) -> str:
        return self.strategy.__name__.rpartition(".")[2]


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    control: float = CONTROL,
    known: float = KNOWN,
    switch: int = SWITCH,
) -> NDArray[np.int64]:
    """`control` is the share of labels asked for at random.

    There are many labels when a probe tells `known` of those held out right, beyond chance, or with `switch` a class.
    Chosen on digits and hands, not on the data of `benchmarks/`, by area from 10 to 1,000 labels beside `maxherding`,
    twelve seeds: on digits from pixels, which labels teach soon, 0.7 has +0.8 points, 0.75 +0.6, 0.8 +0.3; on digits
    seen by `efficientnet_lite0`, which they don't, −0.3, −0.1, ±0.0; on hands all −0.1. `uncertainty_herding` from the
    beginning has +0.7, −2.8 and −2.4.
    """
    arm = in_control(pool, control)
    strategy = decide(pool, control=control, known=known, switch=switch).strategy
    out_of_reach = replace(pool, costs=np.where(arm, np.float32(np.inf), pool.costs))
    chosen = strategy.select(out_of_reach, budget, rng)
    drawn = np.flatnonzero(arm & ~pool.labelled)
    if pool.draws is not None:
        drawn = drawn[np.argsort(pool.draws[drawn], kind="stable")]
    queue = interleaved(chosen, drawn, owed(pool, arm, control, len(chosen) + len(drawn)))
    rest = np.setdiff1d(pool.unlabelled, queue)
    return affordable(np.concatenate([queue, rest]), pool.costs, budget)


@lru_cache(maxsize=1)
def decide(
    pool: Candidates, *, control: float = CONTROL, known: float = KNOWN, switch: int = SWITCH
) -> Decision:
    """By what the labels teach, unless the control arm contradicts."""
    labels = len(taught(pool))
    per_class = labels / max(classes(pool), 1)
    knows = knowledge(pool)
    found = compare(pool, in_control(pool, control))
    if found and found.worse:
        why = f"{labels} labels, but the chosen ones teach less than the random ones: {told(found)}"
        return Decision(random, why, labels, per_class, knows, found)
    evidence = told(found) if found else "too few random ones to compare with"
    few = knows < known and per_class < switch
    regime = (
        f"{labels} labels, {per_class:.0f} a class, teach a probe {knows:.0%} of what it has not seen: that is"
        f" {'few' if few else 'many'} ({known:.0%}, or {switch} a class); {evidence}"
    )
    return Decision(LOW if few else HIGH, regime, labels, per_class, knows, found)


def fixed(
    pool: Candidates, picks: NDArray[np.int64], *, control: float = CONTROL, **_: Any
) -> NDArray[np.bool_]:
    """(len(picks),) those whose place in the queue is not to be changed: the control would be none."""
    return in_control(pool, control)[picks]


def evidence(pool: Candidates, **options: Any) -> dict[str, Any]:
    """What was decided and why, for the record."""
    decision = decide(pool, **options)
    found = decision.comparison
    return {
        "strategy": decision.name,
        "why": decision.why,
        "labels": decision.labels,
        "knowledge": round(decision.knowledge, 6),
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
    control: float = CONTROL,
    known: float = KNOWN,
    switch: int = SWITCH,
) -> Explanation:
    """The words of the strategy that chose, or that it was control; and why it is this strategy."""
    decision = decide(pool, control=control, known=known, switch=switch)
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
