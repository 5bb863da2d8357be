"""Classes with few training images beside the others: what the model sees rarely, it predicts rarely."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context
from assay.data.findings import Finding, findings

LIMITS = {"imbalance": 0.2}
"""A class is rare with fewer training images than this share of what the average class has."""


def check(context: Context) -> pa.Table:
    """A row for each class: images of it over the average, cut at 1."""
    categories = context.snapshot.categories
    labels, kept = context.snapshot.single_labels, context.kept
    train = kept.filter(pc.equal(kept["split"], "train"))["id"].combine_chunks()
    learnt = labels.filter(pc.is_in(labels["id"], value_set=train))
    counts = Counter({row["values"]: row["counts"] for row in pc.value_counts(learnt["label"]).to_pylist()})
    average = sum(counts[category] for category in categories) / max(1, len(categories))
    if not average:
        return findings([])
    rows: list[Finding] = []
    for category in categories:
        share = counts[category] / average
        reason = f"class {category!r} has {counts[category]:,} training images, {share:.0%} of the average"
        rows.append(("", min(1.0, share), share < context.limits["imbalance"], reason, None))
    return findings(rows)
