"""The fingerprint of a run: digests of all inputs of its result. Equal fingerprints mean the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from assay.data.files import read_json, read_table
from assay.layout import Layout
from assay.lineage.closure import model_input, stage_closure
from assay.lineage.digests import canonical_digest, code_digest
from assay.params import Params
from assay.plugins import RUNNING, Sources

Change = Literal["first", "nothing", "data", "model", "code", "several"]
SECTIONS = ("seed", "task", "embed", "train", "evaluate")
"""Sections of params that are part of the fingerprint; those of ingest, curate and select act through the data."""


@dataclass(frozen=True)
class Fingerprint:
    """Digests (SHA-256, hex) of the inputs of a result, available once `select` has run."""

    selection: str
    ruler: str
    params: str
    code: str

    @property
    def digest(self) -> str:
        return canonical_digest(self.parts)

    @property
    def parts(self) -> dict[str, str]:
        return {"selection": self.selection, "ruler": self.ruler, "params": self.params, "code": self.code}


def fingerprint(params: Params, layout: Layout) -> Fingerprint:
    """The fingerprint of a run of this workspace as it is. MissingInput before `select`."""
    selection = read_json(layout.selection / "selection.json", made_by="select")
    ruler = read_table(layout.snapshot / "ruler.parquet", made_by="curate")
    chosen = params.model_dump(mode="json", include=set(SECTIONS))
    return Fingerprint(selection["digest"], table_digest(ruler), canonical_digest(chosen), run_code(params))


def changed(before: Fingerprint | None, after: Fingerprint) -> Change:
    """The parts that differ between two runs: data (training set or test set), params of the model, code."""
    if before is None:
        return "first"
    differs: list[Change] = []
    if (before.selection, before.ruler) != (after.selection, after.ruler):
        differs.append("data")
    if before.params != after.params:
        differs.append("model")
    if before.code != after.code:
        differs.append("code")
    return "several" if len(differs) > 1 else (differs or ["nothing"])[0]


def run_code(params: Params, sources: Sources = RUNNING) -> str:
    """Digest of the code of train and evaluate, and of embed if the input of the model is embeddings."""
    stages = ["train", "evaluate"]
    if model_input(params.train.model, sources) == "embeddings":
        stages.append("embed")
    return code_digest({file for stage in stages for file in stage_closure(stage, params, sources)}, sources)


def table_digest(table: pa.Table) -> str:
    """Digest of a table with an id, independent of the order of rows and columns and of the file format."""
    rows = sorted(table.to_pylist(), key=lambda row: str(row["id"]))
    return canonical_digest(rows)
