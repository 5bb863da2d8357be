"""Tasks: what a label means, what is wanted of a model, and how good a prediction is.

A task is two files, as a change of how models are measured must train none. `tasks/x.py` has

    SAYS_CLASSES: bool                            whether predictions are a probability of each class: the column
                                                  `probabilities`, a list of float32 in the order of the classes
    MODELS: tuple[str, ...]                       optional: models that serve it beside those with its name in TASKS
    UNUSED: tuple[str, ...]                       optional: keys of `train` without a meaning for it: a race tries none
    OUTLINES: "objects" | "regions"               optional: labels are outlines, which `assay audit` judges pixel by
                                                  pixel; whether neighbours of one class are different objects
    SEPARATOR: str                                optional: between the tags of an image in a file of labels

    label(annotations) -> str | None              label of a sample, from its annotations, as text; None: not labelled
    words(label) -> str                           a label as a person reads it
    classes(label) -> sequence of str             the classes that an image with this label shows: what is counted
    outputs(categories) -> int                    numbers that a model returns for each image
    targets(labels, categories) -> sequence (n,)  training target of each image; ParamsError for an invalid label
    batch(targets, rows, where, device)           targets of some rows (b,) in the form of the loss; `where`, the
                                                  Placement of the images once augmented, moves boxes and masks along
    objective(targets, settings) -> loss          from all of train; loss(model, images (b, …), batch) -> scalar
    predict(outputs, where) -> said               outputs of a model, batch by batch, as predictions of n images in a
                                                  form of the task's own; `where` brings places back to the images
    scores(said, targets) -> {"loss": …}          cheap, once an epoch; the epoch with the lowest "loss" is kept
    to_table(said, categories) -> pa.Table        its columns of predictions.parquet, `predicted` (text) among them
    doubt(table) -> float32 (n,)                  from those columns: 1 where the model cannot tell, 0 where it is sure
    objects(table, classes) -> Detections         optional: the objects detected, from those columns. A task that has it
                                                  has labels of objects, and its judge gives a Detected: `assay audit`
                                                  holds the labels against the detections, `select` learns from the two
                                                  how many objects to expect
    served(outputs) -> tensor                     optional: what an exported model returns, from its outputs; without
                                                  it the outputs. Of objects, those of one image

and `metrics/x.py`

    METRICS                                       names of rows of assay.metrics.table, or of its own ROWS
    ROWS                                          optional, a Metric each: those of a project's own task
    judge(table, known, labels, categories) -> Judged     predictions of a model with the classes `known`, compared with
                                                  labels; all statistics use assay.metrics.judged only
    details(judged) -> dict                       optional: more about a model on its test images: `details` of
                                                  metrics.json

`DRAWN` of assay.stages.evaluate has the plots of a task beyond metrics with their intervals. `torch` is imported by the
functions that need it: `curate` asks a task what a label is, and trains nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay import plugins
from assay.errors import ParamsError

DRAW_OBJECTS = "draw their objects with `assay review`, or in a tool whose files are added to ingest.sources"


def load(name: str) -> ModuleType:
    """`tasks/name.py`. PluginError if there is none of that name."""
    return plugins.load("tasks", name)


def separator(name: str) -> str | None:
    """What is between the tags of an image in a file of labels; None where a label is one class."""
    found: str | None = getattr(load(name), "SEPARATOR", None)
    return found


def shown_in(name: str, labels: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """{class: (n,) which of the images with these labels show it}, by name."""
    texts, which = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    classes = [set(load(name).classes(text)) for text in texts.tolist()]
    return {one: np.array([one in held for held in classes])[which] for one in sorted(set().union(*classes))}


def probabilities_of(table: pa.Table) -> NDArray[np.float32]:
    """(n, classes) of the predictions of a task with SAYS_CLASSES."""
    flat = np.asarray(table["probabilities"].combine_chunks().flatten(), np.float32)
    return flat.reshape(len(table), -1) if len(table) else flat.reshape(0, 0)


def takes_tag(name: str, category: str) -> bool:
    """Whether an image with this class alone, without an object, counts as labelled."""
    from assay.data.annotations import Annotation

    return load(name).label([Annotation(category=category)]) is not None


def how_to_label(name: str) -> str:
    """What people do to label the queue of a task: fill in classes or counts, or draw objects."""
    if takes_tag(name, "1"):
        return "`assay queue --csv to-label.csv`, fill it in, `assay label to-label.csv`"
    return DRAW_OBJECTS


def place_of(named: Iterable[str], categories: Sequence[str]) -> dict[str, int]:
    """The number of each category. ParamsError if something else is named."""
    if unknown := sorted(set(named) - set(categories)):
        raise ParamsError(
            f"labels outside the declared classes: {', '.join(map(repr, unknown[:10]))}",
            hint=f"curate.classes has: {', '.join(categories)}; add them there, or relabel",
        )
    return {category: k for k, category in enumerate(categories)}


def require_classes(name: str, what: str, or_objects: bool = False) -> None:
    """ParamsError if the predictions of a task are not probabilities of classes, which `what` needs.

    `or_objects`: numbers of objects will do as well.
    """

    def able(task: str) -> bool:
        return load(task).SAYS_CLASSES or (or_objects and has_objects(task))

    if not able(name):
        needs = "a probability of each class" + " or the number of objects" * or_objects
        raise ParamsError(
            f"{what} works with {needs}, which the task {name} does not give",
            hint=f"tasks that do: {', '.join(filter(able, plugins.names('tasks')))}",
        )


def outlines(name: str) -> str | None:
    """`objects` or `regions` where the labels of a task are outlines: see OUTLINES."""
    found: str | None = getattr(load(name), "OUTLINES", None)
    return found


def has_objects(name: str) -> bool:
    """Whether the labels of a task are objects, which its models detect."""
    return hasattr(load(name), "objects")


def require_objects(name: str, what: str) -> None:
    """ParamsError if a task does not predict numbers of objects, which `what` needs."""
    if not has_objects(name):
        able = ", ".join(filter(has_objects, plugins.names("tasks")))
        raise ParamsError(
            f"{what} works with the number of objects, which the task {name} does not predict",
            hint=f"tasks that do: {able}",
        )
