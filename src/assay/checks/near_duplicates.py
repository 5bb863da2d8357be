"""Near-duplicates within one split: recompressed, brightened, scaled. Between splits they are leaks (`leakage.py`)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context
from assay.data.findings import Finding, findings


def check(context: Context) -> pa.Table:
    """One row for each pair, on the newer image. Score 0 if their labels differ: one of them is wrong."""
    concerned = pa.array([sample for pair in context.similar for sample in pair[:2]], pa.string())
    single = context.snapshot.single_labels
    single = single.filter(pc.is_in(single["id"], value_set=concerned))
    labels = dict(zip(single["id"].to_pylist(), single["label"].to_pylist(), strict=True))
    rows: list[Finding] = []
    for newer, older, similarity in context.similar:
        a, b = labels.get(newer), labels.get(older)
        reason = f"almost the same as {older} (similarity {similarity:.4f})"
        if a is not None and b is not None and a != b:
            rows.append((newer, 0.0, True, f"{reason}, but labelled {a}, not {b}", older))
        else:
            rows.append((newer, 0.5, True, reason, older))
    return findings(rows)
