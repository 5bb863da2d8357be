"""Leaks between splits. Three kinds stop the pipeline:

- near-duplicates in different splits (a new image similar to images of both, or splits set by a source or an edit);
- one group (patient, part, video) in different splits;
- one image that its sources put into different splits, until an edit batch decides.

A leak is reported on the sample in the less protected split: train before val before test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.findings import Finding, findings
from assay.data.fold import split_claims
from assay.data.splits import PROTECTION
from assay.data.version import Version

CLAIMS = "its sources claim"

Decision = tuple[str, Literal["exclude", "split"], str]


def check(version: Version) -> pa.Table:
    """A row for each leak. Score: 0 if the test set is involved, else 0.25."""
    rows = {(row[0], row[4]): row for row in (*_groups(version), *_pairs(version), *_claims(version))}
    return findings(list(rows.values()))


def _pairs(version: Version) -> Iterator[Finding]:
    for newer, older, similarity in version.similar:
        if version.split_of[newer] != version.split_of[older]:
            yield _leak(
                newer, older, version.split_of, f"almost the same picture (similarity {similarity:.4f})"
            )


def _groups(version: Version) -> Iterator[Finding]:
    grouped = version.kept.filter(pc.is_valid(version.kept["group"]))
    members: dict[str, list[str]] = defaultdict(list)
    for sample, group in zip(grouped["id"].to_pylist(), grouped["group"].to_pylist(), strict=True):
        members[group].append(sample)
    for group, samples in members.items():
        anchor = max(samples, key=lambda sample: PROTECTION.index(version.split_of[sample]))
        for sample in samples:
            if version.split_of[sample] != version.split_of[anchor]:
                yield _leak(sample, anchor, version.split_of, f"one group, {group!r}")


def _claims(version: Version) -> Iterator[Finding]:
    claims: dict[str, set[str]] = defaultdict(set)
    table = split_claims(version.imports)
    for sample, split in zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True):
        claims[sample].add(split)
    settled = version.judged("split")
    for sample, claimed in claims.items():
        if len(claimed) > 1 and sample in version.split_of and sample not in settled:
            named = " and ".join(split for split in PROTECTION if split in claimed)
            yield sample, _score(claimed), True, f"{CLAIMS} {named} for {sample[:12]}", None


def _leak(a: str, b: str, split_of: dict[str, str], what: str) -> Finding:
    less, more = sorted((a, b), key=lambda sample: PROTECTION.index(split_of[sample]))
    splits = split_of[less], split_of[more]
    reason = f"{what}: {less[:12]} in {splits[0]}, {more[:12]} in {splits[1]}"
    return less, _score(splits), True, reason, more


def _score(splits: Iterable[str]) -> float:
    return 0.0 if "test" in splits else 0.25


def plan(leaks: pa.Table, split_of: dict[str, str]) -> list[Decision]:
    """(id, op, why) of the decisions that resolve all leaks, sorted by id. The test set does not change.

    Of two copies, the one in the less protected split is excluded; a copy excluded already needs no second decision. An
    image claimed for several splits stays in the most protected one, where the fold has put it.
    """
    decisions: dict[str, Decision] = {}
    rows = sorted(leaks.to_pylist(), key=lambda row: -PROTECTION.index(split_of[row["related"] or row["id"]]))
    for row in rows:
        sample, other = row["id"], row["related"]
        if other is None:
            decisions.setdefault(sample, (sample, "split", row["reason"]))
        elif not _goes(decisions, other):
            decisions[sample] = (sample, "exclude", row["reason"])
    return [decisions[sample] for sample in sorted(decisions)]


def _goes(decisions: dict[str, Decision], sample: str) -> bool:
    return sample in decisions and decisions[sample][1] == "exclude"


def remedy(leaks: pa.Table, split_of: dict[str, str]) -> str:
    """A sentence on how to resolve the leaks."""
    ops = [op for _, op, _ in plan(leaks, split_of)]
    parts = []
    if n := ops.count("exclude"):
        parts.append(f"excludes {n:,} {'copy' if n == 1 else 'copies'} outside the more protected split")
    if n := ops.count("split"):
        parts.append(f"settles the split of {n:,} {'image' if n == 1 else 'images'}")
    return (
        f"`assay resolve leakage` writes data/edits/NNNN-resolve-leakage.jsonl, which {' and '.join(parts)}"
    )
