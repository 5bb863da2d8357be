"""The result of `assay audit` for objects, in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.labels.listing import likely

__all__ = ["SHOWN", "likely", "render"]
SHOWN = 20
"""Rows without `--limit`."""
DONE = {
    "missed": "added",
    "spurious": "removed",
    "swapped": "given the suggested class",
    "moved": "given the suggested box",
    "outline": "given the suggested outline",
    "merged": "made two",
    "split": "made one",
}
CHANGED = {
    "moved": ", another box",
    "outline": ", another outline",
    "merged": ", two of it",
    "split": ", one of it",
}


def render(result: dict[str, Any], console: Console) -> None:
    """Print counts, the first rows, and the files written."""
    counts = ", ".join(f"{n:,} {kind}" for kind, n in result["suspects"].items()) or "none"
    settled = (
        f"; {result['settled']:,} more on images that were reviewed already" if result["settled"] else ""
    )
    console.print(
        f"{result['objects']:,} objects on {result['images']:,} images audited ({' and '.join(result['splits'])}, "
        f"{_by(result)}): suspected from probability {result['above']:g} on: {counts}{settled}",
        highlight=False,
    )
    if result["trained"] is None:
        console.print(
            "only val, which the last model did not learn from; `assay audit --model` trains models that judge train",
            highlight=False,
        )
    if result["applied"]:
        _render_applied(result["applied"], result["above"], console)
        return
    if result["rows"]:
        console.print(_table(result))
    for file, said in (
        (result["file"], "fill in `take` or `exclude`, then `assay label {}`"),
        (result["page"], ""),
    ):
        if file:
            console.print(
                f"written: {escape(file)} {said.format(escape(file))}", highlight=False, soft_wrap=True
            )
    if result["rows"] and not result["file"] and not result["page"]:
        console.print(
            "next: `assay review suspects`; or `assay audit --html audit.html`; or `--csv review.csv` and `assay label "
            "review.csv`"
        )


def _by(result: Mapping[str, Any]) -> str:
    trained = result["trained"]
    if trained is None:
        return "by the last model"
    return f"by {result['by']} that did not see them{f', {trained} trained for it' if trained else ''}"


def _table(result: Mapping[str, Any]) -> Table:
    table = Table(
        "",
        "image",
        "from",
        "split",
        "error",
        "labelled",
        "suggested",
        "likely",
        box=None,
        header_style="bold",
    )
    for rank, row in enumerate(result["rows"], 1):
        new = row["suggested"] or "nothing"
        suggested = f"{new}{CHANGED.get(row['kind'], '')}"
        cells = (row["path"] or "", row["split"], row["kind"], row["given"] or "nothing", suggested)
        table.add_row(str(rank), row["id"][:12], *map(escape, cells), likely(row["probability"]))
    return table


def _render_applied(done: Mapping[str, Any], above: float, console: Console) -> None:
    verb = "would be" if done["dry_run"] else "were"
    if done["what"] == "exclude":
        console.print(
            f"{done['images']:,} images {verb} excluded (probability {above:g} and more)", highlight=False
        )
    else:
        for kind, n in done["changes"].items():
            console.print(f"  {n:,} {kind}: {verb} {DONE[kind]}", highlight=False)
        console.print(
            f"{done['objects']:,} objects on {done['images']:,} images (probability {above:g} and more); the labels of "
            f"about {done['expected_right']:.0f} of them are right",
            highlight=False,
        )
    if done["batch"]:
        console.print(f"written: {done['batch']}. next: check it, commit it, `dvc repro`", highlight=False)
