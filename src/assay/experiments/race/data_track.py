"""The data track: each step spends a budget of labels, and the next model is trained with the answers.

A part of the budget reviews the labels that are most likely wrong, each once; the rest labels new images chosen by a
strategy. Only the training split changes: val and test are those of the baseline. Suspicion and the beliefs that a
strategy asks for come from a probe on the embeddings, for tasks with classes. In other tasks there are no reviews, and
strategies that need a model are replaced by that of the cold start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay import plugins, tasks
from assay.data.embeddings import Embeddings
from assay.data.findings import blank
from assay.data.snapshot import Snapshot
from assay.data.training_set import TRAIN, kept
from assay.experiments.cells import training_table
from assay.experiments.race.answers import Answers
from assay.experiments.sides import Side
from assay.labels.labels import group_numbers
from assay.labels.probe import beliefs, suspicion
from assay.strategies import COLD_START, Candidates, draws_of, needs_classes, needs_model
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
    task: str = "classification"

    @property
    def has_classes(self) -> bool:
        """Whether a label is a class, which a probe can learn."""
        return bool(tasks.load(self.task).SAYS_CLASSES)

    def knows(self, label: str) -> bool:
        return set(tasks.load(self.task).classes(label)) <= set(self.categories)


@dataclass(frozen=True)
class TrackLabels:
    """Labels so far. `given`: {id: label} of the training split; `asked`: images that are not asked about again."""

    given: Mapping[str, str]
    asked: frozenset[str] = frozenset()
    annotations: Mapping[str, str] = field(default_factory=dict)
    """{id: JSON} of the answers."""


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
    return BaselineData(train, tuple(categories), frozenset(unlabelled), embeddings, groups, side.params.task)


def _blank(side: Side) -> set[str]:
    """Images that the audit found blank; empty if the side has no audit."""
    if "audit" in side.lock.get("stages", {}):
        side.bring(["data/audit"])
    return set(blank(side.layout.audit).to_pylist())


def replaced(data: BaselineData, strategy: str) -> str | None:
    """What chooses the new images instead of the strategy, in words; None if it can choose by itself."""
    chosen = plugins.load("strategies", strategy)
    if data.has_classes or not (needs_model(chosen) or needs_classes(chosen)):
        return None
    return f"{strategy} needs a model at each step, which a race has for tasks with classes: {COLD_START} chose instead"


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
    known = {sample: answer for sample, answer in told.items() if answer is None or data.knows(answer.label)}
    given = {sample: answer and answer.label for sample, answer in known.items()}
    changed = [sample for sample in suspects if sample in given and given[sample] != labels.given[sample]]
    outcome = StepCounts(
        reviews=len(suspects),
        corrected=sum(given[sample] is not None for sample in changed),
        new=len(chosen),
        left_out=sum(label is None for label in given.values()),
        unanswered=len(set(asked) - set(told)),
        unknown_class=len(told) - len(known),
    )
    notes = {sample: answer.annotations for sample, answer in known.items() if answer}
    after = TrackLabels(
        _told(labels.given, given), labels.asked | set(asked), {**labels.annotations, **notes}
    )
    return after, outcome


def _askable(labels: TrackLabels, data: BaselineData, answers: Answers) -> tuple[list[str], list[str]]:
    """(labelled, unlabelled) ids with an answer that were not asked about yet, sorted; without classes no labelled."""
    about = answers.about
    can = [
        sorted(sample for sample in ids if sample not in labels.asked and (about is None or sample in about))
        for ids in (labels.given if data.has_classes else (), data.unlabelled)
    ]
    return can[0], can[1]


def _told(given: Mapping[str, str], answers: Mapping[str, str | None]) -> dict[str, str]:
    merged: dict[str, str | None] = {**given, **answers}
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
    asks = needs_model(chosen) or (needs_classes(chosen) and not data.has_classes)
    probabilities = _beliefs(labels, data, vectors, known) if asks and data.has_classes else None
    if asks and probabilities is None:
        chosen, options = plugins.load("strategies", COLD_START), {}
    doubt = None if probabilities is None else classification.doubts(probabilities)
    targets = _targets(labels, data, len(open_)) if data.has_classes else None
    costs = np.ones(len(ids), np.float32)
    pool = Candidates(vectors, probabilities, known, costs, targets, draws_of(ids), doubt)
    picks = chosen.select(pool, count, np.random.default_rng(seed), **options)
    return [ids[row] for row in picks]


def _targets(labels: TrackLabels, data: BaselineData, open_: int) -> NDArray[np.int64]:
    """(n,) the class of each labelled image, then −1 for each of `open_` others."""
    position = {name: k for k, name in enumerate(data.categories)}
    return np.array([*(position[label] for label in labels.given.values()), *[-1] * open_], np.int64)


def _beliefs(
    labels: TrackLabels, data: BaselineData, vectors: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    """(n, classes) probabilities of a probe, NaN for labelled images; None with fewer than two classes."""
    given = _targets(labels, data, 0)
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
        note = old["annotations"] if old and old["label"] == label else labels.annotations[sample]
        rows.append({"id": sample, "split": "train", "label": label, "annotations": note})
    return training_table(pa.Table.from_pylist(rows, schema=TRAIN), data.categories)
