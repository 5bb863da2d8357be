"""Rows of the queue as tasks of Label Studio, and annotations of its tasks as answers.

| an annotation                            | is                                                                       |
|------------------------------------------|--------------------------------------------------------------------------|
| submitted                                | an answer, with `lead_time` as its seconds                               |
| without results                          | an answer where the task knows images without objects, otherwise refused |
| skipped                                  | refused: the image stays open; with `skipped: exclude` an exclusion      |
| with a region that has no class, is      | refused as a whole, with the reason                                      |
| outside the image or cannot be read      |                                                                          |
| with a class that is not declared        | refused as a whole                                                       |
| with a rotated box                       | an answer: a polygon                                                     |
| reaching beyond the image                | an answer: clipped (`assay.data.annotations.fitted`)                     |
| equal to another one of the image        | the same answer, repeated                                                |
| that differs from another one            | refused, as is the other one, until they agree                           |
| of an image that is answered already     | repeated, or if it differs refused                                       |
| a draft                                  | no answer                                                                |

Texts entered for the whole image become the reason (`why`) of the judgement.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay import tasks
from assay.annotators._label_studio_client import Task
from assay.data.annotations import Annotation
from assay.data.edits import Judgement
from assay.data.images.frames import Frame
from assay.data.labelfile import RowError, ValidLabels
from assay.data.ledger import Answer, SentImage
from assay.formats._label_studio import annotations_of
from assay.formats._label_studio_written import result_of

MODEL = "assay"
"""`model_version` of all predictions: Label Studio shows those of one version as the start of an annotation."""
KINDS: Mapping[str, tuple[str, ...]] = {
    "counting": ("rectangle",),
    "detection": ("rectangle",),
    "instance_segmentation": ("polygon", "brush"),
    "semantic_segmentation": ("polygon", "brush"),
}
"""{task: what is drawn}. In other tasks classes are chosen, or if the task takes no tags, anything is drawn."""
SAID = 2000
"""Most characters of a refused annotation that are recorded."""
Size = tuple[int, int]
Start = tuple[Sequence[Annotation], float | None]
"""Annotations that are predicted, and their score."""


def kinds_of(task: str, category: str) -> tuple[str, ...]:
    """What people choose or draw in a task, as keys of `formats._label_studio_written.CONTROLS`."""
    if task in KINDS:
        return KINDS[task]
    return ("choices",) if tasks.takes_tag(task, category) else ("rectangle", "polygon", "brush")


def task_of(row: SentImage, batch: str, image: str, size: Size, start: Start) -> Task:
    """The task of an image with its URL, its size (width, height), and the start of its annotation, if there is one."""
    shown = row.model_dump(include={"path", "split", "strategy", "reason", "label"}, exclude_none=True)
    made: Task = {"data": {"image": image, "assay_id": row.id, "assay_batch": batch, **shown}}
    notes, score = start
    if notes:
        said = {} if score is None else {"score": score}
        made["predictions"] = [{"model_version": MODEL, "result": result_of(notes, *size)[0], **said}]
    return made


def predicted_tags(row: SentImage, classes: ValidLabels) -> Start:
    """The tags that the queue predicts; none if one is no valid class."""
    try:
        return [Annotation(category=name) for name in classes.read(row.predicted or "")], row.confidence
    except RowError:
        return [], None


@dataclass(frozen=True)
class Reader:
    """Reads annotations. `sizes`: {content id: (width, height)}; `users`: {id: email}."""

    task: str
    classes: ValidLabels
    sizes: Mapping[str, Size]
    users: Mapping[int, str]
    excludes_skipped: bool = False

    def answers(self, task: Task) -> Iterator[Answer]:
        """One for each submitted or skipped annotation."""
        for one in task["annotations"]:
            where = f"task {task['id']}, annotation {one['id']}"
            said = json.dumps(one["result"], ensure_ascii=False)[:SAID]
            sample = str(task["data"]["assay_id"])
            try:
                yield Answer(sample, (self._judgement(sample, one),), where, said=said)
            except RowError as trouble:
                yield Answer(sample, (), where, str(trouble), said)

    def _judgement(self, sample: str, one: Mapping[str, Any]) -> Judgement:
        who = one["completed_by"]
        about: dict[str, Any] = {
            "id": sample,
            "by": self.users.get(who, f"user {who}"),
            "at": f"{str(one['updated_at'] or one['created_at'])[:19]}Z",
            "seconds": _seconds(one["lead_time"]),
        }
        if one["was_cancelled"]:
            if not self.excludes_skipped:
                raise RowError(f"skipped by {about['by']}: the image stays open")
            return Judgement(op="exclude", why="skipped in Label Studio", **about)
        notes, texts = self._notes(sample, one["result"])
        why = "; ".join(f"{name}: {text}" for name, text in texts.items())
        return Judgement(op="label", annotations=notes, why=why, **about)

    def _notes(self, sample: str, result: Any) -> tuple[list[Annotation], Mapping[str, str]]:
        """The annotations, and texts for the whole image. RowError if one is not valid."""
        size = self.sizes.get(sample)
        decoded = annotations_of(result, None if size is None else Frame(*size))
        if refused := [issue for issue in decoded.issues if issue.outcome == "refused" and issue.objects]:
            raise RowError("; ".join(f"{issue.where}: {issue.what}" for issue in refused[:3]))
        if decoded.annotations is None:
            raise RowError("its regions cannot be placed on the image")
        for note in decoded.annotations:
            self.classes.check(note.category)
        if tasks.load(self.task).label(decoded.annotations) is None:
            found = "nothing is chosen" if not decoded.annotations else "what is annotated is no label"
            raise RowError(f"{found} in the task {self.task}")
        return decoded.annotations, decoded.metadata


def _seconds(lead_time: Any) -> float | None:
    """`lead_time` in seconds, to a tenth; None without a valid one."""
    if isinstance(lead_time, int | float) and 0 < lead_time < float("inf"):
        return round(float(lead_time), 1)
    return None
