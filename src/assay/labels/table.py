"""The ranked table: every label that was judged, the likeliest to be wrong first, and why in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from assay.data.suspects import WrongShare, with_share
from assay.labels.judge import JudgedLabels
from assay.labels.outliers import scores

RANKED = pa.schema(
    {
        "id": pa.string(),
        "split": pa.string(),
        "given": pa.string(),
        "suggested": pa.string(),
        "score": pa.float64(),
        "probability": pa.float64(),
        "outlier": pa.float64(),
        "flagged": pa.bool_(),
        "looks": pa.int32(),
        "judgements": pa.int32(),
        "reason": pa.string(),
    }
)
"""score: belief in the suggested class less that in the given one, −1…1; probability: that the label is wrong; outlier:
outlier score of the image (`outliers.py`); flagged: confident learning calls the label wrong as well; looks: how often
the image was labelled, by sources and edit batches; judgements: number of edit batches on it when this was written."""

DECIMALS = 6
"""Rounded, so that the last bits of another machine make no other table."""


def ranked(
    judged: JudgedLabels,
    ids: Sequence[str],
    splits: Sequence[str],
    categories: Sequence[str],
    looks: Sequence[int],
    judgements: Sequence[int],
    limit: float,
) -> pa.Table:
    """RANKED rows of n labels, and the share of wrong ones; those equally likely to be wrong by their ids.

    `limit`: that of the outlier score, in robust standard deviations.
    """
    rows = np.arange(len(ids))
    beliefs = judged.beliefs
    score = np.round(beliefs[rows, judged.suggested] - beliefs[rows, judged.given], DECIMALS)
    probability = np.round(judged.wrong, DECIMALS)
    reasons = sentences(judged, categories)
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "split": pa.array(splits, pa.string()),
            "given": [categories[k] for k in judged.given],
            "suggested": [categories[k] for k in judged.suggested],
            "score": score,
            "probability": probability,
            "outlier": np.round(scores(judged.distance, limit), DECIMALS),
            "flagged": judged.flagged,
            "looks": pa.array(looks, pa.int32()),
            "judgements": pa.array(judgements, pa.int32()),
            "reason": reasons,
        },
        schema=RANKED,
    )
    value, low, high = (round(part, DECIMALS) for part in (judged.rate, judged.low, judged.high))
    return with_share(
        table.sort_by([("probability", "descending"), ("id", "ascending")]),
        WrongShare(value, low, high, judged.by),
    )


def sentences(judged: JudgedLabels, categories: Sequence[str]) -> list[str]:
    """What speaks for the suggested class, and what for the given one."""
    rows = np.arange(len(judged.given))
    given, suggested = judged.given, judged.suggested
    of = judged.neighbours
    columns = (
        given.tolist(),
        suggested.tolist(),
        np.rint(judged.vote[rows, suggested] * of).astype(int).tolist(),
        np.rint(judged.vote[rows, given] * of).astype(int).tolist(),
        judged.probe[rows, suggested].tolist(),
        judged.probe[rows, given].tolist(),
        _of_model(judged),
        judged.flagged.tolist(),
    )
    return [
        f"of its {of} nearest, {near_new} are labelled {categories[new]!r} and {near_old} {categories[old]!r}; "
        f"a probe that has not seen it gives them {probe_new:.0%} and {probe_old:.0%}{model}"
        + ("; confident learning agrees" if agrees else "")
        for old, new, near_new, near_old, probe_new, probe_old, model, agrees in zip(*columns, strict=True)
    ]


def _of_model(judged: JudgedLabels) -> list[str]:
    """What the model gives the suggested and the given class, where one was asked."""
    if judged.model is None:
        return [""] * len(judged.given)
    rows = np.arange(len(judged.given))
    pairs = zip(judged.model[rows, judged.suggested], judged.model[rows, judged.given], strict=True)
    return [f", the model {new:.0%} and {old:.0%}" for new, old in pairs]
