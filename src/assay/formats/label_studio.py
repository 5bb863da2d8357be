"""Label Studio's export as `JSON`: tasks with their annotations. JSON-MIN and CSV leave out skipped tasks.

`path` is the JSON, or a folder with several, selected by the option `files`. A task is unlabelled if nobody has
submitted an annotation that is not skipped: drafts do not count, predictions only with the option `predictions`. Of
several annotations the one marked as ground truth counts, otherwise the last updated; that there are several is listed.
Which items of an annotation become objects, tags and metadata is in assay.formats._label_studio.

The image is the value of `data.image`, or of the option `image`: a path, an address, or `?d=` of local files. It is
searched in `images` (default: beside the JSON, and in its folder `images`) by as much of its end as is there, as it
stands and with %20 decoded, at last without the eight characters that Label Studio puts before an upload. `split` of
`data` is the split. Two tasks of one image are an error.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from pydantic import Field

from assay.data.annotations import Annotation
from assay.data.images.frames import frame_of
from assay.data.records import Issue, Outgoing, Record, Written
from assay.errors import SourceError
from assay.formats import SPLIT_NAMES, options_of, place_of
from assay.formats._files import files_of, found_image, json_of, no_such_image, path_of, put, refuse_repeats
from assay.formats._label_studio import Said, annotations_of, answers_of
from assay.formats._label_studio_written import CONTROLS, IMAGE, attributes_of, config, result_of
from assay.layout import locate
from assay.params import Section, Source

UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")


class Options(Section):
    files: list[str] = Field(default_factory=lambda: ["*.json"])
    """The files of a folder: patterns of names, at any depth."""
    images: str | None = None
    """The folder of the images, relative to the project's root; by default it is searched."""
    image: str = IMAGE
    """The key of the image in `data` of a task."""
    controls: list[str] = Field(default_factory=list)
    """Names of the controls whose choices of the whole image are tags; empty: all. Those of others are metadata."""
    predictions: bool = False
    """True: a task without an annotation has the labels of its last prediction."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images of the tasks, sorted by path. SourceError if a file is no export of tasks."""
    options = options_of(source, Options)
    place = place_of(source, root)
    base = place if place.is_dir() else place.parent
    files = files_of(source, place, options.files)
    folders = (locate(root, options.images),) if options.images is not None else ()
    records = [record for file in files for record in Export(source, file, base, options, folders).records()]
    refuse_repeats(source, records)
    return iter(sorted(records, key=lambda record: record.path))


class Export:
    """Reader of one JSON file. `folders`: of the images; empty: beside the file."""

    def __init__(
        self, source: Source, file: Path, base: Path, options: Options, folders: Sequence[Path]
    ) -> None:
        self.file, self.base, self.options = file, base, options
        self.name = path_of(file, base)
        self.folders = folders or (file.parent, file.parent / "images")
        self.tasks = self._tasks(f"source {source.name!r}: {file}")

    def _tasks(self, where: str) -> list[Said]:
        held = json_of(self.file, where)
        if held and isinstance(held, list) and all(_is_task(row) for row in held):
            return list(held)
        raise SourceError(
            f"{where}: no tasks of Label Studio: no list of objects with `data`",
            hint="export as JSON (not JSON-MIN); other files of the folder: set options.files",
        )

    def records(self) -> Iterator[Record]:
        """A record for each task."""
        for n, task in enumerate(self.tasks):
            yield self._record(f"{self.name}, task {task.get('id', f'[{n}]')}", task)

    def _record(self, where: str, task: Said) -> Record:
        told = task["data"].get(self.options.image)
        answers = answers_of(task) or self._predicted(task)
        result = answers[-1].get("result") if answers else None
        if not isinstance(told, str) or not told:
            raise SourceError(
                f"{where}: data has no {self.options.image!r}",
                hint=f"set options.image to the key of the image, of: {', '.join(task['data'])}",
            )
        beside = (os.fspath(self.file),)
        split = SPLIT_NAMES.get(str(task["data"].get("split")).lower())
        tries = ((at, name) for name in _names(told) for at in self.folders)
        file = next((place for at, name in tries if (place := found_image(at, name, self.base))), None)
        if file is None:
            missing = self.folders[0] / next(_names(told), told)
            rows = [f"{where}, result[{n}]" for n in range(len(result) if isinstance(result, list) else 0)]
            return no_such_image(path_of(missing, self.base), missing, self.name, rows)
        path = path_of(file, self.base)
        if not answers:
            return Record(path, file, split=split, beside=beside)
        found = annotations_of(result, frame_of(file), where, self.options.controls)
        several = [
            Issue(where, f"{len(answers)} annotations: that of id {answers[-1].get('id')} counts", "taken", 0)
        ]
        issues = (several if len(answers) > 1 else []) + found.issues
        return Record(
            path, file, None, found.annotations, split, metadata=found.metadata, issues=issues, beside=beside
        )

    def _predicted(self, task: Said) -> list[Said]:
        held = task.get("predictions")
        if not self.options.predictions or not isinstance(held, list):
            return []
        rows: list[Said] = [one for one in held if isinstance(one, dict)]
        return rows[-1:]


def _is_task(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("data"), dict)
        and isinstance(row.get("annotations") or [], list)
    )


def _names(told: str) -> Iterator[str]:
    """Possible paths of an image below its folder, the longest first."""
    plain = told.replace("\\", "/")
    if "?d=" in plain:
        plain = plain.partition("?d=")[2]
    elif "://" in plain:
        plain = plain.partition("://")[2].partition("?")[0]
    parts: list[str] = []
    for text in dict.fromkeys((plain, unquote(plain))):
        parts = [part for part in PurePosixPath(text.replace("\\", "/")).parts if part not in ("/", "..")]
        yield from ("/".join(parts[n:]) for n in range(len(parts)))
    if parts and (upload := UPLOAD.match(parts[-1])):
        yield parts[-1][upload.end() :]


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """tasks.json to import, images/, and labelling_config.xml for the project.

    Images are named as local files: LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is the folder. Polygons with parts or holes
    become brushes. Lost: boxes other than that of their outline, attributes of tags.
    """
    written, tasks, notes = Written(), list[dict[str, Any]](), list[Annotation]()
    for n, image in enumerate(images, 1):
        put(folder / "images" / image.path, image.read())
        result, lost = result_of(image.annotations, image.width, image.height)
        written.lost += lost
        written.objects += len(image.annotations)
        notes += image.annotations
        data = {IMAGE: f"/data/local-files/?d=images/{quote(image.path)}", "split": image.split}
        tasks.append({"id": n, "data": data, "annotations": [{"id": n, "result": result}]})
    items = {
        (item["type"].removesuffix("labels"), item["from_name"]) for task in tasks for item in _items(task)
    }
    kinds = [kind for kind, control in CONTROLS.items() if (kind, control) in items]
    put(folder / "tasks.json", json.dumps(tasks, ensure_ascii=False).encode())
    put(folder / "labelling_config.xml", config(classes, kinds, attributes_of(notes)).encode())
    return written


def _items(task: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = task["annotations"][0]["result"]
    return found
