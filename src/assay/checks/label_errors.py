"""Labels of training and validation images that are probably wrong: see `assay.label_audit`, and `assay audit`.

    label_errors           0.5  probability of being wrong from which on a label is an issue
    label_teachers       20000  labels that the audit learns from, at most, drawn at random; all of them are judged

A label that was looked at again, by whomever, and stands is no issue any more. Test images are neither learnt from nor
judged: they are nobody's to review by a model's opinion. Score: the probability that the label is right.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context, Finding, findings
from assay.label_audit.table import RANKED, ranked

BLOCKS = False
LIMITS = {"label_errors": 0.5, "label_teachers": 20_000.0}


def check(context: Context) -> pa.Table:
    """A row for each label that is more likely to be wrong than `label_errors`."""
    table = detail(context)
    suspect = table.filter(pc.greater_equal(table["probability"], context.limits["label_errors"]))
    rows: list[Finding] = [
        (row["id"], 1 - row["probability"], row["looks"] < 2, _sentence(row), None)
        for row in suspect.to_pylist()
    ]
    return findings(rows)


def detail(context: Context) -> pa.Table:
    """RANKED: every label that was judged, the likeliest to be wrong first."""
    judged, held = context.judged_labels, context.labels
    if judged is None:
        return RANKED.empty_table()
    acts, labels = (Counter(_judged(context, ops)) for ops in (("label", "exclude", "include"), ("label",)))
    given = context.imports.filter(pc.is_valid(context.imports["annotations"]))["id"]
    by_source = set(given.to_pylist())
    looks = [labels[sample] + (sample in by_source) for sample in held.ids]
    return ranked(
        judged, held.ids, held.splits, held.categories, looks, [acts[sample] for sample in held.ids]
    )


def _judged(context: Context, ops: tuple[str, ...]) -> list[str]:
    return [judgement.id for _, batch in context.batches for judgement in batch if judgement.op in ops]


def _sentence(row: dict[str, Any]) -> str:
    again = "" if row["looks"] < 2 else f" (looked at {row['looks']} times)"
    return f"labelled {row['given']!r}{again}, looks like {row['suggested']!r}: {row['reason']}"
