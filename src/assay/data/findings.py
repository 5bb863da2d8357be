"""FINDINGS: the table of results that all gates and checks return."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.files import read_table

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

BLANK = ("images", "blank")
"""The check, and how its reason begins, of images with nothing to see on them. Dark or blurred ones are asked about:
the model will meet such images too, and a ruler without them would flatter it."""


def findings(rows: Sequence[Finding]) -> pa.Table:
    """A FINDINGS table, sorted by score (worst first), then by id."""
    ordered = sorted(rows, key=lambda row: (row[1], row[0], row[4] or ""))
    columns = list(zip(*ordered, strict=True)) or [()] * len(FINDINGS)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, FINDINGS, strict=True)], schema=FINDINGS)


def issues(found: pa.Table) -> pa.Table:
    """The findings that are issues."""
    return found.filter(found["is_issue"])


def blank(audit: Path) -> pa.Array:
    """Ids of the images that the audit found blank; none if there was no audit."""
    if not (file := audit / "audit.parquet").exists():
        return pa.array([], pa.string())
    check, reason = BLANK
    found = read_table(file, ["id", "check", "is_issue", "reason"])
    blank = pc.and_(pc.equal(found["check"], check), pc.starts_with(found["reason"], reason))
    return pc.unique(found.filter(pc.and_(found["is_issue"], blank))["id"])
