"""Table of all metrics: name, unit, direction. Everything that compares or shows a metric reads its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""{"value", "low", "high"}: an estimate with its 95 % interval; value None if it is undefined."""
DASH = "–"


@dataclass(frozen=True)
class Metric:
    """One metric. A share (unit %) is shown in per cent and its changes in points; other metrics are shown unscaled."""

    name: str
    """Name in metrics.json, params.yaml and MLflow."""
    title: str
    """Name in sentences and on axes."""
    unit: str = "%"
    higher_is_better: bool = True

    @property
    def sign(self) -> float:
        """Factor after which higher is better: +1, or −1 for a loss."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def is_share(self) -> bool:
        return self.unit == "%"

    @property
    def scale(self) -> int:
        return 100 if self.is_share else 1

    @property
    def decimals(self) -> int:
        return 1 if self.is_share else 3

    @property
    def label(self) -> str:
        """Label of an axis: `accuracy (%)`."""
        return f"{self.title} (%)" if self.is_share else self.title

    def number(self, value: float, sign: str = "") -> str:
        """`91.3`, `+4.1`, `−0.012`: without unit."""
        return f"{value * self.scale:{sign}.{self.decimals}f}".replace("-", "−")

    def level(self, row: Row) -> str:
        """`91.3 %`, or `0.412` if it is no share."""
        return DASH if row.get("value") is None else f"{self.number(row['value'])}{self._percent}"

    def interval(self, row: Row) -> str:
        """`91.3 % [89.0, 93.6]`"""
        if row.get("value") is None or row.get("low") is None or row.get("high") is None:
            return self.level(row)
        return f"{self.level(row)} [{self.number(row['low'])}, {self.number(row['high'])}]"

    def change(self, row: Row, unit: str | None = None) -> str:
        """`+6.1 points [+3.9, +8.3]`; with `unit` "", for a heading that names the unit: `+6.1 [+3.9, +8.3]`."""
        if row.get("value") is None:
            return DASH
        unit = " points" * self.is_share if unit is None else unit
        value, low, high = (self.number(row[key], "+") for key in ("value", "low", "high"))
        return f"{value}{unit} [{low}, {high}]"

    def is_better(self, difference: Row) -> bool:
        """Whether the whole interval of a difference is an improvement."""
        return self._beyond_zero(difference, self.higher_is_better)

    def is_worse(self, difference: Row) -> bool:
        """Whether the whole interval of a difference is a deterioration."""
        return self._beyond_zero(difference, not self.higher_is_better)

    @staticmethod
    def _beyond_zero(difference: Row, above: bool) -> bool:
        if difference.get("low") is None or difference.get("high") is None:
            return False
        return bool(difference["low"] > 0 if above else difference["high"] < 0)

    @property
    def _percent(self) -> str:
        return " %" if self.is_share else ""


ROWS = (
    Metric("accuracy", "accuracy"),
    Metric("balanced_accuracy", "balanced accuracy"),
    Metric("macro_f1", "macro F1"),
    Metric("ece", "ECE", higher_is_better=False),
    Metric("log_loss", "log-loss", unit="", higher_is_better=False),
    Metric("map", "mean AP"),
    Metric("micro_f1", "micro F1"),
    Metric("exact", "exact counts"),
    Metric("mae", "mean absolute error", unit="", higher_is_better=False),
    Metric("ap", "AP"),
    Metric("ap50", "AP50"),
    Metric("ap75", "AP75"),
    Metric("ar", "AR"),
    Metric("f1", "F1"),
    Metric("d_ece", "D-ECE", higher_is_better=False),
    Metric("miou", "mean IoU"),
    Metric("dice", "Dice"),
    Metric("boundary_f1", "boundary F1"),
)
OVERALL = {row.name: row for row in ROWS}
"""Name -> metric of a model on a set of images, of all tasks."""
DETECTION = ("ap", "ap50", "ap75", "ar", "f1", "d_ece")
"""Metrics of detected boxes or masks."""
OF_TASK: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "macro_f1", "ece", "log_loss"),
    "counting": ("exact", "mae"),
    "detection": DETECTION,
    "instance_segmentation": DETECTION,
    "multilabel": ("map", "macro_f1", "micro_f1", "ece", "log_loss"),
    "semantic_segmentation": ("miou", "dice", "boundary_f1"),
}
"""Task -> its metrics in the order of display; any of them can be `track.primary`."""
OF_A_CLASS = {
    row.name: row
    for row in (
        Metric("precision", "precision"),
        Metric("recall", "recall"),
        Metric("f1", "F1"),
        Metric("ap", "AP"),
        Metric("ap50", "AP50"),
        Metric("iou", "IoU"),
        Metric("dice", "Dice"),
    )
}
HEADLINE = (
    "accuracy",
    "map",
    "macro_f1",
    "log_loss",
    "ece",
    "exact",
    "mae",
    "ap",
    "ap50",
    "f1",
    "miou",
    "dice",
)
"""Metrics to show, if measured, where there is room for a few only."""


def extend(task: str, names: Sequence[str], rows: Sequence[Metric]) -> None:
    """Add a plug-in task with the `names` of its metrics, and `rows` for those that are not in the table.

    ValueError for a row with the name of another metric of assay, and for a name without a row.
    """
    ours, added = {row.name: row for row in ROWS}, {row.name: row for row in rows}
    if taken := sorted(name for name, row in added.items() if ours.get(name, row) != row):
        raise ValueError(
            f"metrics of task {task}: {', '.join(taken)} is one of assay's; give it another name"
        )
    if unknown := [name for name in names if name not in ours | added]:
        raise ValueError(f"metrics of task {task}: {', '.join(unknown)} is in METRICS and has no row in ROWS")
    OVERALL.update(added)
    OF_TASK[task] = tuple(names)


def named(name: str) -> Metric:
    """The row of a metric. KeyError for an unknown name."""
    return (OVERALL | OF_A_CLASS)[name]


def overall(name: str) -> str:
    """`name`, if it is the name of an overall metric; otherwise ValueError."""
    if name not in OVERALL:
        raise ValueError(f"there is no metric {name!r}; valid: {', '.join(OVERALL)}")
    return name


def headline(primary: str) -> list[Metric]:
    """The metrics of HEADLINE and those of plug-in tasks, the primary one first."""
    own = OVERALL.keys() - {row.name for row in ROWS}
    return [named(name) for name in dict.fromkeys((primary, *HEADLINE, *sorted(own)))]
