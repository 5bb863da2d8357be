"""FINDINGS: the table of results that all gates and checks return."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

FINDINGS = pa.schema(
    {
        "id": pa.string(),
        "score": pa.float64(),
        "is_issue": pa.bool_(),
        "reason": pa.string(),
        "related": pa.string(),
    }
)
"""score: 0 (worst) to 1 (fine); related: the other sample of a pair, else null; id: "" for findings about a class or a
split."""

Finding = tuple[str, float, bool, str, str | None]


def findings(rows: Sequence[Finding]) -> pa.Table:
    """A FINDINGS table, sorted by score (worst first), then by id."""
    ordered = sorted(rows, key=lambda row: (row[1], row[0], row[4] or ""))
    columns = list(zip(*ordered, strict=True)) or [()] * len(FINDINGS)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, FINDINGS, strict=True)], schema=FINDINGS)


def issues(found: pa.Table) -> pa.Table:
    """The findings that are issues."""
    return found.filter(found["is_issue"])
