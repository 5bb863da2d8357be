"""The gates of `curate`: issues that stop the pipeline, because they would invalidate every later metric.

A gate is one file with

    check(version) -> table     FINDINGS; an issue among them stops the pipeline, and no snapshot is written
    remedy(findings, split_of) -> str     optional: how to resolve them

A gate reads a `Version`, which has no results of floating-point arithmetic: it decides the same on every machine.
"""

from __future__ import annotations

from assay import plugins
from assay.data.edits import read_batches
from assay.data.embeddings import Embeddings
from assay.data.files import write_json
from assay.data.findings import issues
from assay.data.fold import fold
from assay.data.near_duplicates import FLOOR
from assay.data.pool import Pool
from assay.data.version import Version, near_pairs
from assay.errors import GateError, ParamsError
from assay.layout import Layout
from assay.params import Params

NAMED = 10
"""Most issues named in the error."""


def fold_version(params: Params, layout: Layout) -> Version:
    """Fold pool and edits. ParamsError for a threshold below FLOOR; GateError for an empty pool."""
    curate = params.curate
    if curate.near_duplicate < FLOOR:
        raise ParamsError(
            f"curate.near_duplicate is {curate.near_duplicate:g}: embed keeps pairs from a similarity of {FLOOR:g} on",
            hint=f"set it to {FLOOR:g} or more; 0.99 is the default",
        )
    pool, embeddings = Pool.open(layout.pool), Embeddings.open(layout.embeddings)
    if not len(pool):
        raise GateError("the pool has no images", hint="set ingest.sources in params.yaml")
    embeddings.require(pool.index["id"], "the pool")
    batches = read_batches(layout.edits)
    pairs = near_pairs(embeddings.pairs, curate.near_duplicate)
    fractions = curate.splits.model_dump()
    snapshot = fold(pool, batches, pairs, fractions, curate.split_seed, curate.classes)
    return Version(snapshot, pairs, pool.imports, batches)


def pass_all(version: Version, layout: Layout) -> None:
    """GateError if a gate finds an issue; its findings are written to `.assay/<gate>.json`."""
    for name in plugins.names("gates"):
        module, file = plugins.load("gates", name), layout.scratch / f"{name}.json"
        file.unlink(missing_ok=True)
        if (found := issues(module.check(version))).num_rows:
            write_json(file, found.to_pylist())
            reasons = [f"  {reason}" for reason in found["reason"].to_pylist()[:NAMED]]
            if (rest := len(found) - len(reasons)) > 0:
                reasons.append(f"  … and {rest:,} more, all in {file}")
            raise GateError(
                f"{name}: {len(found):,} {'issue stops' if len(found) == 1 else 'issues stop'} the pipeline, "
                "and no snapshot was written:\n" + "\n".join(reasons),
                hint=module.remedy(found, version.split_of) if hasattr(module, "remedy") else None,
            )
