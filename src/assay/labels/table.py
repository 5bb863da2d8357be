"""The ranked table: every audited label by falling probability to be wrong, each with a reason."""

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
"""score: belief in the suggested class minus that in the given one, −1…1; probability: that the label is wrong;
outlier: outlier score of the image (`outliers.py`); flagged: confident learning flags the label too; looks: how often
the image was labelled, by sources and edit batches; judgements: number of edit batches on the image."""

DECIMALS = 6
"""Numbers are rounded, so that another machine writes the same table."""


def ranked(
    judged: JudgedLabels,
    ids: Sequence[str],
    splits: Sequence[str],
    categories: Sequence[str],
    looks: Sequence[int],
    judgements: Sequence[int],
    limit: float,
) -> pa.Table:
    """RANKED rows of n labels by falling probability, then by id, with the share of wrong labels as schema metadata.

    `limit`: z of an outlier score of 0.5, in robust standard deviations.
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
    """(n,) reasons: votes of the neighbours and probabilities for the suggested and for the given class."""
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
        f"a probe trained without it gives them {probe_new:.0%} and {probe_old:.0%}{model}"
        + ("; confident learning agrees" if agrees else "")
        for old, new, near_new, near_old, probe_new, probe_old, model, agrees in zip(*columns, strict=True)
    ]


def _of_model(judged: JudgedLabels) -> list[str]:
    """(n,) probabilities of the project's model for the suggested and the given class; empty if it was not run."""
    if judged.model is None:
        return [""] * len(judged.given)
    rows = np.arange(len(judged.given))
    pairs = zip(judged.model[rows, judged.suggested], judged.model[rows, judged.given], strict=True)
    return [f", the model {new:.0%} and {old:.0%}" for new, old in pairs]
