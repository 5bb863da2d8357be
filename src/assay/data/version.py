"""A snapshot together with the inputs of its fold. All of it is discrete, so that gates decide alike on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.edits import Batches, Op, answers_to
from assay.data.snapshot import Snapshot


@dataclass(frozen=True)
class Version:
    """A snapshot with near-duplicates, imports and edit batches."""

    snapshot: Snapshot
    pairs: pa.Table
    """PAIRS with a similarity of at least `curate.near_duplicate`: see `near_pairs`."""
    imports: pa.Table
    """IMPORTS of the pool."""
    batches: Batches

    @cached_property
    def kept(self) -> pa.Table:
        """The samples that are not excluded."""
        samples, out = self.snapshot.samples, self.snapshot.samples["excluded"]
        return samples.filter(pc.invert(out)) if pc.any(out).as_py() else samples

    @cached_property
    def split_of(self) -> dict[str, str]:
        """The split of each sample that is not excluded."""
        split = self.kept["split"].combine_chunks().dictionary_encode()
        names = split.dictionary.to_pylist()  # one Python text per split, not per sample
        codes = split.indices.to_pylist()
        return {sample: names[code] for sample, code in zip(self.kept["id"].to_pylist(), codes, strict=True)}

    @cached_property
    def similar(self) -> list[tuple[str, str, float]]:
        """(newer, older, similarity) of the near-duplicates among the kept samples."""
        rows = zip(*(self.pairs[name].to_pylist() for name in ("id", "other", "similarity")), strict=True)
        return [row for row in rows if row[0] in self.split_of and row[1] in self.split_of]

    def judged(self, op: Op) -> set[str]:
        """Ids of the samples with a judgement of this op."""
        return set(answers_to(self.batches, [op]))


def near_pairs(pairs: pa.Table, threshold: float) -> pa.Table:
    """The pairs with a similarity of at least `threshold`."""
    return pairs.filter(pc.greater_equal(pairs["similarity"], pa.scalar(threshold, pa.float32())))
