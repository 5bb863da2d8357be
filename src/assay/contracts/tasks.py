"""The contract of a task: see assay.tasks. A task is two files; the checks cover tasks/NAME.py and metrics/NAME.py."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

from assay import plugins
from assay.contracts import Check, require
from assay.metrics.table import named

ARGUMENTS = {
    "label": "annotations",
    "words": "label",
    "classes": "label",
    "outputs": "categories",
    "targets": "labels, categories",
    "batch": "targets, rows, where, device",
    "objective": "targets, settings",
    "predict": "outputs, where",
    "scores": "said, targets",
    "to_table": "said, categories",
    "doubt": "table",
}
"""{function of a task: its arguments}, in the order in which assay passes them."""
CATEGORIES = ("a", "b", "c")


def it_has_its_functions(plugin: ModuleType) -> None:
    """SAYS_CLASSES is True or False, and every function of the contract takes its arguments."""
    require(plugin.__doc__, "it has no docstring: it tells users what a label means")
    says = getattr(plugin, "SAYS_CLASSES", None)
    require(isinstance(says, bool), "SAYS_CLASSES is neither True nor False")
    for name, arguments in ARGUMENTS.items():
        _takes(plugin, name, arguments)


def an_image_without_annotations_has_a_label_or_none(plugin: ModuleType) -> None:
    """label([]) is None, or a text that words and classes accept."""
    label = plugin.label([])
    require(label is None or isinstance(label, str), f"label([]) is {label!r}, neither text nor None")
    if label is not None:
        require(isinstance(plugin.words(label), str), "words(label) is no text")
        require(len(list(plugin.classes(label))) >= 0, "classes(label) is no sequence")


def a_model_has_outputs(plugin: ModuleType) -> None:
    """outputs(categories) is a positive int."""
    outputs = plugin.outputs(CATEGORIES)
    require(isinstance(outputs, int) and outputs > 0, f"outputs(categories) is {outputs!r}")


def its_metrics_are_known(plugin: ModuleType) -> None:
    """metrics/<name>.py has METRICS, judge, and ROWS with each metric that is not one of assay's."""
    metrics = _metrics(plugin)
    _takes(metrics, "judge", "table, known, labels, categories")
    names = getattr(metrics, "METRICS", ())
    require(names and not isinstance(names, str), "METRICS names no metric")
    own = {row.name for row in getattr(metrics, "ROWS", ())}
    unknown = [name for name in names if name not in own and not _is_ours(name)]
    require(not unknown, f"METRICS without a row: {', '.join(unknown)}; add a Metric of each to ROWS")


def _takes(module: ModuleType, name: str, arguments: str) -> None:
    function = getattr(module, name, None)
    require(callable(function), f"there is no {name}({arguments})")
    assert callable(function)
    try:
        inspect.signature(function).bind(*arguments.split(", "))
    except TypeError:
        require(False, f"{name} does not take ({arguments})")


def _metrics(plugin: ModuleType) -> ModuleType:
    name = plugin.__name__.rpartition(".")[2]
    file = Path(str(plugin.__file__))
    return plugins.load("metrics", name, file.parents[2] if plugins.is_own("tasks", name) else Path())


def _is_ours(name: str) -> bool:
    try:
        return bool(named(name))
    except KeyError:
        return False


CHECKS: tuple[Check, ...] = (
    it_has_its_functions,
    an_image_without_annotations_has_a_label_or_none,
    a_model_has_outputs,
    its_metrics_are_known,
)
