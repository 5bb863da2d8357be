"""Curate: pool + edits -> data/snapshot, the dataset version: the same bytes on every machine.

What a model or a float judges of it is the next stage's, `audit`; of the embeddings only the near-duplicates are read.
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
    """Fold, gate, write. GateError where a model would be measured on what it learns from: nothing is written then."""
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
    """The counts by split."""
    counts, splits = summary["counts"], ("train", "val", "test")
    console.print(
        f"snapshot [bold]{summary['digest'][:12]}[/]: {counts['samples']:,} images, {counts['excluded']:,} excluded, "
        f"{len(summary['categories'])} classes",
        highlight=False,
    )
    shares = (f"{s} {counts['labelled'][s]:,} (+ {counts['unlabelled'][s]:,} unlabelled)" for s in splits)
    console.print(f"labelled: {', '.join(shares)}", highlight=False)
