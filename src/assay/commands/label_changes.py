"""What a file of labels is read against, and what reading it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from assay import tasks
from assay.data.edits import Batches, Judgement, read_batches
from assay.data.labelfile import Names, Problem, ValidLabels, valid_classes
from assay.data.snapshot import Snapshot
from assay.layout import Layout
from assay.lineage.people import whoami
from assay.params import Params


@dataclass(frozen=True)
class LabelContext:
    """The project as a file of labels finds it: images, edits so far, valid classes, and the default labeller."""

    task: str
    layout: Layout
    snapshot: Snapshot
    batches: Batches
    names: Names
    classes: ValidLabels
    by: str
    overlap: int
    """Different people who are to judge an image: `select.overlap`."""

    @classmethod
    def load(cls, params: Params, layout: Layout, by: str | None, allow_new_classes: bool) -> LabelContext:
        snapshot, batches = Snapshot.load(layout.snapshot), read_batches(layout.edits)
        separator = tasks.separator(params.task)
        classes = valid_classes(params.curate.classes, snapshot, batches, allow_new_classes, separator)
        names, who = Names.of(snapshot.samples), by or whoami(layout.root)
        return cls(params.task, layout, snapshot, batches, names, classes, who, params.select.overlap)

    def new_classes(self, judgements: Sequence[Judgement]) -> list[str]:
        """The classes that no label had before, sorted; none of them where `curate.classes` declares the valid ones."""
        named = {note.category for judgement in judgements for note in judgement.annotations or ()}
        return [] if self.classes.declared else sorted(named - self.classes.known)


@dataclass(frozen=True)
class LabelChanges:
    """The judgements of the valid rows of a file, and the problems of the others."""

    judgements: list[Judgement]
    problems: list[Problem]
    open: int
    """Rows that are not filled in."""
    unchanged: int = 0
    """Images whose row says what is known already."""
    repeated: int = 0
    """Rows that repeat another one."""
    ignored: list[str] = field(default_factory=list)
    """Names of unknown columns."""
