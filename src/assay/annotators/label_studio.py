"""People answer in Label Studio: the queue becomes tasks with predictions; submitted annotations come back.

The project is found by its title or made, with a labelling config for the task. Each image of a batch is one task, also
after a kill at any moment. `assay annotate` reads what was submitted since its last call. Which annotations count is in
`_label_studio_tasks.py`; docs/how-to/label-studio.md shows it from start to end.

Images are not copied: Label Studio's page loads them from the server of `assay review` by signed URLs that expire
(`assay.web.signed`). With `images: upload` they are copied to Label Studio.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pyarrow as pa
from pydantic import Field

from assay import tasks
from assay.annotators import AnnotatorContext
from assay.annotators._label_studio_client import Studio, Task, connect
from assay.annotators._label_studio_images import Renew, renewer, signed_urls, uploaded
from assay.annotators._label_studio_mirror import FOLDER, Mirror
from assay.annotators._label_studio_push import push
from assay.annotators._label_studio_tasks import Reader, Size, Start, kinds_of, predicted_tags, task_of
from assay.annotators._predicted_objects import predicted_objects
from assay.data import ledger
from assay.data.annotations import Annotation
from assay.data.edits import read_batches
from assay.data.files import alone_in
from assay.data.labelfile import ValidLabels, valid_classes
from assay.data.ledger import Answer, Batch, SentImage
from assay.data.pool import Pool
from assay.data.snapshot import Snapshot
from assay.data.standing import recorded, standings
from assay.errors import AnnotatorError
from assay.formats._label_studio_written import config
from assay.params import Section
from assay.params.bounds import within

NAME = "label_studio"
WAITS = True
TITLE = (3, 50)
"""Least and most characters of a title."""


class Options(Section):
    """Server, project, and how its page gets the images."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] = "http://localhost:8080"
    """Address of the server."""
    token: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] = "LABEL_STUDIO_TOKEN"
    """Name of the environment variable with the token, legacy or personal; the token itself is in no file."""
    project: Annotated[str, Field(min_length=TITLE[0], max_length=TITLE[1])] | None = None
    """Title of the project; null: the name of the folder."""
    images: Literal["url", "upload"] = "url"
    """url: signed URLs of `image_server`; upload: copies in Label Studio."""
    image_server: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] = "http://127.0.0.1:8420"
    """Address of `assay review`, as the annotators' browsers reach it."""
    url_days: Annotated[float, within(0, 3650, above=True)] = 90.0
    """Days until a URL expires; `assay annotate` renews those of open batches."""
    skipped: Literal["open", "exclude"] = "open"
    """What a skipped image is: still open, or excluded from the data set."""
    allow_new_classes: bool = False
    """Accept annotations with a new class if curate.classes declares none."""


def origin(context: AnnotatorContext) -> str:
    """Origin of the page that loads images from `assay review`: CORS allows this one."""
    url = urlsplit(context.options(Options).url)
    return f"{url.scheme}://{url.netloc}"


def send(batch: Batch, context: AnnotatorContext) -> str:
    """Add a task for each image that has none; the address of the project."""
    options, scratch = context.options(Options), context.layout.scratch
    with alone_in(scratch / FOLDER), _studio(options) as studio:
        classes = _classes(context, options)
        project = _project(studio, options, context, classes)
        write = _writer(batch, studio, project, classes, context)
        mirror, renew = Mirror.of(scratch, studio.url, project), _renewer(options, context)
        push(batch, studio, project, mirror, write, renew, context.progress)
        return _link(studio, project)


def collect(batches: Sequence[Batch], context: AnnotatorContext) -> Iterator[Answer]:
    """An answer for each annotation of the batches' tasks, and of tasks of images that are answered already.

    An image that is asked about again has a task of its own: the annotations of its older tasks do not answer it.
    """
    if not batches:
        return
    options = context.options(Options)
    with _studio(options) as studio:
        if not (found := _found(studio, _title(options, context))):
            raise AnnotatorError(
                f"Label Studio at {studio.url} has no project {_title(options, context)!r}: deleted, or renamed?",
                hint="`assay annotate` makes it again, with the open images; or set select.annotator_options.project",
            )
        project = int(found["id"])
        submitted = Mirror.of(context.layout.scratch, studio.url, project).refresh(studio, project)
        ours = list(_of_ledger(submitted, batches, context))
        if not ours:
            return
        pool = Pool.open(context.layout.pool)
        sizes = _sizes(pool, [s for task in ours if (s := str(task["data"]["assay_id"])) in pool])
        excludes = options.skipped == "exclude"
        classes, users = _classes(context, options), studio.users()
        reader = Reader(context.params.task, classes, sizes, users, excludes)
    is_open = {row.id for batch in batches for row in batch.rows}
    for task in ours:
        answers = reader.answers(task)
        yield from (a for a in answers if a.id in is_open or a.judgements)


def _of_ledger(
    submitted: Sequence[Task], batches: Sequence[Batch], context: AnnotatorContext
) -> Iterator[Task]:
    """The tasks of batches in the ledger; of an open image, those of the batch in which it is open."""
    known = {batch.name for batch in ledger.read(context.layout.ledger)}
    open_in: dict[str, set[str]] = {}
    for batch in batches:
        for row in batch.rows:
            open_in.setdefault(row.id, set()).add(batch.name)
    for task in submitted:
        sample, batch_name = task["data"]["assay_id"], task["data"]["assay_batch"]
        if batch_name in open_in.get(sample, known):
            yield task


# --- the server and the project


