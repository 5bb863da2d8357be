"""Every strategy against `random`: areas, labels needed, and the recommendation, as text too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.experiments.learning_curves import LEVEL, Curves, area, budget_needed, interval
from assay.experiments.simulation.replay_data import DECIDES, REPORTED

Floats = NDArray[np.float64]
Row = dict[str, Any]

CONTROL = "random"


@dataclass(frozen=True)
class StrategyCurves:
    """Curves of all strategies on one split; `names` in their order, CONTROL included."""

    names: Sequence[str]
    curves: Curves

    def row(self, name: str) -> int:
        return list(self.names).index(name)

    def level(self, accuracy: float | None) -> tuple[float, Floats]:
        """Target level, measured and drawn; `accuracy` None: that of CONTROL at the largest budget."""
        if accuracy is not None:
            return accuracy, np.full(len(self.curves.drawn), accuracy)
        control = self.row(CONTROL)
        return float(self.curves.mean[control, -1]), self.curves.drawn[:, control, -1]


def strategy_standings(
    field: StrategyCurves, accuracy: float | None, seconds: Mapping[str, float]
) -> list[Row]:
    """A row for each strategy by falling area. JSON-able: labels are null if the target is not reached."""
    curves, control = field.curves, field.row(CONTROL)
    areas, drawn_areas = area(curves.mean, curves.budgets), area(curves.drawn, curves.budgets)
    level, drawn_level = field.level(accuracy)
    needed = budget_needed(curves.mean, curves.budgets, np.full(len(field.names), level))
    drawn_needed = budget_needed(curves.drawn, curves.budgets, drawn_level[:, None])
    count = max(len(field.names) - 1, 1)
    rows = []
    for k, name in enumerate(field.names):
        ahead = drawn_areas[:, k] - drawn_areas[:, control]
        gain = float(areas[k] - areas[control])
        rows.append(
            {
                "name": name,
                "auc": _estimate(areas[k], drawn_areas[:, k]),
                "over_random": None if k == control else _estimate(gain, ahead),
                "sure": None if k == control else _sure(gain, ahead, count),
                "labels": _labels(needed[k], drawn_needed[:, k], curves.budgets),
                "curve": _curve(field, k),
                "seconds": round(seconds.get(name, 0.0), 3),
            }
        )
    return sorted(rows, key=lambda row: -row["auc"]["value"])


def _curve(field: StrategyCurves, k: int) -> list[Row]:
    """A point for each budget: the metric, difference to CONTROL, and the labels that CONTROL needs for it."""
    curves, control = field.curves, field.row(CONTROL)
    points = []
    for b, budget in enumerate(curves.budgets.tolist()):
        value, drawn = float(curves.mean[k, b]), curves.drawn[:, k, b]
        same = budget_needed(curves.mean[control], curves.budgets, value)
        drawn_same = budget_needed(curves.drawn[:, control], curves.budgets, drawn)
        ahead = _estimate(value - float(curves.mean[control, b]), drawn - curves.drawn[:, control, b])
        told = _estimate(value, drawn)
        points.append(
            {
                "budget": budget,
                **told,
                "low": max(told["low"], 0.0),
                "high": min(told["high"], 1.0),
                "over_random": None if k == control else ahead,
                "random_needs": None if k == control else _labels(float(same), drawn_same, curves.budgets),
                "seeds": [round(float(one), 6) for one in curves.each[k, :, b]],
            }
        )
    return points


def _estimate(value: float, drawn: Floats) -> dict[str, float]:
    low, high = interval(drawn, float(value))
    return {"value": _six(value), "low": _six(low), "high": _six(high)}


def _labels(value: float, drawn: Floats, budgets: NDArray[np.int64]) -> dict[str, float | None]:
    """Null above the largest budget; at the smallest budget, an upper bound."""
    low, high = interval(drawn, float(value))
    ends = {"value": float(value), "low": low, "high": high}
    return {key: round(end, 1) if np.isfinite(end) else None for key, end in ends.items()} | {
        "least": int(budgets[0]),
        "most": int(budgets[-1]),
    }


def _sure(gain: float, ahead: Floats, strategies: int) -> bool:
    """Whether a strategy is better than CONTROL, with Bonferroni correction for the number of strategies."""
    return interval(ahead, gain, 1 - (1 - LEVEL) / strategies)[0] > 0


def leader(rows: Sequence[Row]) -> str | None:
    """The strategy with the largest area; None if that is CONTROL."""
    return None if rows[0]["name"] == CONTROL else str(rows[0]["name"])


def judge(
    decides: StrategyCurves,
    rows: Sequence[Row],
    reported: Sequence[Row] | None,
    again: Row | None = None,
    metric: str = "accuracy",
) -> Row:
    """The strategy to use, if it is significantly better than CONTROL on DECIDES; and those not distinguished from it.

    `again`: the leader against CONTROL on new seeds. Without it, the largest area that is significant after Bonferroni
    correction.
    """
    sure = [row for row in rows if (again["sure"] and row["name"] == again["name"] if again else row["sure"])]
    if not sure:
        return {"strategy": None, "alike": [], "text": _undecided(rows, again, metric)}
    best = sure[0]
    alike = [row["name"] for row in rows if row["name"] != best["name"] and _alike(decides, best, row)]
    text = f"{best['name']}: {points((again or best)['over_random'])} points of {metric} over random"
    text += f"{_fresh(again)}, {_range(best)}"
    text += "".join(f"; {said}" for said in [_saving(best)] if said)
    if reported is not None:
        row = next(row for row in reported if row["name"] == best["name"])
        text += f". On {REPORTED}, which was not used to choose: {points(row['over_random'])}"
    if alike:
        text += f". Not significantly different: {_listed(alike)}"
    return {"strategy": best["name"], "alike": alike, "text": text + "."}


def _fresh(again: Row | None) -> str:
    return f" on {len(again['curve'][0]['seeds'])} new seeds" if again else ""


def _alike(field: StrategyCurves, best: Row, row: Row) -> bool:
    """Whether the interval of the difference of two areas contains 0."""
    areas = area(field.curves.drawn, field.curves.budgets)
    ahead = areas[:, field.row(best["name"])] - areas[:, field.row(row["name"])]
    low, high = interval(ahead, best["auc"]["value"] - row["auc"]["value"])
    return low <= 0 <= high


def _undecided(rows: Sequence[Row], again: Row | None, metric: str) -> str:
    others = [row for row in rows if row["name"] != CONTROL]
    if not others:
        return "Only random was replayed: name strategies to compare it with."
    best = again or others[0]
    chance = f", which the best of {len(others)} may reach by chance"
    return (
        f"Can't tell: no strategy is significantly better than random on these {DECIDES} images; the best is "
        f"{best['name']} with {points(best['over_random'])} points of {metric}{_fresh(again)}, {_range(best)}"
        f"{chance if not again and best['over_random']['low'] > 0 else ''}. "
        "More seeds, or more labelled val images, would narrow the interval."
    )


def _range(row: Row) -> str:
    first, last = row["curve"][0]["budget"], row["curve"][-1]["budget"]
    return f"on average from {first:,} to {last:,} labels"


def _saving(row: Row) -> str:
    """Labels that random needs for the same level, at the largest budget where that is known."""
    known = [p for p in row["curve"] if p["random_needs"]["value"] is not None]
    inside = [p for p in known if p["random_needs"]["high"] is not None]
    for point in reversed(inside or known):
        if point["random_needs"]["value"] > point["budget"]:
            return (
                f"with {point['budget']:,} labels it equals random with {needs(point['random_needs'])} labels"
            )
    return ""


def points(estimate: Mapping[str, float]) -> str:
    """E.g. `+2.3 [+1.5, +3.1]`, in percentage points."""
    value, low, high = (100 * estimate[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


def needs(labels: Mapping[str, Any]) -> str:
    """E.g. `520 [430, 640]`; `> 1,000` above the largest budget; `≤ 10` at the smallest."""
    value, low, high = (_count(labels[key], labels) for key in ("value", "low", "high"))
    return value if value == low == high else f"{value} [{low}, {high}]"


def _count(value: float | None, labels: Mapping[str, Any]) -> str:
    if value is None:
        return f"> {labels['most']:,}"
    return f"≤ {labels['least']:,}" if value <= labels["least"] else f"{float(f'{value:.2g}'):,.0f}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _six(value: float) -> float:
    return round(float(value), 6) + 0.0
