"""Curate: pool + edits -> data/snapshot, the dataset version, with its audit; or nothing, if the gate stays shut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay import audit as auditing
from assay.data.files import fresh_dir, write_json, write_table
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Fold, audit, gate, write. GateError where a model would be measured on what it learns from."""
    with progress.bar("curate", 3, "steps") as advance:
        context = auditing.open_context(params, layout)
        advance(1)
        audit = auditing.run_checks(context)
        advance(1)
        auditing.gate(audit, context, layout)
        found = auditing.summarise(audit)
        with fresh_dir(layout.snapshot) as folder:
            context.snapshot.write(folder)
            write_table(folder / "audit.parquet", auditing.as_table(audit))
            write_json(folder / "audit.json", found)
            for name, table in auditing.details(audit, context).items():
                write_table(folder / f"{name}.parquet", table)
        advance(1)
    return {**context.snapshot.summary(), "issues": {name: entry["issues"] for name, entry in found.items()}}


def render(summary: dict[str, Any], console: Console) -> None:
    """The counts by split, and what the audit found."""
    counts, splits = summary["counts"], ("train", "val", "test")
    console.print(
        f"snapshot [bold]{summary['digest'][:12]}[/]: {counts['samples']:,} images, {counts['excluded']:,} excluded, "
        f"{len(summary['categories'])} classes",
        highlight=False,
    )
    shares = (f"{s} {counts['labelled'][s]:,} (+ {counts['unlabelled'][s]:,} unlabelled)" for s in splits)
    console.print(f"labelled: {', '.join(shares)}", highlight=False)
    found = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in summary["issues"].items() if n)
    console.print(f"the audit found: {found or 'nothing'}", highlight=False)
