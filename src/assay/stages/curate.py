"""Curate: pool + edits -> data/snapshot, the dataset version, with the same bytes on every machine.

Results of models and of floating-point arithmetic belong to the stage `audit`; of the embeddings only the
near-duplicates are read, which are computed with whole numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay import gates, tasks
from assay.data.files import fresh_dir
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Fold pool and edits, pass the gates, write the snapshot. GateError, and no snapshot, if a gate finds an issue."""
    with progress.bar("curate", 3, "steps") as advance:
        version = gates.fold_version(params, layout)
        advance(1)
        gates.pass_all(version, layout)
        advance(1)
        with fresh_dir(layout.snapshot) as folder:
            version.snapshot.write(folder, tasks.load(params.task).label)
        advance(1)
    return version.snapshot.summary()


def render(summary: dict[str, Any], console: Console) -> None:
    """Print the counts by split."""
    counts, splits = summary["counts"], ("train", "val", "test")
    console.print(
        f"snapshot [bold]{summary['digest'][:12]}[/]: {counts['samples']:,} images, {counts['excluded']:,} excluded, "
        f"{len(summary['categories'])} classes",
        highlight=False,
    )
    shares = (f"{s} {counts['labelled'][s]:,} (+ {counts['unlabelled'][s]:,} unlabelled)" for s in splits)
    console.print(f"labelled: {', '.join(shares)}", highlight=False)
