"""Classes with far fewer training images than the average class."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context
from assay.data.findings import Finding, findings

LIMITS = {"imbalance": 0.2}
"""Share of the average number of training images a class, below which a class is an issue."""


def check(context: Context) -> pa.Table:
    """A row for each class. Score: its training images over the average, at most 1."""
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
