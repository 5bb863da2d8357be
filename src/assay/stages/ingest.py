"""ingest: the door through which images come in. Raw sources -> data/pool.

Looks at every source at each run (a stat a file), reads what is new or changed, and appends it. Files seen = samples +
duplicates + quarantined + ignored, and the report in the pool says so. A source that is not there is reported, never
taken for emptied. As it runs at each `dvc repro`, it also writes to data/code which code the other stages run.
"""

from __future__ import annotations

from typing import Any

from assay.errors import SourceError
from assay.formats import ABSENT
from assay.intake import unchanged, watch
from assay.intake.watch import UNREADABLE
from assay.layout import Layout, is_there, locate
from assay.lineage import manifests
from assay.lineage.digests import canonical_digest
from assay.params import Ingest, Params, Source, load_params
from assay.progress import Progress


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Take in what is new in every source. SourceError for a source that is not there and never was."""
    key = _key(params, layout, progress)
    if (summary := unchanged.recall(str(layout.root), key)) is not None:
        return summary
    present = [source for source in params.ingest.sources if not _is_absent(source, layout)]
    notes = [
        note
        for source in present
        if source.path
        for note in watch.surroundings(locate(layout.root, source.path))
    ]
    from assay.data.holding import holding

    with holding(layout.scratch, "pipeline", say=progress.say):
        summary, files = _take_in(params.ingest, present, layout, progress)
        _check_columns(params, layout)
        if len(present) == len(params.ingest.sources) and not _is_unreadable(summary):
            watch.remember(
                layout.root / unchanged.WATCHED,
                key,
                summary,
                [*notes, *files, *watch.everything(layout.pool)],
            )
    return summary


def _check_columns(params: Params, layout: Layout) -> None:
    """The later stages that name metadata would stop at it after minutes."""
    from assay.data.metadata import check_columns

    cost = [params.select.cost] if params.select.cost else []
    check_columns({"select.cost": cost, "evaluate.slices": params.evaluate.slices}, layout)


def _key(params: Params, layout: Layout, progress: Progress) -> str:
    """Changes with the params of ingest and with its code; noted, so that the next look need not read params.yaml."""
    from assay.data.files import write_bytes

    code = _refresh_code(params, layout, progress)
    key = canonical_digest([params.ingest.model_dump(mode="json"), code])
    if layout.params.exists() and load_params(layout.params) == params:
        write_bytes(layout.root / unchanged.KEY, f"{unchanged.state(str(layout.root))} {key}".encode())
    return key


def _refresh_code(params: Params, layout: Layout, progress: Progress) -> str:
    """Bring data/code up to date, which the other stages depend on; the manifest of this one."""
    texts = manifests.current(params, layout.root)
    if manifests.written(layout.root) != texts:
        from assay.data.holding import holding

        with holding(layout.scratch, "pipeline", say=progress.say):
            manifests.write(layout.root, texts)
    return texts["ingest"]


def _take_in(
    params: Ingest, present: list[Source], layout: Layout, progress: Progress
) -> tuple[dict[str, Any], list[str]]:
    """Append what is new in the sources; what came of it, and the notes of all files seen."""
    from assay.data.files import write_json
    from assay.data.pool import PoolWriter
    from assay.intake.ingest import Door, balance

    report, books, files = _last_report(layout), {}, []
    with PoolWriter(layout.pool, params.shard_images, params.shard_mb << 20) as pool:
        before = len(pool.known)
        taken: set[str] = set()
        for source in params.sources:
            if source not in present:
                books[source.name] = _absent(source, layout, report, progress)
                continue
            door_ = Door(source, params, layout, pool, progress)
            seen = door_.look()
            remarks = door_.classes.remarks(source.options) + door_.objects.remarks()
            books[source.name] = balance(seen, taken) | door_.objects.book()
            books[source.name] |= {"remarks": remarks} if remarks else {}
            files += seen.notes
    write_json(layout.pool / "report.json", {"sources": books})
    return {"new": len(pool.known) - before, "samples": len(pool.known), "sources": books}, files


def _is_unreadable(summary: dict[str, Any]) -> bool:
    """Whether another look may find more, though nothing seems to have changed."""
    return any(UNREADABLE in book["reasons"] for book in summary["sources"].values())


def _last_report(layout: Layout) -> dict[str, Any]:
    from assay.data.files import read_json, recall

    return recall(lambda: dict(read_json(layout.pool / "report.json")["sources"])) or {}


def _is_absent(source: Source, layout: Layout) -> bool:
    return source.path is not None and not is_there(locate(layout.root, source.path))


def _absent(source: Source, layout: Layout, report: dict[str, Any], progress: Progress) -> Any:
    """Keep the books of a source that is away. SourceError if it has never been here: most likely a typo."""
    if source.name not in report:
        raise SourceError(
            f"source {source.name!r}: {locate(layout.root, str(source.path))} is not there", hint=ABSENT
        )
    progress.say(f"source {source.name!r} is not there: the pool keeps what it has of it")
    return report[source.name]


def render(summary: dict[str, Any], console: Any) -> None:
    """The books: a line a source."""
    for line in unchanged.books(summary):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
