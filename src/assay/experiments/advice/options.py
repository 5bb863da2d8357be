"""The three options (more labels, cleaner labels, the model), each with the expected gain of the time given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay import tasks
from assay.experiments.advice import curve, trials
from assay.experiments.advice.noise import ConditionMetrics, interval
from assay.experiments.advice.recommendation import Gain, Option
from assay.experiments.advice.study import BASE, CORRECTED, LEFT_OUT, Study
from assay.experiments.advice.suspects import Suspected, share_wrong
from assay.metrics.table import named

Floats = NDArray[np.float64]
NOISES: tuple[dict[str, bool], ...] = ({}, {"seeds": False}, {"val": False})
"""Noise of val and seeds; of val alone; of the seeds alone."""
STEPS = 40
"""Points of the plotted curve."""


@dataclass(frozen=True)
class Facts:
    """Inputs of the options."""

    study: Study
    measured: ConditionMetrics
    found: Suspected
    reviewed: Suspected
    """The suspects that can be reviewed in the time."""

    @property
    def best_value(self) -> float:
        """Best possible value of the primary metric, with the sign that makes higher better."""
        return 1.0 if named(self.study.params.track.primary).higher_is_better else 0.0

    @property
    def seconds(self) -> float:
        """Duration of one training: measured if it was trained, else estimated from a few batches."""
        if self.study.learner is self.study.probe:
            return self.study.plan.seconds
        return float(np.median([outcome.seconds for outcome in self.study.outcomes[BASE]]))

    def rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.study.params.seed, purpose])

    def draws(self, **noises: bool) -> Floats:
        """The same draws at every call, so that results computed from them are consistent."""
        return self.measured.draws(self.rng(1), **noises)

    def difference(self, name: str, against: str = BASE) -> Gain:
        """Paired difference of two conditions."""
        a, b = self.measured.column(name), self.measured.column(against)
        value = float(self.measured.values[a] - self.measured.values[b])
        both, val, seeds = (draws[:, a] - draws[:, b] for draws in (self.draws(**noise) for noise in NOISES))
        return as_gain(both, value, val, seeds)


def as_gain(draws: Floats, value: float, val: Floats | None = None, seeds: Floats | None = None) -> Gain:
    """Gain with its interval from `draws`. `val`, `seeds`: draws with that noise alone."""
    share = 0.5
    if val is not None and seeds is not None and (total := float(val.var() + seeds.var())) > 0:
        share = float(val.var()) / total
    return Gain(value, *interval(draws, value), share)


# --- more labels


def more_labels(facts: Facts) -> tuple[Option, dict[str, Any]]:
    """The option of extrapolating the learning curve to the labels that fit into the time; and the curve to plot."""
    study, costs = facts.study, facts.study.params.advise
    affordable = int(costs.hours * 3600 / costs.seconds_per_label)
    there = study.data.unlabelled
    amount = min(affordable, there) if there else affordable
    n = len(study.given)
    law = _law(facts, facts.measured.values[None, :])
    laws = [_law(facts, facts.draws(**noise), law) for noise in NOISES]
    ends = [n, n + amount]
    gained = [np.diff(each.at(ends))[:, 0] for each in laws]
    gain = as_gain(gained[0], float(np.diff(law.at(ends))[0, 0]), *gained[1:])
    remarks = ["assumes random images, labelled as well as the present ones; a good queue does better"]
    if not there:
        remarks.append("no unlabelled train image is left")
    elif amount < affordable:
        remarks.append(f"these are all {there:,} unlabelled train images")
    if amount > 3 * n:
        remarks.append(f"from {n:,} to {n + amount:,} labels is a long extrapolation")
    if study.data.ruler_queue:
        remarks.append(f"the queue asks for {study.data.ruler_queue:,} val and test images first")
    option = Option(
        "labels",
        gain,
        amount,
        "labels",
        amount * costs.seconds_per_label / 3600,
        _next_labels(study),
        remarks,
        lambda hours: float(np.diff(law.at([n, n + hours * 3600 / costs.seconds_per_label]))[0, 0]),
    )
    return option, _drawn(facts, law, laws[0], amount)


def _next_labels(study: Study) -> str:
    if not study.data.unlabelled:
        return "add images to a source in `ingest.sources`, then `dvc repro`"
    if study.params.select.annotator:
        return "`assay annotate`, then `dvc repro`"
    return f"{tasks.how_to_label(study.data.task)}, then `dvc repro`"


def _law(facts: Facts, values: Floats, best: curve.Curve | None = None) -> curve.Curve:
    """The law fitted to each row of `values` (draws, conditions).

    `best`: law of the means. The deviation of the points from it is added to the draws as noise of the law itself.
    """
    measured, names = facts.measured, list(facts.study.sizes)
    sizes = np.array([facts.study.sizes[name] for name in names], float)
    errors = np.array([measured.error(name) for name in names])
    columns = [measured.column(name) for name in names]
    points = values[:, columns]
    if best is None:
        return curve.fit(sizes, points, errors, facts.best_value)
    rng, misfit = facts.rng(2), measured.values[columns] - best.at(sizes.tolist())[0]
    scale = float(np.sqrt((misfit**2).sum() / max(len(sizes) - 2, 1)))
    points = points + scale * rng.standard_normal(points.shape)
    return curve.fit(sizes, points, np.hypot(errors, scale), facts.best_value, rng)


def _drawn(facts: Facts, law: curve.Curve, laws: curve.Curve, amount: int) -> dict[str, Any]:
    """Measured points, and the law with its 95 % band up to the number of labels that fit into the time."""
    study, sign = facts.study, named(facts.study.params.track.primary).sign
    sizes = np.geomspace(min(study.sizes.values()), len(study.given) + max(amount, 1), STEPS)
    middle, band = law.at(sizes)[0], np.percentile(laws.at(sizes), (2.5, 97.5), axis=0)
    points = [{"n": n, "value": _round(sign * facts.measured.value(name))} for name, n in study.sizes.items()]
    line = [
        {
            "n": round(float(n)),
            "value": _round(sign * m),
            "low": _round(min(sign * a, sign * b)),
            "high": _round(max(sign * a, sign * b)),
        }
        for n, m, a, b in zip(sizes, middle, *band, strict=True)
    ]
    return {"points": points, "line": line, **{name: _round(float(getattr(law, name)[0])) for name in "abc"}}


# --- cleaner labels


def affordable_reviews(study: Study) -> int:
    costs = study.params.advise
    return int(costs.hours * 3600 / costs.seconds_per_review)


def cleaner_labels(facts: Facts) -> tuple[Option, dict[str, Any]]:
    """The option of reviewing the suspects, as many as fit into the time, and correcting those that are wrong."""
    study, costs = facts.study, facts.study.params.advise
    found, reviewed = facts.found, facts.reviewed
    amount = len(reviewed)
    gains = {name: facts.difference(name) for name in (CORRECTED, LEFT_OUT) if name in study.outcomes}
    share = share_wrong(study.data, found)
    expected = float(reviewed.train.probability.sum() + reviewed.val.probability.sum())
    remarks = [
        f"about {expected:,.0f} of them are expected to be wrong ({share.by}), and the suggestions to be right"
    ]
    if not study.data.audited:
        return _not_audited(study)
    if not amount:
        remarks = ["no label is likely enough to be wrong for a review to pay"]
    elif share.can_be_nothing:
        remarks.append(
            "possibly none: the suspects may be hard images with right labels"
            + "; `assay audit --check 50` measures it" * study.data.says_classes
        )
    if 0 < amount < len(found):
        remarks.append(f"{len(found) - amount:,} more do not fit into the time")
    if len(reviewed.val):
        remarks.append(f"{len(reviewed.val):,} of them are val images, which decide the epoch that is kept")
    if (left := gains.get(LEFT_OUT)) and left.low > 0:
        remarks.append("excluding them gains as well, and takes no time: see below")
    option = Option(
        "review",
        gains.get(CORRECTED, Gain(0.0, 0.0, 0.0)),
        amount,
        "reviews",
        amount * costs.seconds_per_review / 3600,
        _next_review(study),
        remarks,
    )
    about = {
        "count": found.likely,
        "reviewed": amount,
        "rate": {
            "value": _round(share.value),
            "low": _round(share.low),
            "high": _round(share.high),
            "by": share.by,
        },
        "corrected": gains[CORRECTED].rounded if CORRECTED in gains else None,
        "left_out": gains[LEFT_OUT].rounded if LEFT_OUT in gains else None,
        "rows": sorted((*_rows(facts, "train"), *_rows(facts, "val")), key=lambda row: -row["probability"]),
    }
    return option, about


def _not_audited(study: Study) -> tuple[Option, dict[str, Any]]:
    """The option where nothing says which labels may be wrong."""
    task = study.data.task
    audit = "`assay audit --limit 20`" if tasks.outlines(task) else "`assay audit --model --limit 20`"
    why = f"the labels of train as they are now were not audited: {audit}, then ask again"
    if not (tasks.has_objects(task) or tasks.outlines(task)):
        audit, why = "", f"no audit judges the labels of {task}"
    about: dict[str, Any] = {
        "count": 0,
        "reviewed": 0,
        "rate": None,
        "corrected": None,
        "left_out": None,
        "rows": [],
    }
    return Option("review", None, 0, "reviews", 0.0, audit, [why]), about


def _next_review(study: Study) -> str:
    if not study.data.says_classes:
        return "`assay review suspects`, then `dvc repro`"
    return "`assay advise --suspects suspects.csv`, fill it in, `assay label suspects.csv`, then `dvc repro`"


def _rows(facts: Facts, split: Literal["train", "val"]) -> list[dict[str, Any]]:
    data, found = facts.study.data, getattr(facts.reviewed, split)
    return [
        {
            "id": data.ids[split][row],
            "split": split,
            "given": given,
            "suggested": suggested,
            "probability": round(float(probability), 4),
        }
        for row, probability, (given, suggested) in zip(
            found.rows, found.probability, found.words, strict=True
        )
    ]


# --- the model


def the_model(facts: Facts) -> tuple[Option, list[dict[str, Any]]]:
    """The option of the best of the settings that fit into the time, corrected for choosing the best."""
    study, costs = facts.study, facts.study.params.advise
    hours_each = facts.seconds / 60 * costs.seconds_per_training_minute / 3600
    affordable = int(costs.hours / hours_each)
    if not study.trials:
        return Option("model", None, 0, "trials", 0.0, "", ["every trial failed"]), []
    if not affordable:
        why = f"one training takes {hours_each:.1f} hours, more than the time given"
        return Option("model", None, 0, "trials", 0.0, "", [why]), _trials(facts)
    tried = len(study.trials)
    further = min(max(affordable - tried, 0), trials.BEYOND * tried)
    measured, columns = facts.measured, [facts.measured.column(name) for name in study.trials]
    base = measured.column(BASE)
    covariance, val = (
        np.atleast_2d(np.cov((d[:, columns] - d[:, [base]]).T))
        for d in (facts.draws(), facts.draws(seeds=False))
    )
    spread = float(measured.deviation[base])
    noise = float(np.sqrt(np.diag(val).mean() + spread**2 * (1 + 1 / measured.runs[base])))
    gains = measured.values[columns] - measured.values[base]
    headroom = facts.best_value - measured.value(BASE)
    known, draws = (
        trials.best_of(gains, covariance, more, noise, headroom, facts.rng(3)) for more in (0, further)
    )
    change = list(study.trials.values())[int(gains.argmax())]
    best = ", ".join(f"`train.{key}: {value}`" for key, value in change.items())
    remarks = [f"{tried} tried, {further} more assumed to be like them; corrected for choosing the best"]
    if study.failed:
        remarks.append(f"failed because the loss was not finite: {', '.join(study.failed)}")
    hint = f"try {best} in params.yaml, then `dvc repro`"
    if study.learner is study.probe:
        hint = "`assay race` tries settings of the model itself"
    amount = tried + further
    gain = as_gain(draws, float(np.median(draws)))
    early = float(np.median(known))  # the gain of the trials made is available at once
    option = Option("model", gain, amount, "trials", amount * hours_each, hint, remarks, lambda _: early)
    return option, _trials(facts)


def _trials(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "change": change,
            "gain": facts.difference(name).rounded,
            "seeds": int(facts.measured.runs[facts.measured.column(name)]),
        }
        for name, change in facts.study.trials.items()
    ]


def _round(value: float) -> float:
    return round(float(value), 6) + 0.0
