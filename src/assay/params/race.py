"""The section `race`, with the search space of the model track."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ValidationError, model_validator

from assay.params.base import _plugin
from assay.params.bounds import Count, Fraction, Repeats, Section, shortened, within


class Range(Section):
    """Numbers from `low` to `high`, uniformly distributed; `log`: on a logarithmic scale."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> Range:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must be less than high, and above 0 if log is true")
        return self


TUNABLE = ("lr", "weight_decay", "label_smoothing", "class_weights", "augment", "epochs", "batch", "model")
"""Keys of `train` that a trial may change; the others belong to the task or the machine."""
AUTO = ("lr", "weight_decay", "epochs", "model")
"""Keys that may be `auto`: a range around the value of the baseline."""
Space = dict[str, Range | list[Any] | Literal["auto"]]
SPACE: Space = {
    "lr": "auto",
    "weight_decay": "auto",
    "label_smoothing": [0.0, 0.1],
    "augment": ["none", "light", "strong"],
    "epochs": "auto",
    "model": "auto",
}


class Race(Section):
    """`assay race`: no stage of dvc.yaml, so a change makes no result stale."""

    steps: Annotated[int, within(1, 1000)] = 4
    """Steps of each track."""
    labels_per_step: Count = 100
    """Labels of a step of the data track; a step of the model track is one trial."""
    review_share: Fraction = 0.5
    """Share of these labels for reviews of the most suspicious ones."""
    seeds: Repeats = 3
    """Independent repetitions of the whole race."""
    strategy: Annotated[str, _plugin("strategies")] = "margin"
    """Strategy that chooses the new images of the data track."""
    space: Space = SPACE
    """Search space of the model track, keys of `train`: see src/assay/experiments/race/space.py."""

    @model_validator(mode="after")
    def _space_is_of_train(self) -> Race:
        for key, choices in self.space.items():
            if key not in TUNABLE:
                raise ValueError(f"space.{key}: a trial cannot change this key; valid: {', '.join(TUNABLE)}")
            if choices == "auto" and key not in AUTO:
                raise ValueError(f"space.{key}: only {', '.join(AUTO)} can be auto; give values or a range")
            if choices == [] or (isinstance(choices, Range) and key in ("model", "augment", "class_weights")):
                raise ValueError(f"space.{key}: must be a list of values")
            tried = choices if isinstance(choices, list) else []
            for value in [choices.low, choices.high] if isinstance(choices, Range) else tried:
                _check_choice(key, value)
        return self


def _check_choice(key: str, value: Any) -> None:
    """ValueError if `train.<key>` cannot be `value`. A model is a name, or {name: options}."""
    if key == "model" and isinstance(value, dict) and len(value) == 1:
        value = next(iter(value))
    from assay.params import Train

    kind = Train.model_fields[key].annotation
    try:
        Train.model_validate({key: int(value) if kind is int and float(value).is_integer() else value})
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"space.{key}: {shortened(value)}: {why}") from None
    except (TypeError, ValueError, OverflowError):
        what = "one name with its options" if key == "model" else "a valid number"
        raise ValueError(f"space.{key}: {shortened(value)} is not {what}") from None
