"""Labels of training and validation images that are probably wrong: see `assay.labels`, and `assay audit`.

    label_errors           0.5  least probability of being wrong for an issue
    label_teachers       50000  most labels that the audit is fitted to, drawn at random; all labels are judged

A label that was reviewed and confirmed is no issue. Test labels are not used and not judged: correcting them by a
model's opinion would bias the test. Score: the probability that the label is right.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context
from assay.data.findings import Finding, findings

LIMITS = {"label_errors": 0.5, "label_teachers": 50_000.0}


def check(context: Context) -> pa.Table:
    """A row for each label with a probability of being wrong of at least `label_errors`."""
    table = context.ranked_labels
    suspect = table.filter(pc.greater_equal(table["probability"], context.limits["label_errors"]))
    rows: list[Finding] = [
        (row["id"], 1 - row["probability"], row["looks"] < 2, _sentence(row), None)
        for row in suspect.to_pylist()
    ]
    return findings(rows)


def detail(context: Context) -> pa.Table:
    return context.ranked_labels


def _sentence(row: dict[str, Any]) -> str:
    again = "" if row["looks"] < 2 else f" (labelled {row['looks']} times)"
    return f"labelled {row['given']!r}{again}, looks like {row['suggested']!r}: {row['reason']}"
