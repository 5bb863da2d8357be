"""The data track: each step spends a budget of labels, and the next model is trained with the answers.

A part of the budget reviews the labels that are most likely wrong, each once; the rest labels new images chosen by a
strategy. Only the training split changes: val and test are those of the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay import plugins
from assay.data.annotations import Annotation, annotations_json
from assay.data.embeddings import Embeddings
from assay.data.snapshot import Snapshot
from assay.data.training_set import TRAIN, kept
from assay.experiments.cells import training_table
from assay.experiments.race.answers import Answer, Answers
from assay.experiments.sides import Side
from assay.labels.labels import group_numbers
from assay.labels.probe import beliefs, suspicion
from assay.stages.select import blank
from assay.strategies import COLD_START, Candidates, draws_of, needs_model
from assay.tasks import classification


@dataclass(frozen=True)
class BaselineData:
    """Data of the baseline, constant during a race."""

    train: pa.Table
    """Training set, splits train and val: see `assay.data.training_set`."""
    categories: tuple[str, ...]
    unlabelled: frozenset[str]
    """Images of the training split without a judgement, blank images excepted."""
    embeddings: Embeddings
    groups: Mapping[str, int]
    """{id: number of its group}."""


@dataclass(frozen=True)
class TrackLabels:
    """Labels so far. `given`: {id: label} of the training split; `asked`: images that are not asked about again."""

    given: Mapping[str, str]
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StepCounts:
    """Counts of a step, in images."""

    reviews: int = 0
    corrected: int = 0
    new: int = 0
    left_out: int = 0
    """Excluded by the answer."""
    unanswered: int = 0
    unknown_class: int = 0
    """Answered with a class that the baseline does not have; not used."""

    @property
    def labels(self) -> int:
        """Labels asked for: the cost."""
        return self.reviews + self.new

    def to_json(self) -> dict[str, int]:
        return {"labels": self.labels, **asdict(self)}


@dataclass(frozen=True)
class Budget:
    """Budget of a step, and how it is spent."""

    labels: int
    review_share: float
    strategy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the strategy."""

    @property
    def reviews(self) -> int:
        return round(self.labels * self.review_share)


def read_baseline(side: Side, train: pa.Table, categories: Sequence[str]) -> BaselineData:
    """Read the data of a side. MissingInput, RevisionError if something is missing."""
    snapshot = Snapshot.load(side.path("data/snapshot"))
    rows = kept(snapshot)
    open_ = pc.and_(pc.equal(rows["split"], "train"), pc.invert(rows["labelled"]))
    unlabelled = set(rows.filter(open_)["id"].to_pylist()) - _blank(side)
    embeddings = Embeddings.open(side.path("data/embeddings"))
    ids = rows["id"].to_pylist()
    groups = dict(zip(ids, group_numbers(snapshot.samples, ids).tolist(), strict=True))
    return BaselineData(train, tuple(categories), frozenset(unlabelled), embeddings, groups)


def _blank(side: Side) -> set[str]:
    """Images that the audit found blank; empty if the side has no audit."""
    if "audit" in side.lock.get("stages", {}):
        side.bring(["data/audit"])
    return set(blank(side.layout).to_pylist())


def beginning(data: BaselineData) -> TrackLabels:
    rows = data.train.filter(pc.equal(data.train["split"], "train"))
    return TrackLabels(dict(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True)))


def step(
    labels: TrackLabels, data: BaselineData, answers: Answers, budget: Budget, seed: int
) -> tuple[TrackLabels, StepCounts]:
    """Spend one labelling budget. Budget that one kind (reviews, new images) cannot use goes to the other."""
    reviewable, open_ = _askable(labels, data, answers)
    reviews = min(max(budget.reviews, budget.labels - len(open_)), len(reviewable))
    new = min(budget.labels - reviews, len(open_))
    suspects = most_suspicious(labels, data, reviewable, reviews, seed)
    chosen = next_queue(labels, data, open_, new, budget, seed)
    asked = [*suspects, *chosen]
    told = answers.ask(asked)
    known = {sample: label for sample, label in told.items() if label is None or label in data.categories}
    changed = [sample for sample in suspects if sample in known and known[sample] != labels.given[sample]]
    outcome = StepCounts(
        reviews=len(suspects),
        corrected=sum(known[sample] is not None for sample in changed),
        new=len(chosen),
        left_out=sum(label is None for label in known.values()),
        unanswered=len(set(asked) - set(told)),
        unknown_class=len(told) - len(known),
    )
    after = replace(labels, given=_told(labels.given, known), asked=labels.asked | set(asked))
    return after, outcome


