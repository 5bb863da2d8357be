"""The audit of a dataset version: every check of `curate.checks`, and the gate that some of them are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay import plugins
from assay.checks import FINDINGS, Context, near_pairs
from assay.data.edits import read_batches
from assay.data.embeddings import Embeddings
from assay.data.files import write_json
from assay.data.fold import fold
from assay.data.pool import Pool
from assay.errors import GateError, MissingInput, ParamsError
from assay.layout import Layout
from assay.near_duplicates import FLOOR
from assay.params import Curate, Params

Audit = dict[str, pa.Table]
"""FINDINGS by check."""

SHOWN, NAMED = 20, 10
"""Findings of a check in audit.json; leaks named in the error."""


def open_context(params: Params, layout: Layout) -> Context:
    """Fold pool and edits, and gather what the checks look at. ParamsError for thresholds that cannot be."""
    curate = params.curate
    limits = _limits(curate)
    if curate.near_duplicate < FLOOR:
        raise ParamsError(
            f"curate.near_duplicate is {curate.near_duplicate:g}: embed keeps no pairs less similar than {FLOOR:g}",
            hint=f"set it to {FLOOR:g} or more; 0.99 is the default",
        )
    pool, embeddings = Pool.open(layout.pool), Embeddings.open(layout.embeddings)
    if not len(pool):
        raise GateError("there is no image in the pool", hint="see ingest.sources in params.yaml")
    if not _same(embeddings.traits["id"], pool.index["id"]):
        raise MissingInput(
            f"{layout.embeddings} is not of the images that are in the pool",
            hint="run `assay embed`, or `dvc repro`",
        )
    batches = read_batches(layout.edits)
    pairs = near_pairs(embeddings.pairs, curate.near_duplicate)
    fractions = curate.splits.model_dump()
    snapshot = fold(pool, batches, pairs, fractions, curate.split_seed, curate.classes)
    return Context(snapshot, embeddings, pool.imports, batches, curate, limits)


def _same(a: pa.ChunkedArray, b: pa.ChunkedArray) -> bool:
    """Whether two columns hold the same ids, each once, in whatever order."""
    return len(a) == len(b) and bool(pc.all(pc.is_in(a, value_set=b.combine_chunks())).as_py() is not False)


def _limits(curate: Curate) -> dict[str, float]:
    """The LIMITS of all checks with those of params over them."""
    defaults: dict[str, float] = {}
    for name in plugins.names("checks"):
        defaults |= getattr(plugins.load("checks", name), "LIMITS", {})
    if unknown := sorted(set(curate.limits) - set(defaults)):
        raise ParamsError(
            f"curate.limits: there is no limit {', '.join(map(repr, unknown))}",
            hint="valid: " + ", ".join(f"{name} ({value:g})" for name, value in sorted(defaults.items())),
        )
    return defaults | curate.limits


def run_checks(context: Context) -> Audit:
    """What the checks of `curate.checks` (all, if there are none) find. A check that blocks cannot be left out."""
    chosen = set(context.params.checks or plugins.names("checks"))
    found: Audit = {}
    for name in plugins.names("checks"):
        module = plugins.load("checks", name)
        if name in chosen or module.BLOCKS:
            found[name] = module.check(context)
    return found


def details(audit: Audit, context: Context) -> Audit:
    """What those of the checks that ran have measured, beyond their findings."""
    modules = {name: plugins.load("checks", name) for name in audit}
    return {name: module.detail(context) for name, module in modules.items() if hasattr(module, "detail")}


def issues(findings: pa.Table) -> pa.Table:
    """The findings that are issues."""
    return findings.filter(findings["is_issue"])


def gate(audit: Audit, context: Context, layout: Layout) -> None:
    """GateError if a check that blocks has found an issue; all its findings go to `.assay/<check>.json`."""
    for name, findings in audit.items():
        module, file = plugins.load("checks", name), layout.scratch / f"{name}.json"
        file.unlink(missing_ok=True)
        if module.BLOCKS and (found := issues(findings)).num_rows:
            write_json(file, found.to_pylist())
            reasons = [f"  {reason}" for reason in found["reason"].to_pylist()[:NAMED]]
            if (rest := len(found) - len(reasons)) > 0:
                reasons.append(f"  … and {rest:,} more, all in {file}")
            raise GateError(
                f"{name}: {len(found):,} {'issue stops' if len(found) == 1 else 'issues stop'} the pipeline, "
                "and no snapshot was written:\n" + "\n".join(reasons),
                hint=module.remedy(found, context.split_of) if hasattr(module, "remedy") else None,
            )


def as_table(audit: Audit) -> pa.Table:
    """All findings as one table, with their check in front, in the order of the checks' names."""
    tables = [
        findings.add_column(0, "check", pa.array([name] * len(findings), pa.string()))
        for name, findings in audit.items()
    ]
    schema = FINDINGS.insert(0, pa.field("check", pa.string()))
    return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()


def summarise(audit: Audit) -> dict[str, Any]:
    """For each check how many samples (or classes) have issues, and the worst of them: the content of audit.json."""
    return {
        name: {
            "issues": len(found),
            "samples": pc.count_distinct(found["id"].filter(pc.not_equal(found["id"], ""))).as_py(),
            "worst": found.slice(0, SHOWN).select(["id", "score", "reason", "related"]).to_pylist(),
        }
        for name, findings in audit.items()
        for found in [issues(findings)]
    }
