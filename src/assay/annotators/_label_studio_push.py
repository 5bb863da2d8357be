"""A batch becomes tasks in a Label Studio project: each image one task, whatever was interrupted before.

An import is stored completely or not at all, and its answer may be lost: the tasks of the batch are read back before
anything is sent. If an earlier call was killed while the server was still storing an import, that import arrives twice:
of two tasks for an image, one that nobody has worked on is removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from assay.annotators._label_studio_client import Studio, Task
from assay.annotators._label_studio_images import Renew
from assay.annotators._label_studio_mirror import Mirror
from assay.data.ledger import Batch, SentImage
from assay.errors import AnnotatorError
from assay.progress import Progress, silent

AT_ONCE = 1000
"""Tasks of an import: one transaction of the server."""
Write = Callable[[Sequence[SentImage]], list[Task]]


def push(
    batch: Batch,
    studio: Studio,
    project: int,
    mirror: Mirror,
    write: Write,
    renew: Renew,
    progress: Progress = silent,
) -> None:
    """Add the tasks that are missing, in order. `write`: tasks of rows; `renew`: a new image URL for an expired one.

    A batch that is complete costs one request, unless its first image URL has expired.
    """
    total, first = studio.batch(project, batch.name, size=1)
    if batch.name in mirror.complete and total == len(batch.rows) and not any(map(renew, first)):
        return
    held = single_tasks(studio, project, batch.name) if total else {}
    missing = [row for row in batch.rows if row.id not in held]
    expired = {sample: url for sample, task in held.items() if (url := renew(task)) is not None}
    if missing or expired:
        with progress.bar("to Label Studio", len(missing) + len(expired)) as advance:
            for start in range(0, len(missing), AT_ONCE):
                part = missing[start : start + AT_ONCE]
                studio.add(project, write(part))
                advance(len(part))
            for sample, url in expired.items():
                studio.change(held[sample]["id"], {**held[sample]["data"], "image": url})
                advance(1)
    if studio.batch(project, batch.name, size=1)[0] != len(batch.rows):
        _require_all(batch, single_tasks(studio, project, batch.name))
    if batch.name not in mirror.complete:
        mirror.complete.append(batch.name)
        mirror.save()


def _require_all(batch: Batch, held: dict[str, Task]) -> None:
    if missing := sum(row.id not in held for row in batch.rows):
        raise AnnotatorError(
            f"{missing:,} of {len(batch.rows):,} tasks of {batch.name} are not in Label Studio",
            hint="was the project changed meanwhile? call again",
        )


def single_tasks(studio: Studio, project: int, batch: str) -> dict[str, Task]:
    """{content id: its task} of a batch. Surplus tasks that nobody has worked on are removed."""
    found: dict[str, list[Task]] = defaultdict(list)
    for task in studio.batch_tasks(project, batch):
        found[str(task["data"].get("assay_id"))].append(task)
    return {sample: _single(studio, tasks) for sample, tasks in found.items()}


def _single(studio: Studio, tasks: list[Task]) -> Task:
    """The task to keep: the first with annotations or drafts, otherwise the first."""
    if len(tasks) == 1:
        return tasks[0]
    worked_on = {task["id"] for task in tasks if _is_worked_on(studio.task(task["id"]))}
    kept = next((task for task in tasks if task["id"] in worked_on), tasks[0])
    for task in tasks:
        if task is not kept and task["id"] not in worked_on:
            studio.remove(task["id"])
    return kept


def _is_worked_on(task: Task) -> bool:
    return bool(task["annotations"] or task["drafts"])
