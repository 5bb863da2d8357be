"""Local copy of what people have submitted in a Label Studio project, kept current at the cost of what has changed.

    .assay/label_studio/<hash of server and project>.json

A poll compares the number of tasks with annotations and the time of the last change with the copy: one small request if
nothing has changed. Otherwise it reads the tasks changed since, last first. If the numbers then differ, something was
deleted, and all are read. The copy is a cache: without it the next poll reads all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assay.annotators._label_studio_client import FULL_PAGE, Studio, Task
from assay.data.files import read_json, recall, write_json

FOLDER = "label_studio"
OVERLAP = timedelta(minutes=1)
"""Changes this long before the last known one are read again: a transaction may have ended after a later one."""
KEPT = ("id", "result", "completed_by", "was_cancelled", "created_at", "updated_at", "lead_time")
"""Keys of an annotation in the copy."""


@dataclass
class Mirror:
    """`tasks`: those with annotations, by id. `complete`: batches of which every image has a task."""

    file: Path
    tasks: dict[str, Task] = field(default_factory=dict)
    complete: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, scratch: Path, url: str, project: int) -> Mirror:
        """The copy of a project; empty if there is none, or a damaged one."""
        name = hashlib.sha256(f"{url} {project}".encode()).hexdigest()[:16]
        file = scratch / FOLDER / f"{name}.json"
        held = recall(lambda: read_json(file)) or {}
        return cls(file, held.get("tasks", {}), held.get("complete", []))

    def save(self) -> None:
        write_json(self.file, {"tasks": self.tasks, "complete": self.complete})

    def refresh(self, studio: Studio, project: int) -> list[Task]:
        """Bring the copy up to date; the tasks with annotations, by id."""
        total, newest = studio.answered(project, size=1)
        if total != len(self.tasks) or any(not self._has(task) for task in newest):
            if self._read(studio, project, self._last() - OVERLAP) != len(self.tasks):
                self.tasks = {}
                self._read(studio, project, datetime.min)
            self.save()
        return [self.tasks[key] for key in sorted(self.tasks, key=int)]

    def _has(self, task: Task) -> bool:
        held = self.tasks.get(str(task["id"]))
        return held is not None and held["updated_at"] == task["updated_at"]

    def _last(self) -> datetime:
        return max((_time(task) for task in self.tasks.values()), default=datetime.min + OVERLAP)

    def _read(self, studio: Studio, project: int, since: datetime) -> int:
        """Copy the tasks changed after `since`. Returns the number of tasks with annotations by the last answer."""
        page = 1
        while True:
            total, tasks = studio.answered(project, page)
            self.tasks |= {str(task["id"]): _kept(task) for task in tasks}
            if total <= page * FULL_PAGE or _time(tasks[-1]) < since:
                return total
            page += 1


def _kept(task: Task) -> dict[str, Any]:
    annotations = [{key: one.get(key) for key in KEPT} for one in task["annotations"]]
    data = {key: task["data"].get(key) for key in ("assay_id", "assay_batch")}
    return {"id": task["id"], "updated_at": task["updated_at"], "data": data, "annotations": annotations}


def _time(task: Task) -> datetime:
    """Time of the last change, UTC, without a zone."""
    return datetime.fromisoformat(task["updated_at"]).replace(tzinfo=None)
