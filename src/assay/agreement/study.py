"""Agreement of the people of a project: what `assay agreement` reports, from edits, snapshot and embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.agreement import against_others, nominal, objects
from assay.agreement.consensus import (
    LEAST_SURE,
    Consensus,
    Floats,
    Method,
    beliefs_of,
    consensus,
    joined,
    reliability,
)
from assay.agreement.merged import merged
from assay.agreement.votes import MOST, Votes, votes_of
from assay.data.annotations import Annotation
from assay.data.embeddings import Embeddings
from assay.data.snapshot import Label, Snapshot
from assay.errors import MissingInput, UsageError
from assay.labels.labels import LEAST, group_numbers
from assay.layout import Layout

Words = dict[str, dict[str, list[Annotation]]]
"""{image: {person: what they gave last}}: `votes.last_words`."""
MANY_CONFUSIONS = 3
"""Confusions of a person that are listed."""


@dataclass(frozen=True)
class Opinion:
    """The consensus about one image. `sure`: its probability, None for objects; `dispute`: its reason."""

    id: str
    annotations: list[Annotation]
    text: str
    votes: str
    sure: float | None
    dispute: str

    @property
    def why(self) -> str:
        return self.votes if self.sure is None else f"{self.votes}; posterior {self.sure:.2f}"


def shared(words: Words) -> Words:
    """The images with the words of two people and more. UsageError if there are none."""
    found = {sample: said for sample, said in words.items() if len(said) >= 2}
    if not found:
        raise UsageError(
            f"no image has labels of two different people; {len(words):,} have labels of one",
            hint="set select.overlap: 2 and send the queue again, or bring in the labels of each person: "
            "`assay label FILE --by NAME`",
        )
    return found


# --- classes


def of_classes(
    words: Words,
    label: Label,
    shown: Callable[[str], str],
    snapshot: Snapshot,
    layout: Layout,
    method: Method | Literal["auto"],
    above: float | None,
    seed: int,
) -> tuple[dict[str, Any], list[Opinion]]:
    """(report, consensus) of a task whose label is one class or one set of tags. `shown`: a label as people read it."""
    votes = votes_of(words, label)
    votes = votes.of_images(votes.many >= 2)
    size = max(len(votes.labels), len(votes.people) * len(votes.classes)) * len(votes.classes)
    if size > MOST:
        raise UsageError(
            f"{len(votes.labels):,} judgements by {len(votes.people):,} people, {len(votes.classes):,} classes: too "
            f"many; judgements × classes, and people × classes², may be {MOST:,}"
        )
    found, why = decided(votes, snapshot, layout, method, seed)
    limit = LEAST_SURE[found.whole.method] if above is None else above
    taken = found.used
    report = {
        "kind": "classes",
        "method": found.whole.method,
        "above": limit,
        "why": why,
        "alpha": nominal.alpha(votes),
        "classes": {shown(name): row for name, row in nominal.by_class(votes).items()},
        "pairs": nominal.pairs(votes),
        "people": _people(taken[0], taken[1], shown, seed),
    }
    return report, opinions(votes, found.whole, words, label, shown, limit)


@dataclass(frozen=True)
class Decided:
    """The consensus of all images, and votes and consensus that the reliability of the people is estimated from."""

    whole: Consensus
    used: tuple[Votes, Consensus]


def decided(
    votes: Votes, snapshot: Snapshot, layout: Layout, method: Method | Literal["auto"], seed: int
) -> tuple[Decided, str]:
    """The consensus by `method`, and a remark on it. A model's beliefs are used for train and val only."""
    alone = consensus(votes, "majority" if method == "majority" else "dawid_skene")
    if method in ("majority", "dawid_skene"):
        return Decided(alone, (votes, alone)), ""
    splits = dict(zip(snapshot.samples["id"].to_pylist(), snapshot.samples["split"].to_pylist(), strict=True))
    taught = np.array([splits[sample] != "test" for sample in votes.ids], bool)
    some = votes.of_images(taught)
    beliefs, reason = _beliefs(some, snapshot, layout, seed)
    if beliefs is None:
        if method != "auto":
            raise UsageError(f"--method {method} needs beliefs of a model: {reason}")
        return Decided(alone, (votes, alone)), f"without a model: {reason}"
    part = consensus(some, "combined" if method == "auto" else method, beliefs)
    tested = int((~taught).sum())
    remark = f"{tested:,} images of test by votes alone" if tested else ""
    return Decided(joined(taught, part, alone), (some, part)), remark


