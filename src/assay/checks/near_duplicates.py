"""Almost the same picture twice: recompressed, brightened, scaled. In one split it counts double; see leakage."""

from __future__ import annotations

import pyarrow as pa

from assay.checks import Context, Finding, findings

BLOCKS = False


def check(context: Context) -> pa.Table:
    """One row for each pair, on the newer of the two. Worse (0) if their labels differ: one of them is wrong."""
    labels = context.snapshot.labels()
    rows: list[Finding] = []
    for newer, older, similarity in context.similar:
        a, b = labels.get(newer), labels.get(older)
        reason = f"almost the same as {older} (similarity {similarity:.4f})"
        if a is not None and b is not None and a != b:
            rows.append((newer, 0.0, True, f"{reason}, but labelled {a}, not {b}", older))
        else:
            rows.append((newer, 0.5, True, reason, older))
    return findings(rows)
