"""The schemes compared at each budget, where their curves cross, and what to draw, as text too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.experiments.effort.fits import Measured
from assay.experiments.effort.seed_noise import seed_draws
from assay.experiments.learning_curves import LEVEL, Curves, budget_needed, interval
from assay.metrics.estimates import estimate
from assay.metrics.table import named
from assay.params.effort import act_of

Floats = NDArray[np.float64]
Row = dict[str, Any]


def curves_of(results: Sequence[Sequence[Sequence[Measured]]], hours: Sequence[float], seed: int) -> Curves:
    """Curves from results by scheme, seed and budget. A bootstrap draw has the same image weights for all."""
    each = np.array([[[one.value for one in row] for row in scheme] for scheme in results])
    drawn = np.array([[[one.drawn for one in row] for row in scheme] for scheme in results])
    images = np.moveaxis((drawn - drawn.mean(-1, keepdims=True)).mean(1), -1, 0)
    moved = images + seed_draws(each, drawn.shape[-1], seed)
    return Curves(np.asarray(hours, np.float64), each, each.mean(1) + moved)


@dataclass(frozen=True)
class SchemeStanding:
    """Curves of all schemes; the first is the full annotation, the control."""

    names: Sequence[str]
    curves: Curves
    samples: int
    """Test images."""

    def rows(self) -> list[Row]:
        """A row for each scheme, with a point for each budget: the metric, and how far it is over the control."""
        return [
            {"name": name, "curve": [self._point(k, b) for b in range(len(self.curves.budgets))]}
            for k, name in enumerate(self.names)
        ]

    def _point(self, k: int, b: int) -> Row:
        mean, drawn = self.curves.mean[:, b], self.curves.drawn[:, :, b]
        return {
            "hours": float(self.curves.budgets[b]),
            **_estimate(mean[k], np.clip(drawn[:, k], 0, 1), self.samples),
            "over_control": self._difference(k, 0, b) if k else None,
            "seeds": [round(float(one), 6) for one in self.curves.each[k, :, b]],
        }

    def _difference(self, k: int, other: int, b: int, level: float = LEVEL) -> Row:
        mean, drawn = self.curves.mean[:, b], self.curves.drawn[:, :, b]
        return _estimate(mean[k] - mean[other], drawn[:, k] - drawn[:, other], self.samples, level)

    def best(self) -> list[Row]:
        """At each budget the best scheme, and those that are not significantly worse.

        Bonferroni correction for the number of schemes: the best of several is so by luck too.
        """
        level = 1 - (1 - LEVEL) / max(len(self.names) - 1, 1)
        found = []
        for b, hours in enumerate(self.curves.budgets.tolist()):
            top = int(self.curves.mean[:, b].argmax())
            behind = {
                name: self._difference(top, k, b, level) for k, name in enumerate(self.names) if k != top
            }
            alike = [name for name, row in behind.items() if row["low"] <= 0]
            found.append({"hours": hours, "scheme": self.names[top], "alike": alike, "ahead_of": behind})
        return found

    def crossings(self) -> list[Row]:
        """Where a scheme that is better at the smallest budget falls behind one that is better at the largest."""
        mean = self.curves.mean
        pairs = [
            (a, b)
            for a in range(len(self.names))
            for b in range(len(self.names))
            if mean[a, 0] > mean[b, 0] and mean[a, -1] < mean[b, -1]
        ]
        return [self._crossing(a, b) for a, b in pairs]

    def _crossing(self, a: int, b: int) -> Row:
        """Hours from which on `b` is better than `a`. Null: beyond the largest budget, or before the smallest."""
        hours = self.curves.budgets
        value = float(budget_needed((self.curves.mean[b] - self.curves.mean[a])[None], hours, 0.0)[0])
        drawn = budget_needed(self.curves.drawn[:, b] - self.curves.drawn[:, a], hours, 0.0)
        low, high = interval(drawn, value)
        return {
            "before": self.names[a],
            "after": self.names[b],
            "hours": round(value, 3),
            "low": round(low, 3) if low > hours[0] else None,
            "high": round(high, 3) if np.isfinite(high) else None,
        }


def _estimate(value: float, drawn: Floats, n: int, level: float = LEVEL) -> Row:
    return dict(estimate(float(value), *interval(drawn, float(value), level), n))


# --- in words


def verdict(
    best: Sequence[Row],
    crossings: Sequence[Row],
    rows: Sequence[Row],
    metric: str,
    exhausted: Mapping[str, float],
    unlearnt: Sequence[str] = (),
) -> Row:
    """What to draw: a sentence for each range of budgets with the same answer, and where the leaders cross."""
    names = [row["name"] for row in rows]
    spans = [(acts, list(group)) for acts, group in groupby(best, key=lambda one: _acts(one, names))]
    sentences = [f"{_span(group)}: {_answer(acts, group[-1], rows, metric)}" for acts, group in spans]
    leaders = {(a["scheme"], b["scheme"]) for a, b in pairwise(best)}
    sentences += [_crossed(one, best) for one in crossings if (one["before"], one["after"]) in leaders]
    used_up = [name for name in dict.fromkeys(one["scheme"] for one in best) if name in exhausted]
    sentences += [
        f"{name} has no image left from {exhausted[name]:g} h on: with more images it would go further"
        for name in used_up
    ]
    if unlearnt:
        sentences.append(
            f"Nothing is said of {', '.join(unlearnt)}: the full annotation hardly teaches them either"
        )
    return {"draw": [_decided(one, names) for one in best], "text": f"{'. '.join(sentences)}."}


def _acts(best: Row, names: Sequence[str]) -> tuple[str, ...]:
    """What the best scheme and those that are alike draw, in the order of the schemes."""
    among = {best["scheme"], *best["alike"]}
    return tuple(dict.fromkeys(act_of(name) for name in names if name in among))


def _decided(best: Row, names: Sequence[str]) -> str | None:
    """What to draw at a budget; None where that cannot be told."""
    acts = _acts(best, names)
    return acts[0] if len(acts) == 1 else None


def _span(group: Sequence[Row]) -> str:
    first, last = group[0]["hours"], group[-1]["hours"]
    return f"With {first:g} h" if first == last else f"From {first:g} to {last:g} h"


def _answer(acts: Sequence[str], last: Row, rows: Sequence[Row], metric: str) -> str:
    """What to draw, or among what it cannot be told, with the gain over the control at the last budget of a range."""
    name, control = last["scheme"], rows[0]["name"]
    points = next(row for row in rows if row["name"] == name)["curve"]
    over = next(point["over_control"] for point in points if point["hours"] == last["hours"])
    gain = f", {named(metric).change(over)} over {control} at {last['hours']:g} h" if over else ""
    if len(acts) == 1:
        how = "" if name == acts[0] else f" (learnt as {name})"
        return f"draw {acts[0]}{how}{gain}"
    worse = [act for act in dict.fromkeys(act_of(row["name"]) for row in rows) if act not in acts]
    among = f" between {', '.join(acts[:-1])} and {acts[-1]}, but worse: {', '.join(worse)}" if worse else ""
    return f"can't tell{among}; ahead is {name}{gain}"


def _crossed(one: Row, best: Sequence[Row]) -> str:
    low = f"{one['low']:.2g}" if one["low"] else f"≤ {best[0]['hours']:g}"
    high = f"{one['high']:.2g}" if one["high"] else f"> {best[-1]['hours']:g}"
    return f"{one['after']} overtakes {one['before']} at {one['hours']:.2g} h [{low}, {high}]"
