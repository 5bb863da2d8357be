"""Ingest: raw sources -> data/pool.

Every run checks each file of the sources by stat, and reads and appends new and changed ones. The report in the pool
counts files = samples + duplicates + quarantined + ignored. A missing source is reported and changes nothing. As ingest
runs at every `dvc repro`, it also writes data/code, the manifests of the code of the stages.
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
    """Ingest new images of every source. SourceError for a source that is missing and was never ingested."""
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
    """Check the metadata columns named in the params, which later stages would refuse only after minutes."""
    from assay.data.metadata import check_columns

    asked = params.select.cost
    cost = [asked] if isinstance(asked, str) and asked else []
    check_columns({"select.cost": cost, "evaluate.slices": params.evaluate.slices}, layout)


def _key(params: Params, layout: Layout, progress: Progress) -> str:
    """Digest of the params and the code of ingest; recorded, so that the fast check need not parse params.yaml."""
    from assay.data.files import write_bytes

    code = _refresh_code(params, layout, progress)
    key = canonical_digest([params.ingest.model_dump(mode="json"), code])
    if layout.params.exists() and load_params(layout.params) == params:
        write_bytes(layout.root / unchanged.KEY, f"{unchanged.state(str(layout.root))} {key}".encode())
    return key


def _refresh_code(params: Params, layout: Layout, progress: Progress) -> str:
    """Update data/code, which the other stages depend on; returns the manifest of ingest."""
    texts = manifests.current(params, layout.root)
    if manifests.written(layout.root) != texts:
        from assay.data.holding import holding

        with holding(layout.scratch, "pipeline", say=progress.say):
            manifests.write(layout.root, texts)
    return texts["ingest"]


def _take_in(
    params: Ingest, present: list[Source], layout: Layout, progress: Progress
) -> tuple[dict[str, Any], list[str]]:
    """Append new images; returns the summary, and the notes of all files."""
    from assay.data.files import write_json
    from assay.data.pool import PoolWriter
    from assay.intake.ingest import SourceReader, balance

    report, books, files = _last_report(layout), {}, []
    with PoolWriter(layout.pool, params.shard_images, params.shard_mb << 20) as pool:
        before = len(pool.known)
        taken: set[str] = set()
        for source in params.sources:
            if source not in present:
                books[source.name] = _absent(source, layout, report, progress)
                continue
            door_ = SourceReader(source, params, layout, pool, progress)
            seen = door_.look()
            remarks = door_.classes.remarks(source.options) + door_.objects.remarks()
            books[source.name] = balance(seen, taken) | door_.objects.book()
            books[source.name] |= {"remarks": remarks} if remarks else {}
            files += seen.notes
    write_json(layout.pool / "report.json", {"sources": books})
    return {"new": len(pool.known) - before, "samples": len(pool.known), "sources": books}, files


def _is_unreadable(summary: dict[str, Any]) -> bool:
    """Whether a source has unreadable files, so that the next run must try again."""
    return any(UNREADABLE in book["reasons"] for book in summary["sources"].values())


def _last_report(layout: Layout) -> dict[str, Any]:
    from assay.data.files import read_json, recall

    return recall(lambda: dict(read_json(layout.pool / "report.json")["sources"])) or {}


def _is_absent(source: Source, layout: Layout) -> bool:
    return source.path is not None and not is_there(locate(layout.root, source.path))


def _absent(source: Source, layout: Layout, report: dict[str, Any], progress: Progress) -> Any:
    """The last counts of a missing source. SourceError if it was never ingested, probably a typo."""
    if source.name not in report:
        raise SourceError(
            f"source {source.name!r}: {locate(layout.root, str(source.path))} is not there", hint=ABSENT
        )
    progress.say(f"source {source.name!r} is missing: its images stay in the pool")
    return report[source.name]


def render(summary: dict[str, Any], console: Any) -> None:
    """Print the counts, one line for each source."""
    for line in unchanged.books(summary):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
