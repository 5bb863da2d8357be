"""Images that came from several files. They are stored and counted once; contradicting labels are the worse issue.

A contradiction that an edit batch has settled is not reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context
from assay.data.findings import Finding, findings
from assay.data.fold import current


def check(context: Context) -> pa.Table:
    samples = context.kept
    several = samples.filter(pc.greater(pc.list_value_length(samples["origins"]), 1))
    names = _names_given(context.imports, several["id"])
    settled = context.judged("label")
    rows: list[Finding] = []
    for sample, origins in zip(several["id"].to_pylist(), several["origins"].to_pylist(), strict=True):
        given = names.get(sample, {})
        if len(set(given.values())) > 1 and sample not in settled:
            said = ", ".join(f"{name} by {origin}" for origin, name in sorted(given.items()))
            rows.append((sample, 0.0, True, f"one image, several labels: {said}", None))
        else:
            rows.append((sample, 0.5, True, f"one image, {len(origins)} files: {', '.join(origins)}", None))
    return findings(rows)


def _names_given(imports: pa.Table, ids: pa.ChunkedArray) -> dict[str, dict[str, str]]:
    """{id: {origin: categories}} of labelled origins; of several labels of an origin, the last counts."""
    mine = current(imports.filter(pc.is_in(imports["id"], value_set=ids.combine_chunks())))
    given: dict[str, dict[str, str]] = {}
    for row in mine.filter(pc.is_valid(mine["annotations"])).to_pylist():
        given.setdefault(row["id"], {})[f"{row['source']}:{row['path']}"] = _categories(
            json.loads(row["annotations"])
        )
    return given


def _categories(annotations: Iterable[dict[str, str]]) -> str:
    return " + ".join(sorted({annotation["category"] for annotation in annotations})) or "nothing"
