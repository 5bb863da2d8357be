"""The result of `assay audit` in a terminal: the suspects as a table, what was applied, the worse slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.data.suspects import WrongShare

SHOWN = 20
"""Rows without `--limit`."""


def word(result: Mapping[str, Any]) -> str:
    """Column title of the probabilities: "wrong", unless the share of wrong labels may be 0."""
    return "the model disagrees" if WrongShare(**result["share"]).can_be_nothing else "wrong"


def likely(probability: float) -> str:
    """In per cent; above 0.99 as "> 99%", because an estimate is never certain."""
    return "> 99%" if probability > 0.99 else f"{probability:.0%}"


def render(result: dict[str, Any], console: Console) -> None:
    """Print counts, the advice of `payoff`, the first rows, the files written and the worse slices."""
    if "check" in result:
        rest = result["check"] - result["answered"]
        fill = "fill in `label` (if it is right, repeat it), keep `why`, " if rest else ""
        oracle = f"{result['answered']:,} of them answered by the annotator; " if result["answered"] else ""
        console.print(
            f"{result['check']:,} labels to review in {escape(result['file'])}, drawn at random: {oracle}"
            f"{fill}then `assay label {escape(result['file'])}`",
            highlight=False,
        )
        return
    settled = f"; {result['settled']:,} more were reviewed already" if result["settled"] else ""
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
        console.print(_exported(result, escape(result["file"])))
    elif result["rows"]:
        console.print(
            "next: `assay audit --csv review.csv`, review them, `assay label review.csv`; or --apply suggested"
        )
    if result["page"]:
        console.print(f"page: {escape(result['page'])}", highlight=False, soft_wrap=True)


def _exported(result: dict[str, Any], file: str) -> str:
    if not result["suspects"] + result["foreign"]:
        return f"nothing to review: {file} has a header only"
    return (
        f"{result['suspects']:,} suspects and the proposed exclusions are in {file}: fill in `label` or `exclude`, "
        f"then `assay label {file}`"
    )


def _table(result: dict[str, Any]) -> Table:
    """The first rows: probability that the label is wrong, outlier score of the image."""
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
    return f"; with the model's opinion ({f'{trained} models trained for it' if trained else 'nothing to train'})"


def _render_applied(result: dict[str, Any], console: Console) -> None:
    done = result["applied"]
    verb = "would be" if done["dry_run"] else "were"
    what = "relabelled as suggested" if done["what"] == "suggested" else "excluded"
    foreign = f", and {done['foreign']:,} may not belong" if done["foreign"] else ""
    for row in done["changes"][:SHOWN]:
        console.print(
            f"  {row['count']:,} × {escape(row['given'])} → {escape(row['suggested'])}", highlight=False
        )
    console.print(
        f"{done['count']:,} images {verb} {what} (probability {result['above']:g} and more); the labels of about "
        f"{done['expected_right']:.0f} of them are right{foreign}",
        highlight=False,
    )
    if done["what"] == "exclude" and not result["payoff"]["dropping"]:
        console.print(
            "[yellow]at this share of wrong labels, excluding suspects is not expected to help[/]",
            highlight=False,
        )
    if done["batch"]:
        console.print(f"written: {done['batch']}. next: check it, commit it, `dvc repro`", highlight=False)


def _render_slices(found: dict[str, Any] | None, console: Console) -> None:
    for row in (found or {"rows": []})["rows"]:
        console.print(
            f"the model is worse on [bold]{escape(row['name'])}[/]: {row['accuracy']:.3f} "
            f"\\[{row['low']:.3f}, {row['high']:.3f}] of {row['n']:,} against {row['rest']:.3f}",
            highlight=False,
        )
