"""Audit: snapshot + embeddings -> data/audit: findings of the checks, including the label audit.

Separate from the snapshot, because its scores are floats, which another CPU may round differently. With options,
`assay audit` reads these files: see `assay.commands.audit`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assay import checks
from assay.data.files import fresh_dir, write_json, write_table
from assay.data.suspects import LIKELY, NAME, WrongShare, share_of, suspects
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Run the checks of `audit.checks`, and write their findings. MissingInput before `curate`."""
    with progress.bar("audit", 3, "steps") as advance:
        context = checks.open_context(params, layout)
        advance(1)
        found = checks.run_checks(context, params.audit.checks)
        measured, summary = checks.details(found, context), checks.summarise(found)
        advance(1)
        with fresh_dir(layout.audit) as folder:
            write_table(folder / "audit.parquet", checks.as_table(found))
            write_json(folder / "audit.json", summary)
            for name, table in measured.items():
                write_table(folder / f"{name}.parquet", table)
        advance(1)
    return {
        "issues": {name: entry["issues"] for name, entry in summary.items()},
        "worst": {name: entry["worst"][0]["reason"] for name, entry in summary.items() if entry["worst"]},
        "labels": labels(measured[NAME], context.limits[NAME]) if NAME in measured else None,
    }


def labels(judged: pa.Table, above: float = LIKELY) -> dict[str, Any]:
    """Counts of audited labels and of suspects, and the share of wrong labels."""
    found = len(suspects(judged, above))
    return {"judged": len(judged), "suspects": found, "above": above, "share": asdict(share_of(judged))}


def render(summary: dict[str, Any], console: Console) -> None:
    """Print the findings, and the commands that show them."""
    found = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in summary["issues"].items() if n)
    console.print(f"the audit found: {found or 'nothing'}", highlight=False)
    worst = {name: reason for name, reason in summary["worst"].items() if name != NAME}
    for name, reason in worst.items():
        line = f"  {name.replace('_', ' ')}: {reason}"
        console.print(line, highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
    if worst:
        console.print("  the worst of each; others are in data/audit/audit.json", highlight=False)
    if (said := summary["labels"]) and not said["judged"]:
        console.print(
            "no label of a whole image to judge; objects are judged once there is a model: `assay audit --limit 20`",
            highlight=False,
        )
    elif said:
        console.print(
            f"{said['judged']:,} labels judged, {WrongShare(**said['share'])} of them wrong ({said['share']['by']}): "
            f"{said['suspects']:,} suspects from probability {said['above']:g} on",
            highlight=False,
        )
    if (summary["labels"] or {}).get("suspects"):
        console.print(
            "to show them: `assay audit --limit 20`, `assay audit --html audit.html`", highlight=False
        )
