"""`assay export`: write the data set to a folder in one of the formats that can be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape

from assay import plugins
from assay.data.files import fresh_dir
from assay.data.pool import Pool
from assay.data.records import Outgoing
from assay.data.snapshot import Snapshot
from assay.errors import UsageError
from assay.experiments.sides import WORKSPACE, Side, open_side
from assay.layout import Layout
from assay.params import Params, Split
from assay.progress import Progress, silent
from assay.reports.destinations import check_folder

DIGITS = 12
"""Digits of the id in front of a file name that is not unique."""


def writers() -> list[str]:
    """Names of the formats that can be written."""
    return [name for name in plugins.names("formats") if hasattr(plugins.load("formats", name), "write")]


def run(
    params: Params,
    layout: Layout,
    form: str,
    folder: Path,
    split: Split | None = None,
    rev: str = WORKSPACE,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the labelled images of a snapshot that are not excluded to a new or empty folder.

    `rev`: a revision, a run, or the workspace. UsageError for a format that cannot be written, or without a labelled
    image; UnknownRevision or NotKept for a revision whose snapshot is not to be had.
    """
    if form not in writers():
        raise UsageError(f"--format {form}: valid: {', '.join(writers())}")
    check_folder(folder)  # what is in it would be replaced
    side = _side(rev, params, layout)
    snapshot = _opened(side, layout)
    kept = _chosen(snapshot, split)
    if not kept:
        raise UsageError("no labelled image to export", hint="label some, or omit --split")
    names, pool = _names(kept), _pool(side, kept, layout)
    with fresh_dir(folder) as aside, progress.bar("export", len(kept), "images") as advance:
        images = _outgoing(snapshot, pool, kept, names, advance)
        written = plugins.load("formats", form).write(images, snapshot.categories, aside)
    return {
        "folder": str(folder),
        "of": side.label if side else "the workspace",
        "format": form,
        "images": len(kept),
        "unlabelled": len(snapshot)
        - snapshot.counts()["excluded"]
        - sum(snapshot.counts()["labelled"].values()),
        "objects": written.objects,
        "lost": dict(+written.lost),
        "options": written.options,
        "read_as": written.format,
    }


def _side(rev: str, params: Params, layout: Layout) -> Side | None:
    """None for the workspace, which need not be a git repository."""
    return None if rev == WORKSPACE else open_side(rev, layout, params)


def _opened(side: Side | None, layout: Layout) -> Snapshot:
    if side is None:
        return Snapshot.load(layout.snapshot)
    return Snapshot.load(side.path(layout.snapshot.relative_to(layout.root).as_posix()))


def _pool(side: Side | None, kept: Iterable[str], layout: Layout) -> Pool:
    """The pool of the workspace if it has all images, otherwise that of the revision."""
    pool = Pool.open(layout.pool)
    if side is None or all(sample in pool for sample in kept):
        return pool
    return Pool.open(side.path(layout.pool.relative_to(layout.root).as_posix()))


def _chosen(snapshot: Snapshot, split: Split | None) -> dict[str, dict[str, Any]]:
    """{id: row} of the samples to write."""
    samples = snapshot.samples
    rows = samples.filter(pc.and_(samples["labelled"], pc.invert(samples["excluded"])))
    if split is not None:
        rows = rows.filter(pc.equal(rows["split"], split))
    return {row["id"]: row for row in rows.to_pylist()}


def _names(kept: dict[str, dict[str, Any]]) -> dict[str, str]:
    """{id: path}: that of the first origin, below the name of the source if there are several.

    If two paths differ in the suffix only, DIGITS of the id are prefixed to the later one, as their label files would
    have the same name.
    """
    origins = {sample: row["origins"][0].partition(":") for sample, row in kept.items()}
    is_one = len({source for source, _, _ in origins.values()}) == 1
    names, taken = {}, set[str]()
    for sample, (source, _, path) in origins.items():
        parts = [part for part in PurePosixPath(path).parts if part not in ("..", "/")]
        name = PurePosixPath(*([] if is_one else [source]), *parts)
        if str(name.with_suffix("")).casefold() in taken:
            name = name.with_name(f"{sample[:DIGITS]}-{name.name}")
        taken.add(str(name.with_suffix("")).casefold())
        names[sample] = str(name)
    return names


def _outgoing(
    snapshot: Snapshot, pool: Pool, kept: dict[str, dict[str, Any]], names: dict[str, str], advance: Any
) -> Iterator[Outgoing]:
    notes = snapshot.annotations_of(list(kept))
    for sample, row in kept.items():
        size = row["width"], row["height"]
        yield Outgoing(names[sample], partial(pool.read, sample), *size, notes[sample], row["split"])
        advance(1)


def render(result: dict[str, Any], console: Console) -> None:
    """Print what was written, what the format cannot represent, and the options to read it."""
    form = result["read_as"] or result["format"]
    told = f"{result['folder']}: {result['images']:,} images, {result['objects']:,} labels of {result['of']} as {form}"
    console.print(escape(told), highlight=False, soft_wrap=True)
    if result["unlabelled"]:
        console.print(f"left out: {result['unlabelled']:,} images without a label", highlight=False)
    for what, n in result["lost"].items():
        console.print(f"{result['format']} cannot represent: {n:,} {what}", highlight=False)
    if result["options"]:
        console.print(f"to read it, options: {escape(str(result['options']))}", highlight=False)
