"""What the studies `assay simulate` and `assay effort` share: lists of numbers, and the files of their results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from assay.data.files import write_bytes, write_json
from assay.errors import UsageError
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress
from assay.reports.destinations import write_out

Number = TypeVar("Number", int, float)
NAMES = {int: "whole numbers", float: "numbers"}


def numbers(option: str, text: str | None, of: type[Number], example: str) -> list[Number] | None:
    """The numbers in the text of an option, `1,4,16`. UsageError for other text."""
    if text is None:
        return None
    try:
        return [of(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{option} {text}: not {NAMES[of]} with commas between them", hint=f"{option} {example}"
        ) from None


def publish(
    name: str,
    summary: Mapping[str, Any],
    charts: ModuleType,
    family: ModuleType,
    page: Path | None,
    params: Params,
    layout: Layout,
    progress: Progress,
) -> dict[str, Any]:
    """Write NAME.html, NAME.png and NAME.json of a study, its family of MLflow runs, and the page to `page` as well.

    `charts` has `page(summary) -> HTML` and `picture(summary, file)`; `family` has `parent(summary)` and
    `children(summary)`. Returns the summary with the addresses of the page and of the runs.
    """
    from assay.tracking.families import write_family

    home = layout.scratch / name / "told" / summary["key"][:16]
    home.mkdir(parents=True, exist_ok=True)
    files = [home / f"{name}.{ending}" for ending in ("html", "png", "json")]
    shown, picture, data = files
    write_json(data, summary)
    charts.picture(summary, picture)
    write_bytes(shown, charts.page(summary).encode())
    if page is not None:
        write_out(page, shown.read_bytes())
    top, nodes = family.parent(summary), family.children(summary)
    runs = write_family(f"{name} {summary['key']}", top, nodes, files, params, layout, progress)
    return {**summary, "page": str(page or shown), "mlflow": runs}
