"""Labels outside the declared classes, and classes without a labelled image in a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from assay.checks import Context
from assay.data.findings import Finding, findings
from assay.data.snapshot import Snapshot
from assay.data.splits import PROTECTION


def check(context: Context) -> pa.Table:
    return findings([*_undeclared(context), *_empty(context)])


def _undeclared(context: Context) -> Iterator[Finding]:
    """Labels that `curate.classes` does not declare; none if it declares no classes."""
    notes, categories = context.snapshot.annotations, pa.array(context.snapshot.categories, pa.string())
    others = notes.filter(pc.invert(pc.is_in(notes["category"], value_set=categories)))
    named: dict[str, set[str]] = {}
    for sample, category in zip(others["id"].to_pylist(), others["category"].to_pylist(), strict=True):
        if sample in context.split_of:
            named.setdefault(sample, set()).add(category)
    for sample, names in named.items():
        said = ", ".join(repr(name) for name in sorted(names))
        yield sample, 0.0, True, f"labelled {said}, which curate.classes does not declare", None


def _empty(context: Context) -> Iterator[Finding]:
    """Classes without labelled images in a split: not measured (val, test), or not trained (train)."""
    seen = set(_seen(context.snapshot))
    begun = Counter(split for _, split in seen)
    for split in PROTECTION:
        for category in context.snapshot.categories:
            if begun[split] and (category, split) not in seen:
                yield "", 0.1, True, f"class {category!r} has no labelled image in {split}", None


def _seen(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Pairs (category, split) with at least one image that is not excluded."""
    of = snapshot.samples.select(["split", "excluded"]).take(pa.array(snapshot.annotated))
    table = of.append_column("category", snapshot.annotations["category"]).filter(pc.invert(of["excluded"]))
    pairs = table.group_by(["category", "split"]).aggregate([])
    yield from zip(pairs["category"].to_pylist(), pairs["split"].to_pylist(), strict=True)
