"""The audit: checks of a dataset version. A check lists issues; only gates (`assay.gates`) stop the pipeline.

A check is one file with

    check(context) -> table     FINDINGS, at most one row for each id and related
    LIMITS: dict[str, float]    optional: thresholds by name and their defaults, set by `audit.limits`
    detail(context) -> table    optional: all measurements, written to data/audit/<check>.parquet

A finding on a class or a split has the id "". Checks skip excluded samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay import plugins
from assay.data.edits import answers_to, read_batches
from assay.data.embeddings import Embeddings
from assay.data.findings import FINDINGS, issues
from assay.data.pool import side_table
from assay.data.snapshot import Snapshot
from assay.data.version import Version, near_pairs
from assay.errors import ParamsError
from assay.labels.labels import Labels, labels_of
from assay.layout import Layout
from assay.params import Params

if TYPE_CHECKING:
    from assay.labels.judge import JudgedLabels

Findings = dict[str, pa.Table]
"""FINDINGS by check."""

SHOWN = 20
"""Most findings of a check in audit.json."""


@dataclass(frozen=True)
class StoredVectors:
    """Embeddings of some images, read from the files on access."""

    embeddings: Embeddings
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.embeddings.at(self.rows[rows])


@dataclass(frozen=True)
class Context(Version):
    """Input of a check: a dataset version, its embeddings and statistics, and the limits."""

    embeddings: Embeddings
    seed: int
    """Seed of all random draws."""
    limits: dict[str, float]
    """LIMITS of all checks: the params, else the defaults."""

    @cached_property
    def labels(self) -> Labels:
        """Labels of the train and val images with exactly one: input of the label audit."""
        return labels_of(self.snapshot)

    @cached_property
    def judged_labels(self) -> JudgedLabels | None:
        """The label audit of `labels`; None with too few labels."""
        return self.judge_labels() if self.labels.can_be_judged else None

    def judge_labels(self, model: NDArray[np.float64] | None = None) -> JudgedLabels:
        """The label audit of `labels`. `model`: out-of-fold probabilities (n, k) of the project's model."""
        from assay.labels.judge import judge
        from assay.labels.measured import answers, measured

        held, most = self.labels, int(self.limits["label_teachers"])
        pa.default_memory_pool().release_unused()  # memory that Arrow keeps after reading tables
        stored = StoredVectors(self.embeddings, self.embeddings.rows(held.ids))
        judged = judge(stored, held.given, held.groups, len(held.categories), self.seed, most, model)
        return measured(judged, *held.looks(answers(self.batches)))

    @cached_property
    def ranked_labels(self) -> pa.Table:
        """RANKED: all audited labels by falling probability to be wrong."""
        from assay.labels.table import RANKED

        return RANKED.empty_table() if self.judged_labels is None else self.rank(self.judged_labels)

    def rank(self, judged: JudgedLabels) -> pa.Table:
        """RANKED table of an audit of `labels`."""
        from assay.labels.table import ranked

        held = self.labels
        answers, labels = answers_to(self.batches), answers_to(self.batches, ["label"])
        given = self.imports.filter(pc.is_valid(self.imports["annotations"]))["id"]
        by_source = set(given.to_pylist())
        looks = [labels[sample] + (sample in by_source) for sample in held.ids]
        before, limit = [answers[sample] for sample in held.ids], self.limits["outlier"]
        return ranked(judged, held.ids, held.splits, held.categories, looks, before, limit)


def open_context(params: Params, layout: Layout) -> Context:
    """Read the input of the checks. ParamsError for an unknown limit."""
    limits = _limits(params)
    snapshot, embeddings = Snapshot.load(layout.snapshot), Embeddings.open(layout.embeddings)
    embeddings.require(snapshot.samples["id"], "the snapshot")
    pairs = near_pairs(embeddings.pairs, params.curate.near_duplicate)
    imports, batches = side_table(layout.pool, "imports"), read_batches(layout.edits)
    return Context(snapshot, pairs, imports, batches, embeddings, params.curate.split_seed, limits)


def _limits(params: Params) -> dict[str, float]:
    """LIMITS of all checks, overridden by the params."""
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
    """Findings of the checks `chosen`; of all checks if it is empty."""
    return {
        name: plugins.load("checks", name).check(context)
        for name in sorted(chosen or plugins.names("checks"))
    }


def details(found: Findings, context: Context) -> Findings:
    """Detail tables of the checks that ran, by check."""
    modules = {name: plugins.load("checks", name) for name in found}
    return {name: module.detail(context) for name, module in modules.items() if hasattr(module, "detail")}


def as_table(found: Findings) -> pa.Table:
    """All findings as one table with the column `check`, sorted by check."""
    tables = [
        findings.add_column(0, "check", pa.array([name] * len(findings), pa.string()))
        for name, findings in found.items()
    ]
    schema = FINDINGS.insert(0, pa.field("check", pa.string()))
    return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()


def summarise(found: Findings) -> dict[str, Any]:
    """Content of audit.json: for each check the number of samples (or classes) with issues, and the worst ones."""
    return {
        name: {
            "issues": len(bad),
            "samples": pc.count_distinct(bad["id"].filter(pc.not_equal(bad["id"], ""))).as_py(),
            "worst": bad.slice(0, SHOWN).select(["id", "score", "reason", "related"]).to_pylist(),
        }
        for name, findings in found.items()
        for bad in [issues(findings)]
    }
