"""What `assay audit` found and did, for a terminal: the suspects as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.data.suspects import WrongShare

SHOWN = 20
"""Rows, where no limit is given."""


def word(result: Mapping[str, Any]) -> str:
    """What a probability is called: where all labels may be right, it says that the model disagrees and no more."""
    return "the model disagrees" if WrongShare(**result["share"]).can_be_nothing else "wrong"


def likely(probability: float) -> str:
    """Nothing is certain that was estimated."""
    return "> 99%" if probability > 0.99 else f"{probability:.0%}"


def render(result: dict[str, Any], console: Console) -> None:
    """How many, whether it pays, the first of them, what was written, and where the model is worse."""
    if "check" in result:
        rest = result["check"] - result["answered"]
        fill = "fill in `label` (the one given, where it is right), leave `why`, " if rest else ""
        oracle = f"{result['answered']:,} of them answered by the annotator; " if result["answered"] else ""
        console.print(
            f"{result['check']:,} labels to look at in {escape(result['file'])}, drawn over all probabilities: {oracle}"
            f"{fill}then `assay label {escape(result['file'])}`",
            highlight=False,
        )
        return
    settled = f"; {result['settled']:,} more were looked at and stand" if result["settled"] else ""
    console.print(
        f"{result['labels']:,} labels audited: {result['suspects']:,} suspects from probability "
        f"{result['above']:g} on{settled}; {result['foreign']:,} images that may not belong, proposed for exclusion"
        f"{_asked(result['trained'])}",
        highlight=False,
    )
    console.print(f"[bold]{escape(result['payoff']['text'])}[/]", highlight=False)
    if result["applied"]:
        _render_applied(result, console)
        return
    if result["rows"]:
        console.print(_table(result))
    _render_slices(result["slices"], console)
    if others := ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in result["others"].items()):
        console.print(f"the other checks found: {others} (data/audit/audit.json)", highlight=False)
    if result["file"]:
        file = escape(result["file"])
        console.print(
            f"{result['suspects']:,} suspects, and what may not belong, in {file}: fill in `label` or `exclude`, "
            f"then `assay label {file}`"
        )
    elif result["rows"]:
        console.print(
            "next: `assay audit --csv review.csv`, look at them, `assay label review.csv`; or --apply suggested"
        )
    if result["page"]:
        console.print(f"page: {escape(result['page'])}", highlight=False, soft_wrap=True)


def _table(result: dict[str, Any]) -> Table:
    """The first rows: whether the label is wrong, and whether the image belongs."""
    names = ("", "image", "from", "split", "labelled", "looks like", word(result), "outlier")
    table = Table(*names, box=None, header_style="bold")
    for rank, row in enumerate(result["rows"], 1):
        outlier = f"{row['outlier']:.2f}" + (", exclude?" if row["proposed"] == "exclude" else "")
        cells = (row["path"] or "", row["split"], row["given"], row["suggested"], likely(row["probability"]))
        table.add_row(str(rank), row["id"][:12], *map(escape, cells), outlier)
    return table


def _asked(trained: int | None) -> str:
    if trained is None:
        return ""
    return (
        f"; the model was asked too, {f'{trained} were trained for it' if trained else 'all known already'}"
    )


def _render_applied(result: dict[str, Any], console: Console) -> None:
    done = result["applied"]
    verb = "would be" if done["dry_run"] else "were"
    what = "labelled as suggested" if done["what"] == "suggested" else "left out"
    foreign = f", and {done['foreign']:,} may not belong" if done["foreign"] else ""
    for row in done["changes"][:SHOWN]:
        console.print(
            f"  {row['count']:,} × {escape(row['given'])} → {escape(row['suggested'])}", highlight=False
        )
    console.print(
        f"{done['count']:,} images {verb} {what}, from probability {result['above']:g} on; of these about "
        f"{done['expected_right']:.0f} were right as they were{foreign}",
        highlight=False,
    )
    if done["what"] == "exclude" and not result["payoff"]["dropping"]:
        console.print(
            "[yellow]at this share of wrong labels leaving them out is not expected to help[/]",
            highlight=False,
        )
    if done["batch"]:
        console.print(f"written: {done['batch']}. next: look at it, commit it, `dvc repro`", highlight=False)


def _render_slices(found: dict[str, Any] | None, console: Console) -> None:
    for row in (found or {"rows": []})["rows"]:
        console.print(
            f"the model is worse on [bold]{escape(row['name'])}[/]: {row['accuracy']:.3f} "
            f"\\[{row['low']:.3f}, {row['high']:.3f}] of {row['n']:,} against {row['rest']:.3f}",
            highlight=False,
        )
