"""Source of the answers to the data track: an annotator (in a replay), or edit batches written after the baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from assay import plugins, tasks
from assay.annotators import AnnotatorContext, ask
from assay.data.annotations import annotations_json
from assay.data.edits import Judgement, read_batches
from assay.errors import EditError, ParamsError
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.params import Params


class ImageLabel(NamedTuple):
    """The label of an image, and the annotations that it is made of as canonical JSON."""

    label: str
    annotations: str


Answer = ImageLabel | None
"""None: exclude the image."""


class Answers(Protocol):
    """`name`: for display; `digest`: for the key of a race; `about`: ids that have an answer, None: all."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def about(self) -> frozenset[str] | None: ...

    def ask(self, ids: Sequence[str]) -> dict[str, Answer]:
        """{id: answer}, without the ids that have none."""
        ...


@dataclass(frozen=True)
class AnnotatorAnswers:
    """Answers of a plug-in of annotators/, for any image."""

    plugin: str
    layout: Layout
    params: Params
    about: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return self.plugin

    @property
    def digest(self) -> str:
        options = self.params.select.annotator_options
        return f"{self.plugin} {sorted(options.items())}" if options else self.plugin

    def ask(self, ids: Sequence[str]) -> dict[str, Answer]:
        judgements = ask(self.plugin, ids, AnnotatorContext(self.layout, self.params))
        return final(judgements, self.params.task)


@dataclass(frozen=True)
class EditAnswers:
    """Answers from the edit batches between the baseline and a later revision, for the images they judge."""

    name: str
    held: dict[str, Answer]

    @property
    def digest(self) -> str:
        lines = "\n".join(
            f"{sample}\t{told and told.annotations}" for sample, told in sorted(self.held.items())
        )
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def about(self) -> frozenset[str]:
        return frozenset(self.held)

    def ask(self, ids: Sequence[str]) -> dict[str, Answer]:
        return {sample: self.held[sample] for sample in ids if sample in self.held}


def annotator(layout: Layout, params: Params) -> AnnotatorAnswers:
    """The annotator of the params. ParamsError if it answers later, as people do."""
    if (name := params.select.annotator) is None:
        raise ParamsError(
            "a race needs a source of answers: select.annotator is null",
            hint="`assay race BASELINE --answers REV` answers with the edit batches between the two revisions; in a "
            "replay set select.annotator: oracle",
        )
    if plugins.load("annotators", name).WAITS:
        raise ParamsError(
            f"annotator {name} answers later, and a race does not wait",
            hint="`assay race BASELINE --answers REV`, or in a replay select.annotator: oracle",
        )
    return AnnotatorAnswers(name, layout, params)


def batches(side: Side, later: Side) -> EditAnswers:
    """Answers from the edit batches that `later` has and `side` has not. EditError if they judge no image."""
    before = {name for name, _ in read_batches(side.layout.edits)}
    new = [judged for name, judged in read_batches(later.layout.edits) if name not in before]
    held = final((judgement for judged in new for judgement in judged), side.params.task)
    if not held:
        raise EditError(
            f"no edit batch with a label was written between {side.label} and {later.label}",
            hint="choose an earlier baseline or a later --answers: `git log -- data/edits`",
        )
    return EditAnswers(f"the edit batches up to {later.label}", held)


def final(judgements: Iterable[Judgement], task: str) -> dict[str, Answer]:
    """{id: last label}; None if the image is excluded, or what it was labelled with is no label of the task."""
    labels: dict[str, Answer] = {}
    excluded: dict[str, bool] = {}
    for judgement in judgements:
        if judgement.op == "label":
            labels[judgement.id] = _label(judgement, task)
        elif judgement.op in ("exclude", "include"):
            excluded[judgement.id] = judgement.op == "exclude"
    left_out: dict[str, Answer] = {sample: None for sample, out in excluded.items() if out}
    return {**labels, **left_out}


def _label(judgement: Judgement, task: str) -> Answer:
    notes = judgement.annotations or []
    label = tasks.load(task).label(notes)
    return None if label is None else ImageLabel(label, str(annotations_json(notes)))
