"""From a workspace to the advice that `assay advise` prints and its page shows."""

from __future__ import annotations

from typing import Any

from assay.experiments.advice import study as studies
from assay.experiments.advice.labelled_data import LabelledData
from assay.experiments.advice.noise import interval
from assay.experiments.advice.options import Facts, affordable_reviews, cleaner_labels, more_labels, the_model
from assay.experiments.advice.recommendation import judge, ranked
from assay.experiments.advice.study import BASE, Study
from assay.experiments.advice.suspects import suspected
from assay.layout import Layout
from assay.metrics.table import named
from assay.params import Params
from assay.progress import Progress

NOISY_VAL = 0.03
"""Least share of wrong labels (lower end of the interval) for a remark that val has them too."""


def compute(params: Params, layout: Layout, data: LabelledData, progress: Progress) -> dict[str, Any]:
    """Train what is not cached, and advise. JSON-able; the same for the same project, params and machine."""
    study = studies.begin(params, layout, data, progress)
    if study.stands_in:
        progress.say(f"A probe on the embeddings replaces {params.train.model}: {study.plan.why}")
    studies.learn_curve(study)
    found = suspected(data)
    if len(reviewed := found.first(affordable_reviews(study))):
        studies.clean(study, reviewed)
    studies.tune(study)
    study.store.tidy()
    return tell(Facts(study, study.measured(), found, reviewed))


def tell(facts: Facts) -> dict[str, Any]:
    """Options, verdict, and the measurements behind them."""
    study, params = facts.study, facts.study.params
    labels, drawn = more_labels(facts)
    review, suspects = cleaner_labels(facts)
    model, trials = the_model(facts)
    costs, metric = params.advise, params.track.primary
    options, val = [labels, review, model], len(study.data.measured)
    return {
        "primary": metric,
        "higher_is_better": named(metric).higher_is_better,
        "hours": costs.hours,
        "verdict": judge(options, metric, costs.hours, val, study.plan.seeds, costs.seconds_per_label),
        "options": [option.as_dict() for option in ranked(options)],
        "measured_on": {
            "split": "val",
            "val": val,
            "train": len(study.given),
            "classes": len(study.data.categories),
            "model": params.train.model,
            "learner": study.learner.name,
            "stands_in": study.stands_in,
            "why": study.plan.why,
            "seeds": study.plan.seeds,
            "training_seconds": round(facts.seconds, 2),
        },
        "baseline": _baseline(facts),
        "curve": drawn,
        "suspects": suspects,
        "trials": trials,
        "costs": costs.model_dump(mode="json"),
        "remarks": _remarks(study, suspects),
    }


def _baseline(facts: Facts) -> dict[str, float]:
    """The primary metric of the baseline, in its own sign, with interval."""
    measured, sign = facts.measured, named(facts.study.params.track.primary).sign
    column = measured.column(BASE)
    value = float(measured.values[column])
    ends = sorted(sign * end for end in interval(facts.draws()[:, column], value))
    return {
        "value": round(sign * value, 6),
        "low": round(ends[0], 6),
        "high": round(ends[1], 6),
        "seed_spread": round(float(measured.spread[column]), 6),
    }


def _remarks(study: Study, suspects: dict[str, Any]) -> list[str]:
    """Remarks on how to read the numbers."""
    remarks = []
    if study.stands_in:
        remarks.append(
            f"A probe on the embeddings replaces {study.params.train.model}: {study.plan.why}. It has no noise of "
            "seeds, and may profit from labels differently: rely on the order of the options, not on the decimals"
        )
    classes, rate = len(study.data.categories), suspects["rate"]
    if rate and rate["low"] > NOISY_VAL and named(study.params.track.primary).is_share:
        factor = 1 - rate["value"] * classes / (classes - 1)
        remarks.append(
            f"About {rate['value']:.0%} of the labels are wrong, those of val included: true gains and their intervals "
            f"are larger than the measured ones, by up to {1 / max(factor, 0.1):.1f} times, for all options alike"
        )
    return remarks
