"""auto: uncertainty herding, with random labels as a control.

`uncertainty_herding` moves from coverage to uncertainty as its probe improves; the calibration of the probe on
held-out labels sets the pace, not a number of labels. From BEGIN labels a class on, a share of the labels is drawn at
random, the control arm. If the chosen labels give a significantly lower accuracy than the control arm (`_arms.py`), the
whole next batch is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from assay.params.bounds import within
from assay.strategies import Candidates, Explanation, affordable, explained, random, uncertainty_herding
from assay.strategies._arms import ArmComparison, compare, control_arm, owed, waiting
from assay.strategies._probe import classes, taught

NEEDS = ("embeddings", "classes")

CONTROL = 0.05


@dataclass(frozen=True)
class Decision:
    """Which strategy chooses, and the comparison that it is based on."""

    strategy: ModuleType
    why: str
    labels: int
    comparison: ArmComparison | None

    @property
    def name(self) -> str:
        return self.strategy.__name__.rpartition(".")[2]


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    control: Annotated[float, within(0, 1)] = CONTROL,
) -> NDArray[np.int64]:
    """`control`: share of labels drawn at random. The strategy may choose all images but those drawn in this batch."""
    drawn = drawn_now(pool, control, _most(pool, budget))
    costs = pool.costs.copy()
    costs[drawn] = np.inf
    strategy = decide(pool, control=control).strategy
    chosen = strategy.select(replace(pool, costs=costs), budget, rng)
    queue = interleaved(chosen, drawn, owed(pool, control, len(chosen) + len(drawn)))
    rest = np.setdiff1d(pool.unlabelled, queue)
    return affordable(np.concatenate([queue, rest]), pool.costs, budget)


def _most(pool: Candidates, budget: float) -> int:
    """Most images that the budget pays for."""
    cheapest = float(pool.costs[~pool.labelled].min(initial=np.inf))
    return int(min(budget / cheapest, len(pool.unlabelled)))


def drawn_now(pool: Candidates, control: float, turns: int) -> NDArray[np.int64]:
    """Rows drawn at random among the next `turns` images, in their order."""
    due = owed(pool, control, turns)
    return waiting(pool)[: due[-1] if turns else 0]


@lru_cache(maxsize=1)
def decide(pool: Candidates, *, control: float = CONTROL) -> Decision:
    """`uncertainty_herding`, or `random` if the chosen labels are significantly worse than the control arm."""
    labels = len(taught(pool))
    found = compare(pool, control_arm(pool, control))
    if found and found.worse:
        why = f"{labels} labels, but the chosen ones do worse than the random ones: {comparison_sentence(found)}"
        return Decision(random, why, labels, found)
    said = comparison_sentence(found) if found else "too few random ones to compare with"
    why = f"{labels} labels, {labels / max(classes(pool), 1):.0f} a class; {said}"
    return Decision(uncertainty_herding, why, labels, found)


def fixed(
    pool: Candidates, picks: NDArray[np.int64], *, control: float = CONTROL, **_: Any
) -> NDArray[np.bool_]:
    """(len(picks),) True for images of the control arm: their place in the queue must not change."""
    return np.isin(picks, drawn_now(pool, control, len(picks)))


def evidence(pool: Candidates, **options: Any) -> dict[str, Any]:
    """The decision and its reason, for selection.json and MLflow."""
    decision = decide(pool, **options)
    found = decision.comparison
    return {
        "strategy": decision.name,
        "why": decision.why,
        "labels": decision.labels,
        "comparison": None if found is None else {k: round(v, 6) for k, v in asdict(found).items()},
    }


def comparison_sentence(found: ArmComparison) -> str:
    """The comparison as text."""
    return (
        f"accuracy {found.chosen:.1%} after all {found.chosen_labels:,} chosen labels, {found.at_random:.1%} after the"
        f" {found.random_labels:,} random ones alone ({100 * (found.chosen - found.at_random):+.1f} points"
        f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}])"
    )


def interleaved(
    chosen: NDArray[np.int64], drawn: NDArray[np.int64], owed: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Both in their order: a drawn row where one is owed or no chosen row is left."""
    queue: list[int] = []
    mine, theirs = chosen.tolist()[::-1], drawn.tolist()[::-1]
    for many in owed.tolist():
        taken = len(drawn) - len(theirs)
        queue.append(theirs.pop() if theirs and (taken < many or not mine) else mine.pop())
    return np.array(queue, np.int64)


def explain(
    pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str], *, control: float = CONTROL
) -> Explanation:
    """Reasons of the strategy that chose, or of the control arm; the first also says why this strategy."""
    decision = decide(pool, control=control)
    drawn = fixed(pool, picks, control=control)
    explanations = iter(explained(decision.strategy, pool, picks[~drawn], categories, {}))
    why = f"{decision.name}, as {decision.why}"
    return [
        (0.0, "drawn at random, for the control arm") if is_drawn else _with(next(explanations), why)
        for is_drawn in drawn.tolist()
    ]


def _with(explanation: tuple[float, str], why: str) -> tuple[float, str]:
    return explanation[0], f"{explanation[1]}; {why}"
