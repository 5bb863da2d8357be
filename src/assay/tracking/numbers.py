"""Metrics of a run: the main ones as MLflow metrics, which have no interval; all with intervals as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.metrics.table import OVERALL, named
from assay.tracking.view import AGAINST, RESULT

Found = Mapping[str, Any]
HEADING = ("of", "part", "metric", "value", "low", "high", "n", "p_value")


def headline_metrics(metrics: Found) -> dict[str, float]:
    """{`accuracy/test`, `accuracy/val`, `accuracy/vs_champion`, …: value}; MLflow groups them by the first part."""
    against = (metrics.get("champion") or {}).get("difference") or {}
    parts = {"test": metrics.get("test") or {}, "val": metrics.get("val") or {}, "vs_champion": against}
    return {
        f"{name}/{part}": float(found[name]["value"])
        for name in OVERALL
        for part, found in parts.items()
        if (found.get(name) or {}).get("value") is not None
    }


def result_tags(metrics: Found) -> dict[str, str]:
    """Tags with the primary metric, `accuracy 88.1 % [84.5, 91.0]`, and its difference to the champion."""
    row = named(metrics["primary"])
    tags = {RESULT: f"{row.title} {row.interval(metrics['test'][row.name])}"}
    against = ((metrics.get("champion") or {}).get("difference") or {}).get(row.name)
    return tags | ({AGAINST: row.change(against)} if against else {})


def table(metrics: Found) -> str:
    """All estimates with interval and n as CSV, which MLflow shows as a table."""
    return as_csv(HEADING, [dict(zip(HEADING, row, strict=True)) for row in _rows(metrics)])


def _rows(metrics: Found) -> Iterator[tuple[Any, ...]]:
    test, champion = metrics.get("test") or {}, metrics.get("champion") or {}
    yield from _estimates("test", "", test)
    yield from _estimates("val", "", metrics.get("val") or {})
    yield from _estimates("champion on test", "", champion.get("metrics") or {})
    yield from _estimates("difference to the champion", "", champion.get("difference") or {})
    for name, found in (test.get("per_class") or {}).items():
        yield from _estimates("test", f"class {name}", found)
    for part, found in (test.get("details") or {}).items():
        yield from _estimates("test", part, found if isinstance(found, Mapping) else {})
    for column, values in (test.get("slices") or {}).items():
        for value, found in values.items():
            yield from _estimates("test", f"{column} = {value}", found)


def _estimates(of: str, part: str, found: Found) -> Iterator[tuple[Any, ...]]:
    for name, one in found.items():
        if isinstance(one, Mapping) and "value" in one:
            yield (of, part, name, *(one.get(key) for key in ("value", "low", "high", "n", "p_value")))


def as_csv(heading: Sequence[str], rows: Sequence[Found]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, heading, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
