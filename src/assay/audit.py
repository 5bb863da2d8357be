"""The audit of a dataset version: every check of `audit.checks`, and what they found as tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay import plugins
from assay.checks import Context
from assay.data.edits import read_batches
from assay.data.embeddings import Embeddings
from assay.data.findings import FINDINGS, issues
from assay.data.pool import side_table
from assay.data.snapshot import Snapshot
from assay.data.version import near_pairs
from assay.errors import ParamsError
from assay.layout import Layout
from assay.params import Params

Findings = dict[str, pa.Table]
"""FINDINGS by check."""

SHOWN = 20
"""Findings of a check in audit.json."""


def open_context(params: Params, layout: Layout) -> Context:
    """The snapshot, and what else the checks look at. ParamsError for a limit that there is not."""
    limits = _limits(params)
    snapshot, embeddings = Snapshot.load(layout.snapshot), Embeddings.open(layout.embeddings)
    embeddings.require(snapshot.samples["id"], "the snapshot")
    pairs = near_pairs(embeddings.pairs, params.curate.near_duplicate)
    imports, batches = side_table(layout.pool, "imports"), read_batches(layout.edits)
    return Context(snapshot, pairs, imports, batches, embeddings, params.curate.split_seed, limits)


def _limits(params: Params) -> dict[str, float]:
    """The LIMITS of all checks with those of params over them."""
    defaults: dict[str, float] = {}
    for name in plugins.names("checks"):
        defaults |= getattr(plugins.load("checks", name), "LIMITS", {})
    if unknown := sorted(set(params.audit.limits) - set(defaults)):
        raise ParamsError(
            f"audit.limits: there is no limit {', '.join(map(repr, unknown))}",
            hint="valid: " + ", ".join(f"{name} ({value:g})" for name, value in sorted(defaults.items())),
        )
    return defaults | params.audit.limits


def run_checks(context: Context, chosen: list[str]) -> Findings:
    """What these checks find; all there are, if none are named."""
    return {
        name: plugins.load("checks", name).check(context)
        for name in sorted(chosen or plugins.names("checks"))
    }


def details(found: Findings, context: Context) -> Findings:
    """What those of the checks that ran have measured, beyond their findings."""
    modules = {name: plugins.load("checks", name) for name in found}
    return {name: module.detail(context) for name, module in modules.items() if hasattr(module, "detail")}


def as_table(found: Findings) -> pa.Table:
    """All findings as one table, with their check in front, in the order of the checks' names."""
    tables = [
        findings.add_column(0, "check", pa.array([name] * len(findings), pa.string()))
        for name, findings in found.items()
    ]
    schema = FINDINGS.insert(0, pa.field("check", pa.string()))
    return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()


def summarise(found: Findings) -> dict[str, Any]:
    """For each check how many samples (or classes) have issues, and the worst of them: the content of audit.json."""
    return {
        name: {
            "issues": len(bad),
            "samples": pc.count_distinct(bad["id"].filter(pc.not_equal(bad["id"], ""))).as_py(),
            "worst": bad.slice(0, SHOWN).select(["id", "score", "reason", "related"]).to_pylist(),
        }
        for name, findings in found.items()
        for bad in [issues(findings)]
    }
