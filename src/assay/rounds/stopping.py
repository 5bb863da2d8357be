"""Rules that end the rounds, each with a reason. Rules on the metric use its whole interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.metrics.table import named
from assay.params import Iterate
from assay.rounds.record import RoundRecord, spent

NOTHING_LEFT = "nothing left to ask"


@dataclass(frozen=True)
class StoppingReason:
    """The rule that ends the rounds, and its reason as a sentence."""

    rule: str
    why: str


def reason(rounds: Sequence[RoundRecord], rules: Iterate) -> StoppingReason | None:
    """The first rule that applies after these rounds; None: go on."""
    if not rounds:
        return None
    for rule in (_target, _plateau, _random_wins, _budget, _rounds):
        if (stop := rule(rounds, rules)) is not None:
            return stop
    return None


def _target(rounds: Sequence[RoundRecord], rules: Iterate) -> StoppingReason | None:
    """Stop if the whole interval of the metric on test has reached the target."""
    last = rounds[-1]
    if rules.target is None or last.test is None:
        return None
    row = named(last.metric)
    which, end = ("lower", "low") if row.higher_is_better else ("upper", "high")
    if row.sign * last.test[end] < row.sign * rules.target:
        return None
    told = f"{row.title} {row.interval(last.test)} on {last.test['n']:,} test images"
    return StoppingReason(
        "target", f"{told}: the {which} end of its 95 % interval has reached {rules.target:g}"
    )


def _plateau(rounds: Sequence[RoundRecord], rules: Iterate) -> StoppingReason | None:
    """Stop if the whole interval of the gain of the last rounds is below `plateau_gain`.

    A gain that is not significant is no reason to stop: on a small test set hardly any gain is.
    """
    last, many = rounds[-1], rules.plateau_rounds
    if rules.plateau_gain is None or last.span is None or len(rounds) < many:
        return None
    row = named(last.metric)
    gain = last.span["high"] if row.higher_is_better else -last.span["low"]
    if gain >= rules.plateau_gain:
        return None
    told = f"{row.change(last.span)} on the same {last.span['n']:,} test images"
    since = "the last round" if many == 1 else f"the last {many} rounds together"
    return StoppingReason(
        "plateau", f"{since} gained {told}: the whole 95 % interval is below {rules.plateau_gain:g}"
    )


def _random_wins(rounds: Sequence[RoundRecord], rules: Iterate) -> StoppingReason | None:
    """Stop if the random control arm of strategy `auto` is significantly better than its choice."""
    control = rounds[-1].control
    if not rules.random_wins or not control.get("random_wins"):
        return None
    return StoppingReason(
        "random",
        f"the random control arm is better than the strategy: {control.get('why') or 'see selection.json'}",
    )


def _budget(rounds: Sequence[RoundRecord], rules: Iterate) -> StoppingReason | None:
    if rules.budget is None or spent(rounds) < rules.budget:
        return None
    return StoppingReason("budget", f"{spent(rounds):,} of {rules.budget:,} answers are spent")


def _rounds(rounds: Sequence[RoundRecord], rules: Iterate) -> StoppingReason | None:
    if len(rounds) < rules.rounds:
        return None
    many = len(rounds)
    return StoppingReason("rounds", f"{many} round{' was' if many == 1 else 's were'} asked for")


def control(selection: dict[str, Any]) -> dict[str, Any]:
    """Comparison with the control arm from selection.json: {"random_wins", "why"}; {} if there is none.

    Random wins if the whole interval of chosen − at random lies below 0.
    """
    evidence = selection.get("evidence")
    comparison = evidence.get("comparison") if isinstance(evidence, dict) else None
    if not isinstance(comparison, dict) or "high" not in comparison:
        return {}
    return {"random_wins": comparison["high"] < 0, "why": str(evidence.get("why", "")) if evidence else ""}
