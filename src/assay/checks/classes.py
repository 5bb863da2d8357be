"""Labels outside the declared classes, and classes that a split has no labelled image of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from assay.checks import Context, Finding, findings
from assay.data.splits import PROTECTION

BLOCKS = False


def check(context: Context) -> pa.Table:
    return findings([*_undeclared(context), *_empty(context)])


def _undeclared(context: Context) -> Iterator[Finding]:
    """Only where classes are declared: otherwise every label is one."""
    notes, categories = context.snapshot.annotations, set(context.snapshot.categories)
    named: dict[str, set[str]] = {}
    for sample, category in zip(notes["id"].to_pylist(), notes["category"].to_pylist(), strict=True):
        if category not in categories and sample in context.split_of:
            named.setdefault(sample, set()).add(category)
    for sample, names in named.items():
        said = ", ".join(repr(name) for name in sorted(names))
        yield sample, 0.0, True, f"labelled {said}, which curate.classes does not declare", None


def _empty(context: Context) -> Iterator[Finding]:
    """A class that test or val lacks cannot be measured, one that train lacks cannot be learnt."""
    notes = context.snapshot.annotations
    seen = {
        (category, context.split_of.get(sample))
        for sample, category in zip(notes["id"].to_pylist(), notes["category"].to_pylist(), strict=True)
    }
    begun = Counter(split for _, split in seen)
    for split in PROTECTION:
        for category in context.snapshot.categories:
            if begun[split] and (category, split) not in seen:
                yield "", 0.1, True, f"class {category!r} has no labelled image in {split}", None