def _askable(labels: TrackLabels, data: BaselineData, answers: Answers) -> tuple[list[str], list[str]]:
    """(labelled, unlabelled) ids with an answer that were not asked about yet, sorted."""
    about = answers.about
    can = [
        sorted(sample for sample in ids if sample not in labels.asked and (about is None or sample in about))
        for ids in (labels.given, data.unlabelled)
    ]
    return can[0], can[1]


def _told(given: Mapping[str, str], answers: Mapping[str, Answer]) -> dict[str, str]:
    merged: dict[str, Answer] = {**given, **answers}
    return {sample: label for sample, label in sorted(merged.items()) if label is not None}


def most_suspicious(
    labels: TrackLabels, data: BaselineData, reviewable: Sequence[str], count: int, seed: int
) -> list[str]:
    """Images whose label is most likely wrong, in that order."""
    if count <= 0:
        return []
    ids = list(labels.given)
    groups = np.unique([data.groups[sample] for sample in ids], return_inverse=True)[1].astype(np.int64)
    scores = suspicion(data.embeddings.vectors(ids), list(labels.given.values()), groups, seed)
    may = set(reviewable)
    order = np.argsort(-scores, kind="stable").tolist()
    return [ids[row] for row in order if ids[row] in may][:count]


def next_queue(
    labels: TrackLabels, data: BaselineData, open_: Sequence[str], count: int, budget: Budget, seed: int
) -> list[str]:
    """The unlabelled images that the strategy chooses, best first."""
    if count <= 0:
        return []
    given = list(labels.given)
    ids = [*given, *open_]
    vectors = data.embeddings.vectors(ids)
    known = np.arange(len(ids)) < len(given)
    chosen, options = plugins.load("strategies", budget.strategy), budget.options
    probabilities = _beliefs(labels, data, vectors, known) if needs_model(chosen) else None
    if needs_model(chosen) and probabilities is None:
        chosen, options = plugins.load("strategies", COLD_START), {}
    doubt = None if probabilities is None else classification.doubts(probabilities)
    position = {name: k for k, name in enumerate(data.categories)}
    targets = np.array([*(position[label] for label in labels.given.values()), *[-1] * len(open_)], np.int64)
    costs = np.ones(len(ids), np.float32)
    pool = Candidates(vectors, probabilities, known, costs, targets, draws_of(ids), doubt)
    picks = chosen.select(pool, count, np.random.default_rng(seed), **options)
    return [ids[row] for row in picks]


def _beliefs(
    labels: TrackLabels, data: BaselineData, vectors: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    """(n, classes) probabilities of a probe, NaN for labelled images; None with fewer than two classes."""
    position = {name: k for k, name in enumerate(data.categories)}
    given = np.array([position[label] for label in labels.given.values()], np.int64)
    if len(np.unique(given)) < 2:
        return None
    out = np.full((len(vectors), len(data.categories)), np.nan, np.float32)
    out[~known] = beliefs(vectors[known], given, vectors[~known], len(data.categories))
    return out


def table(labels: TrackLabels, data: BaselineData) -> pa.Table:
    """The training set with these labels; rows with an unchanged label keep their annotations."""
    before = {row["id"]: row for row in data.train.to_pylist()}
    rows = [row for row in before.values() if row["split"] != "train"]
    for sample, label in labels.given.items():
        old = before.get(sample)
        note = old["annotations"] if old and old["label"] == label else _tag(label)
        rows.append({"id": sample, "split": "train", "label": label, "annotations": note})
    return training_table(pa.Table.from_pylist(rows, schema=TRAIN), data.categories)


def _tag(label: str) -> str:
    return str(annotations_json([Annotation(category=label)]))
