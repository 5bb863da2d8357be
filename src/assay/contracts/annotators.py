"""The contract of an annotator: see assay.annotators. The checks send nothing, as a batch takes people's time."""

from __future__ import annotations

import inspect
from types import ModuleType

from pydantic import BaseModel

from assay.annotators import AnnotatorContext
from assay.contracts import Check, require


def it_says_whether_it_waits(plugin: ModuleType) -> None:
    """WAITS is True or False, and a docstring says who answers."""
    require(plugin.__doc__, "it has no docstring: it tells users who answers")
    require(isinstance(getattr(plugin, "WAITS", None), bool), "WAITS is neither True nor False")


def it_has_options(plugin: ModuleType) -> None:
    """Options is a pydantic model with a default for every key, and refuses unknown ones."""
    options = getattr(plugin, "Options", None)
    require(isinstance(options, type), "there is no class Options")
    assert isinstance(options, type)
    require(issubclass(options, BaseModel), "Options is no pydantic model")
    assert issubclass(options, BaseModel)
    require(
        options.model_config.get("extra") == "forbid", "Options takes unknown keys: derive it from Section"
    )
    without = [name for name, field in options.model_fields.items() if field.is_required()]
    require(not without, f"Options without a default: {', '.join(without)}")


def it_sends_and_collects(plugin: ModuleType) -> None:
    """There are send(batch, context) and collect(batches, context)."""
    for name, arguments in (("send", "batch, context"), ("collect", "batches, context")):
        function = getattr(plugin, name, None)
        require(callable(function), f"there is no {name}({arguments})")
        assert callable(function)
        taken = len(inspect.signature(function).parameters)
        require(taken == 2, f"{name} takes {taken} arguments, not ({arguments})")


def unasked_it_answers_nothing(plugin: ModuleType, context: AnnotatorContext) -> None:
    """Without batches, collect returns no answers."""
    answers = list(plugin.collect([], context))
    require(not answers, f"collect returns {len(answers)} answers without a batch")


CHECKS: tuple[Check, ...] = (it_says_whether_it_waits, it_has_options, it_sends_and_collects)
ON_A_PROJECT = (unasked_it_answers_nothing,)
