"""`assay import`: read a folder or file of images with labels, and add it to the sources of params.yaml.

The images are read by the next `assay ingest`, as those of any source.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from assay import plugins
from assay.commands.first_params import source_line
from assay.commands.init import looks_otherwise, source_at
from assay.commands.recognized import looks_like, unwrapped
from assay.commands.survey import counted, surveyed
from assay.data.files import write_bytes
from assay.data.records import IGNORED, Record
from assay.data.text import read_text
from assay.errors import ParamsError, UsageError
from assay.formats._objects import SHOWN, Counts
from assay.formats._remarks import ClassRemarks
from assay.layout import Layout, locate
from assay.params import Params, Source, parse_params
from assay.params.insertion import with_source
from assay.progress import Progress, silent

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def run(
    params: Params,
    layout: Layout,
    origin: str,
    form: str | None = None,
    name: str | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Read a source as ingest does, and append it to `ingest.sources` of params.yaml unless `dry_run`.

    UsageError for a format that is not recognised or not there, a source without an image, a name or a path that
    another source has, and a params.yaml whose list cannot be extended; SourceError as in ingest. In each case nothing
    is written.
    """
    source, how = _source(params, layout, origin, form, name)
    text = _extended(params, layout, source)
    records = []
    with progress.bar(f"read {source.name}", None, "files") as advance:
        for record in plugins.load("formats", source.format).read(source, layout.root):
            records.append(record)
            advance(1)
    report = _report(layout.root, source, how, records, dry_run)
    if report["found"]["side"] is None:
        raise UsageError(f"{origin}: {_nothing(report)} as {source.format} ({how})", hint=_otherwise(records))
    if not dry_run:
        write_bytes(layout.params, text.encode())
    return report


def _nothing(report: dict[str, Any]) -> str:
    """What is there instead of an image."""
    held = {"files that are no image": report["found"]["images"], **report["skipped"]}
    return (
        ", ".join(f"{n:,} {why}" for why, n in held.items() if n) or "no image in it"
    ) + ": nothing to read"


def _otherwise(records: list[Record]) -> str:
    archive = next((r.path for r in records if Path(r.path).suffix.lower() in ARCHIVES), None)
    if archive is not None:
        return f"unpack {archive}"
    return "name the folder with images and labels; or set --format, if it was not recognised"


def _source(
    params: Params, layout: Layout, origin: str, form: str | None, name: str | None
) -> tuple[Source, str]:
    """The source, and how its format is known."""
    place = Path(origin).expanduser()
    if form is not None:
        if form not in (valid := plugins.names("formats")):
            raise UsageError(f"--format {form}: there is no such format", hint=f"valid: {', '.join(valid)}")
        how = "as told by --format"
    elif not place.exists():
        raise UsageError(f"{origin} is not there", hint="name a folder, or a file of labels")
    elif place.suffix.lower() in ARCHIVES:
        raise UsageError(f"{origin} is an archive", hint="unpack it, and import the folder")
    elif (found := looks_like(inner := unwrapped(place))) is None:
        raise UsageError(
            f"{origin}: the format is not recognised",
            hint=f"set --format to one of: {', '.join(plugins.names('formats'))}",
        )
    else:
        form, how = found
        origin = origin if inner == place else str(inner)
    source = _named(source_at(origin, form, layout.root), name)
    others, here = params.ingest.sources, _place(source, layout)
    same = (other for other in others if other.path and (other.format, _place(other, layout)) == (form, here))
    if (first := next(same, None)) is not None:
        raise UsageError(
            f"{origin} is the source {first.name!r} already: `assay ingest` reads what is new in it"
        )
    if source.name in {other.name for other in others}:
        raise UsageError(f"there is a source {source.name!r} already", hint="give this one another --name")
    return source, how


def _named(source: Source, name: str | None) -> Source:
    try:
        return source if name is None else Source.model_validate(source.model_dump() | {"name": name})
    except ValidationError:
        raise UsageError(f"--name {name}: not a name", hint="valid: a-z, 0-9, - and _") from None


def _place(source: Source, layout: Layout) -> Path:
    return locate(layout.root, str(source.path)).resolve()


def _extended(params: Params, layout: Layout, source: Source) -> str:
    """The text of params.yaml with the source. UsageError, with the line to add, if it would not mean that."""
    item = source_line(source)
    wanted = [*params.ingest.sources, source]
    try:
        text = with_source(read_text(layout.params, ParamsError), item)
        if text is not None and _params(text, layout).ingest.sources == wanted:
            return text
    except (yaml.YAMLError, ParamsError):
        pass  # the list is written in a way that cannot be extended line by line
    raise UsageError(
        f"{layout.params}: ingest.sources is no plain list, nothing was written", hint=f"add to it: - {item}"
    )


def _params(text: str, layout: Layout) -> Params:
    return parse_params(yaml.safe_load(text), str(layout.params), layout.root)


def _report(root: Path, source: Source, how: str, records: list[Record], dry_run: bool) -> dict[str, Any]:
    counts, classes, found = Counts(), ClassRemarks(), surveyed(records)
    for record in records:
        counts.meet(record)
        classes.meet(record)
    return {
        "source": source.model_dump(mode="json"),
        "how": how,
        "dry_run": dry_run,
        "found": {**asdict(found), "labelled": found.labelled},
        "counted": counted(found),
        "skipped": dict(Counter(r.skip.partition(":")[0] for r in records if r.skip and r.skip != IGNORED)),
        "objects": dict(counts.numbers),
        "issues": counts.issues,
        "remarks": [*classes.remarks(source.options), *looks_otherwise(root, source)],
        "line": f"- {source_line(source)}",
        "next": "dvc repro",
    }


def render(result: dict[str, Any], console: Console) -> None:
    """Print what was found, what was fixed or refused, and the line of params.yaml."""

    def say(text: str) -> None:
        console.print(escape(text), highlight=False, soft_wrap=True)

    source, objects, issues = result["source"], result["objects"], result["issues"]
    say(f"{source['path']}: format {source['format']}, {result['how']}")
    say(result["counted"])
    if objects.get("read"):
        say(f"objects: {', '.join(f'{objects[kind]:,} {kind}' for kind in ('taken', 'fixed', 'refused'))}")
    for reason, n in result["skipped"].items():
        say(f"not read: {n:,} {reason}")
    for issue in issues[:SHOWN]:
        say(f"  {issue}")
    if len(issues) > SHOWN:
        say(f"  and {len(issues) - SHOWN:,} more: --json lists all")
    for remark in result["remarks"]:
        say(f"note: {remark}")
    say(f"{'would add' if result['dry_run'] else 'added'} to ingest.sources of params.yaml: {result['line']}")
    if not result["dry_run"]:
        console.print(f"next: [bold]{result['next']}[/]", highlight=False)