@contextmanager
def _studio(options: Options) -> Iterator[Studio]:
    """The server with the token of the environment. AnnotatorError without one."""
    if not (token := os.environ.get(options.token, "").strip()):
        raise AnnotatorError(
            f"the environment variable {options.token} is not set: it holds the token of Label Studio",
            hint="Label Studio shows it under Account & Settings; select.annotator_options.token names the variable",
        )
    with connect(options.url, token) as client:
        yield Studio(client)


def _link(studio: Studio, project: int) -> str:
    return f"{studio.url}/projects/{project}/data"


def _title(options: Options, context: AnnotatorContext) -> str:
    """The title of the project, of a valid length."""
    if options.project is not None:
        return options.project
    name = context.layout.root.resolve().name[: TITLE[1]].strip()
    return name if len(name) >= TITLE[0] else f"assay {name}".strip()


def _found(studio: Studio, title: str) -> dict[str, Any] | None:
    """The project with this title; None if there is none. AnnotatorError if there are several."""
    found = studio.projects(title)
    if len(found) > 1:
        numbers = ", ".join(str(project["id"]) for project in found)
        raise AnnotatorError(
            f"Label Studio has {len(found)} projects with the title {title!r}: {numbers}",
            hint="rename or delete all but one, or set select.annotator_options.project",
        )
    return found[0] if found else None


def _project(studio: Studio, options: Options, context: AnnotatorContext, valid: ValidLabels) -> int:
    """The number of the project, whose config has all classes; made if it is not there."""
    title, classes = _title(options, context), context.params.curate.classes or sorted(valid.known)
    if not classes:
        raise AnnotatorError("there are no classes to choose from", hint="set curate.classes in params.yaml")
    several = tasks.separator(context.params.task) is not None
    kinds = kinds_of(context.params.task, classes[0])

    def made(names: Sequence[str]) -> str:
        return config(names, kinds, several=several)

    overlap = context.params.select.overlap
    if (found := _found(studio, title)) is None:
        return int(studio.create(title, made(classes), overlap)["id"])
    offered = _offered(found["label_config"])
    if missing := [name for name in classes if name not in offered]:
        if found["label_config"].strip() != made(offered).strip():
            raise AnnotatorError(
                f"the labelling config of project {title!r} was changed by hand and has not: {', '.join(missing)}",
                hint="add the classes in Settings, Labeling Interface",
            )
        studio.configure(found["id"], label_config=made([*offered, *missing]))
    if found["maximum_annotations"] < overlap:
        studio.configure(found["id"], maximum_annotations=overlap)
    return int(found["id"])


def _offered(label_config: str) -> list[str]:
    """The classes of a labelling config, each once."""
    try:
        elements = ElementTree.fromstring(label_config).iter()
    except ElementTree.ParseError:
        return []
    values = [element.get("value") for element in elements if element.tag in ("Label", "Choice")]
    return list(dict.fromkeys(value for value in values if value))


def _classes(context: AnnotatorContext, options: Options) -> ValidLabels:
    snapshot, batches = Snapshot.load(context.layout.snapshot), read_batches(context.layout.edits)
    separator = tasks.separator(context.params.task)
    return valid_classes(
        context.params.curate.classes, snapshot, batches, options.allow_new_classes, separator
    )


# --- tasks and their images


def _writer(
    batch: Batch, studio: Studio, project: int, classes: ValidLabels, context: AnnotatorContext
) -> Callable[[Sequence[SentImage]], list[Task]]:
    """Function that makes the tasks of rows."""
    options, pool = context.options(Options), Pool.open(context.layout.pool)

    def write(rows: Sequence[SentImage]) -> list[Task]:
        ids = [row.id for row in rows]
        if options.images == "upload":
            images = uploaded(studio, project, ids, pool)
        else:
            images = signed_urls(ids, options.image_server, options.url_days, context.layout.scratch)
        sizes, starts = _sizes(pool, ids), _starts(rows, classes, context)
        return [task_of(row, batch.name, images[row.id], sizes[row.id], starts[row.id]) for row in rows]

    return write


def _starts(rows: Sequence[SentImage], classes: ValidLabels, context: AnnotatorContext) -> dict[str, Start]:
    """{content id: what its annotation starts with}: tags of the queue; objects of the image, or of the champion."""
    if kinds_of(context.params.task, next(iter(classes.known))) == ("choices",):
        return {row.id: predicted_tags(row, classes) for row in rows}
    there = _current(context, [row.id for row in rows])
    found = predicted_objects([row for row in rows if not there.get(row.id)], context)
    valid = {
        sample: ([note for note in notes if note.category in classes.known], score)
        for sample, (notes, score) in found.items()
    }
    return {row.id: valid.get(row.id, (there.get(row.id, []), None)) for row in rows}


def _renewer(options: Options, context: AnnotatorContext) -> Renew:
    if options.images == "upload":
        return lambda task: None
    return renewer(options.image_server, options.url_days, context.layout.scratch)


def _current(context: AnnotatorContext, ids: Sequence[str]) -> dict[str, list[Annotation]]:
    """The objects that images have already: in a second look they are corrected, not drawn again."""
    from assay.metrics.annotated import ANNOTATIONS

    snapshot, batches = Snapshot.load(context.layout.snapshot), read_batches(context.layout.edits)
    known = standings(batches, recorded(snapshot, ids))
    texts = {sample: known[sample].annotations for sample in ids if sample in known}
    return {sample: ANNOTATIONS.validate_json(text) for sample, text in texts.items() if text}


def _sizes(pool: Pool, ids: Sequence[str]) -> dict[str, Size]:
    """{content id: width and height of the upright image}. PoolError for an image that is not in the pool."""
    rows = pool.index.select(["width", "height"]).take(pa.array(pool.rows(ids)))
    sizes = zip(rows["width"].to_pylist(), rows["height"].to_pylist(), strict=True)
    return dict(zip(ids, sizes, strict=True))