def _beliefs(votes: Votes, snapshot: Snapshot, layout: Layout, seed: int) -> tuple[Floats | None, str]:
    """(beliefs (n, k), ""), or None and why there are none."""
    if reason := _no_model(votes, layout):
        return None, reason
    vectors = Embeddings.open(layout.embeddings).vectors(list(votes.ids))
    found = beliefs_of(votes, vectors, group_numbers(snapshot.samples, votes.ids), seed)
    return (
        found,
        "" if found is not None else "the consensus of the votes of train and val has one class only",
    )


def _no_model(votes: Votes, layout: Layout) -> str:
    """Why the label audit cannot judge these images; empty if it can."""
    if len(votes.ids) < LEAST:
        return f"{len(votes.ids):,} images of train and val have votes of two people, and it takes {LEAST}"
    if len(np.unique(votes.labels)) < len(votes.classes) or len(votes.classes) < 2:
        return "train and val do not have votes for every class"
    try:
        known = set(Embeddings.open(layout.embeddings).ids)
    except MissingInput:
        return "there are no embeddings; `dvc repro embed` makes them"
    missing = sum(sample not in known for sample in votes.ids)
    return f"{missing:,} images have no embedding; `dvc repro embed` makes them" if missing else ""


def _people(votes: Votes, found: Consensus, shown: Callable[[str], str], seed: int) -> list[dict[str, Any]]:
    """Agreement with the others and accuracy of each person, and their most frequent confusions."""
    others, accuracies = against_others.of_votes(votes), reliability(votes, found, seed)
    rows = zip(votes.people, others, accuracies, found.fit.confusion, strict=True)
    shares = found.fit.posterior.mean(0)
    names = [shown(name) for name in votes.classes]
    return [
        {
            "person": person,
            "others": agree,
            "accuracy": accuracy,
            "confusions": [] if found.fit.alike else _confusions(matrix, shares, names),
        }
        for person, agree, accuracy, matrix in rows
    ]


def _confusions(
    matrix: NDArray[np.float64], shares: NDArray[np.float64], names: Sequence[str]
) -> list[dict[str, Any]]:
    """The most frequent errors: right and given class, and the rate among images of the right class."""
    often = matrix * shares[:, None]
    np.fill_diagonal(often, 0.0)
    first = np.argsort(-often, axis=None, kind="stable")[:MANY_CONFUSIONS]
    cells = zip(*np.unravel_index(first, matrix.shape), strict=True)
    return [
        {"right": names[a], "given": names[b], "rate": round(float(matrix[a, b]), 4)}
        for a, b in cells
        if a != b
    ]


def opinions(
    votes: Votes, found: Consensus, words: Words, label: Label, shown: Callable[[str], str], above: float
) -> list[Opinion]:
    """The consensus of each image; a dispute if it is less sure than `above`, or a class that nobody has given."""
    rows = []
    counted = zip(votes.ids, found.classes, found.sure, votes.counts, strict=True)
    for sample, number, sure, counts in counted:
        text = votes.classes[number]
        tally = sorted(
            ((votes.classes[k], int(counts[k])) for k in np.flatnonzero(counts)), key=lambda item: -item[1]
        )
        said = ", ".join(f"{shown(name)} {count}" for name, count in tally)
        notes = next((n for n in words[sample].values() if label(n) == text), [])
        doubt = "" if sure >= above else f"posterior {sure:.2f}"
        dispute = doubt if counts[number] else "nobody has given the likeliest class"
        rows.append(Opinion(sample, notes, shown(text), said, round(float(sure), 6), dispute))
    return rows


# --- objects


def of_objects(words: Words, snapshot: Snapshot) -> tuple[dict[str, Any], list[Opinion]]:
    """(report, consensus) of a task whose labels are boxes or masks."""
    columns = (snapshot.samples[name].to_pylist() for name in ("id", "height", "width"))
    sizes = {
        sample: (height, width) for sample, height, width in zip(*columns, strict=True) if sample in words
    }
    report = {
        "kind": "objects",
        "method": "majority",
        "above": 0.5,
        "why": f"objects that more than half of the people annotated, matched from an IoU of {objects.NEAR:g} on",
        "alpha": objects.alpha_of_classes(words, sizes),
        "pairs": objects.pairs(words, sizes),
        "classes": {},
        "people": against_others.of_objects(words, sizes),
    }
    return report, [_of_image(sample, said, sizes[sample]) for sample, said in sorted(words.items())]


def _of_image(sample: str, said: Mapping[str, list[Annotation]], size: tuple[int, int]) -> Opinion:
    notes, disputes = merged(said, size)
    counts = Counter(len(objects.objects_in(one)) for one in said.values())
    several = " or ".join(str(count) for count in sorted(counts))
    votes = f"{len(said)} people, {several} objects"
    return Opinion(sample, notes, f"{len(notes)} objects", votes, None, "; ".join(disputes))
