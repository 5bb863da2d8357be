"""The audit: what is odd about a dataset version.

A check is one file with

    check(context) -> table     FINDINGS, at most one row for each id and related
    BLOCKS: bool                True: an issue of this check stops the pipeline
    LIMITS: dict[str, float]    optional: thresholds by name and their defaults, set by `curate.limits`
    remedy(findings) -> str     optional, where BLOCKS: what to do about them
    detail(context) -> table    optional: all that was measured, kept as data/snapshot/<check>.parquet

A finding on a class or a split rather than on an image has the id "". Excluded samples are looked at by no check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.edits import Op, answers_to
from assay.data.embeddings import Embeddings
from assay.data.fold import Batches
from assay.data.snapshot import Snapshot
from assay.label_audit.labels import Labels, labels_of
from assay.params import Curate

if TYPE_CHECKING:
    from assay.label_audit.judge import Judged

FINDINGS = pa.schema(
    {
        "id": pa.string(),
        "score": pa.float64(),
        "is_issue": pa.bool_(),
        "reason": pa.string(),
        "related": pa.string(),
    }
)
"""score: 0 (worst) to 1 (fine); related: the other sample of a pair, else null."""

Finding = tuple[str, float, bool, str, str | None]


@dataclass(frozen=True)
class Stored:
    """The vectors of some images, read from the files as they are asked for."""

    embeddings: Embeddings
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.embeddings.vectors([self.ids[row] for row in rows.tolist()])


@dataclass(frozen=True)
class Context:
    """What a check may look at."""

    snapshot: Snapshot
    embeddings: Embeddings
    imports: pa.Table
    """The pool's: what each origin of an image said of it."""
    batches: Batches
    params: Curate
    limits: dict[str, float]
    """The LIMITS of all checks, with those of params over the defaults."""

    @cached_property
    def kept(self) -> pa.Table:
        """The samples that are not excluded."""
        samples = self.snapshot.samples
        return samples.filter(pc.invert(samples["excluded"]))

    @cached_property
    def split_of(self) -> dict[str, str]:
        """The split of each sample that is not excluded."""
        split = self.kept["split"].combine_chunks().dictionary_encode()
        names = split.dictionary.to_pylist()  # one text for each split, not for each sample
        codes = split.indices.to_pylist()
        return {sample: names[code] for sample, code in zip(self.kept["id"].to_pylist(), codes, strict=True)}

    @cached_property
    def similar(self) -> list[tuple[str, str, float]]:
        """(newer, older, similarity) of the near-duplicates among the kept samples."""
        pairs = near_pairs(self.embeddings.pairs, self.params.near_duplicate)
        rows = zip(*(pairs[name].to_pylist() for name in ("id", "other", "similarity")), strict=True)
        return [row for row in rows if row[0] in self.split_of and row[1] in self.split_of]

    @cached_property
    def labels(self) -> Labels:
        """Of the training and validation images with one label: what the audit of labels starts from."""
        return labels_of(self.snapshot)

    @cached_property
    def judged_labels(self) -> Judged | None:
        """What the label audit says of `labels`; None where there is too little to say anything."""
        return self.judge_labels() if self.labels.can_be_judged else None

    def judge_labels(self, model: NDArray[np.float64] | None = None) -> Judged:
        """The same with the opinion of a model, (n, k), that has not learnt from them."""
        from assay.label_audit.judge import judge

        held, most = self.labels, int(self.limits["label_teachers"])
        stored = Stored(self.embeddings, held.ids)
        return judge(
            stored, held.given, held.groups, len(held.categories), self.params.split_seed, most, model
        )

    @cached_property
    def ranked_labels(self) -> pa.Table:
        """RANKED: every label that was judged, the likeliest to be wrong first."""
        from assay.label_audit.table import RANKED

        return RANKED.empty_table() if self.judged_labels is None else self.rank(self.judged_labels)

    def rank(self, judged: Judged) -> pa.Table:
        """RANKED, of what was said of `labels`."""
        from assay.label_audit.table import ranked

        held = self.labels
        answers, labels = answers_to(self.batches), answers_to(self.batches, ["label"])
        given = self.imports.filter(pc.is_valid(self.imports["annotations"]))["id"]
        by_source = set(given.to_pylist())
        looks = [labels[sample] + (sample in by_source) for sample in held.ids]
        return ranked(
            judged, held.ids, held.splits, held.categories, looks, [answers[sample] for sample in held.ids]
        )

    def judged(self, op: Op) -> set[str]:
        """The samples that an edit batch decided something about: `label`, `split`, …"""
        return set(answers_to(self.batches, [op]))


def near_pairs(pairs: pa.Table, threshold: float) -> pa.Table:
    """The pairs that are near-duplicates at a threshold."""
    return pairs.filter(pc.greater_equal(pairs["similarity"], pa.scalar(threshold, pa.float32())))


def findings(rows: Sequence[Finding]) -> pa.Table:
    """A FINDINGS table, the worst first, then by id."""
    ordered = sorted(rows, key=lambda row: (row[1], row[0], row[4] or ""))
    columns = list(zip(*ordered, strict=True)) or [()] * len(FINDINGS)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, FINDINGS, strict=True)], schema=FINDINGS)
