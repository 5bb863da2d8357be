"""`assay init`: create a project, in an empty folder or in an existing git repository."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from assay import __version__, plugins
from assay.commands.first_params import params_text
from assay.commands.recognized import LOOKS, mask_folders, recognized
from assay.commands.survey import Survey, counted, survey, without_labels
from assay.data.files import write_bytes
from assay.errors import SourceError, UsageError
from assay.flows import ORIGIN
from assay.lineage.process import run_git
from assay.lineage.revisions import run_dvc
from assay.params import Source

FLOWS = ("pipeline", "iterate", "watch", "reproduce", "attribute", "race", "serve")
REMINDER = "flows/reminder.yaml"
THIN = '''"""assay's flow `{name}`, as it is installed: `python flows/{name}.py --help`."""

import sys

from assay.commands.streams import reported
from assay.flows import load

{module} = load("{name}")
{value}
if __name__ == "__main__":
    with reported():
        sys.exit({module}.main())
'''
CHAMPION = '{\n  "champion": null\n}\n'
IGNORED = {
    ".gitignore": ("__pycache__/", ".assay/", "*.tmp", "mlflow.db*", "mlruns/", "mlartifacts/", "/labelling",
                   "/outputs",
                   "/data/code", "/data/pool", "/data/embeddings", "/data/embedder.json", "/data/snapshot",
                   "/data/audit", "/data/selection", "/data/champion/model", "/dvc_plots",
                   "/to-label*", "/review.csv", "/check.csv", "/queue.html", "/audit.html", "/diff.html",
                   "/advice.html", "/attribution.html", "/which.html"),
    ".dvcignore": ("__pycache__", "*.tmp", ".assay"),
}  # fmt: skip
"""Lines added to ignore files, if missing."""
DEMO = {"seed": 0, "wrong_labels": 0.08, "hidden": 0.6, "exact_duplicates": 60, "near_duplicates": 60, "blurred": 40,
        "blank": 12, "corrupt": 9}  # fmt: skip
GENERATED = {
    "demo": Source(name="digits", format="demo", options=DEMO),
    "scenes": Source(
        name="scenes", format="scenes", options={"seed": 0, "images": 400, "missing": 0.1, "hidden": 0.5}
    ),
}
"""Sources that need no files, by the word of --from."""


@dataclass(frozen=True)
class ProjectPlan:
    """Files to write. `files`: {relative path: content}; `lines`: {file: lines to append}."""

    root: Path
    source: Source
    found: Survey
    files: Mapping[str, str]
    lines: Mapping[str, tuple[str, ...]]
    commands: tuple[str, ...]
    notes: tuple[str, ...]


def run(root: Path, origin: str | None, dry_run: bool = False, task: str | None = None) -> dict[str, Any]:
    """Create a project in `root` for the images of `origin` (see `source_of`); task None: the one that suits the data.

    UsageError, without writing anything, if a file exists already; SourceError if the source cannot be read.
    """
    plan = prepare(root, origin, task)
    if not dry_run:
        carry_out(plan)
    return report(plan, dry_run)


def prepare(root: Path, origin: str | None, task: str | None = None) -> ProjectPlan:
    """Read the source, and make the plan."""
    if task is not None and task not in (valid := plugins.names("tasks")):
        raise UsageError(f"--task {task}: there is no such task", hint=f"valid: {', '.join(valid)}")
    source = source_of(origin, root)
    found = survey(_absolute(source, root), root)
    files = contents(root, source, found, task)
    _refuse_taken(root, files)
    lines = {name: tuple(_missing(root / name, wanted)) for name, wanted in IGNORED.items()}
    commands = (*(() if repository(root) else ("git init",)), *_dvc_init(root))
    return ProjectPlan(root, source, found, files, lines, commands, tuple(_notes(root, source, found)))


def source_of(origin: str | None, root: Path) -> Source:
    """The source of params.yaml for `origin`: PATH of a recognised format, FORMAT:PATH, or one of GENERATED.

    UsageError for anything else.
    """
    if origin in GENERATED:
        return GENERATED[origin]
    kind, _, path = (origin or "").partition(":")
    if kind not in LOOKS or not path:
        kind, path = recognized(Path(origin or "").expanduser()) or "", origin or ""
    if not kind:
        raise UsageError(
            f"--from {origin}: the format is not recognised" if origin else "--from is missing",
            hint=f"valid: PATH, {', '.join(f'{name}:PATH' for name in LOOKS)}, demo (5,000 real digits) "
            "or scenes (generated, with boxes)",
        )
    return source_at(path, kind, root)


def source_at(path: str, kind: str, root: Path) -> Source:
    """The source of params.yaml for a path of a known format, named after it."""
    place, home = (straight(given) for given in (Path(path).expanduser(), root))
    near = place.is_relative_to(repository(root) or home)  # a clone of the repository has it too
    options = {"masks": mask_folders(place)[0]} if kind == "masks" and mask_folders(place) else {}
    written = Path(os.path.relpath(place, home)).as_posix() if near else str(place)
    return Source(name=_name(place.stem), format=kind, path=written, options=options)


def straight(path: Path) -> Path:
    """The absolute path without `..`; links stay as they are."""
    return Path(os.path.normpath(path.absolute()))


def _absolute(source: Source, root: Path) -> Source:
    """The source to read before `root` exists: the system follows no `..` out of a folder that is not there."""
    path = source.path and str(straight(root / source.path))
    return source.model_copy(update={"path": path})


def _name(text: str) -> str:
    """A valid name of a source: a-z, 0-9, - and _."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower()).strip("-")
    return plain[:40] or "images"


def contents(root: Path, source: Source, found: Survey, task: str | None) -> dict[str, str]:
    """The files of a new project."""
    name = _name(root.absolute().name)
    deployments = (ORIGIN / "prefect.yaml").read_text(encoding="utf-8")
    thin = {f"flows/{flow}.py": _thin(flow) for flow in FLOWS}
    return {
        "dvc.yaml": (ORIGIN / "dvc.yaml").read_text(encoding="utf-8"),
        "params.yaml": params_text(name, source, found, task),
        "prefect.yaml": deployments.replace("{{ $PROJECT }}", name).replace(
            "`make deploy`", "`prefect deploy --all`"
        ),
        "data/edits/.gitkeep": "",
        "data/champion/champion.json": CHAMPION,
        **thin,
        REMINDER: (ORIGIN / REMINDER).read_text(encoding="utf-8"),
    }


def _thin(flow: str) -> str:
    """Text of a file in flows/ that loads assay's flow. `serve` is no flow, so it exports none."""
    module = "flows" if flow == "serve" else f"{flow}_flow"
    return THIN.format(
        name=flow, module=module, value="" if flow == "serve" else f"{flow} = {module}.{flow}\n"
    )


def _refuse_taken(root: Path, files: Mapping[str, str]) -> None:
    """UsageError with the files that exist with another content."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file", hint="name a folder")
    taken = [name for name, text in files.items() if _is_taken(root / name, text)]
    if taken:
        raise UsageError(
            f"these files exist already: {', '.join(taken)}. Nothing was written",
            hint="rename them, or create the project in a subfolder of this repository: "
            "`assay init assay --from …`",
        )


def _is_taken(file: Path, text: str) -> bool:
    return file.exists() and (not file.is_file() or file.read_bytes() != text.encode())


def _missing(file: Path, wanted: tuple[str, ...]) -> list[str]:
    there = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [line for line in wanted if line not in there]


def repository(root: Path) -> Path | None:
    """The root of the git repository that `root`, which need not exist yet, is in; None if it is in none."""
    home = straight(root)
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    above = run_git(["rev-parse", "--show-cdup"], nearest)  # in steps up: the way to `root` may have links
    return straight(nearest / above.stdout.strip()) if above.returncode == 0 else None


def _dvc_init(root: Path) -> tuple[str, ...]:
    """Commands that set up DVC in the folder of the project, with --subdir below the root of a repository."""
    if (root / ".dvc").is_dir():
        return ()
    inside = repository(root) not in (None, straight(root))
    return ("dvc init --subdir" if inside else "dvc init", "dvc config core.analytics false")


def _notes(root: Path, source: Source, found: Survey) -> list[str]:
    notes = [
        f"disk: {2 * found.bytes / 1e6:,.0f} MB: each image once in data/pool and once in DVC's cache",
        f"pin assay=={__version__} where the project lists its packages: `assay diff` reads requirements.lock",
        *without_labels(found),
        *looks_otherwise(root, _absolute(source, root)),
    ]
    if root.is_dir() and run_git(["check-ignore", "-q", "data/edits/0001.jsonl"], root).returncode == 0:
        notes.append(
            "git ignores data/: data/edits, data/ledger and data/champion/champion.json must be tracked"
        )
    return notes


def looks_otherwise(root: Path, source: Source) -> list[str]:
    """A source of one format whose place looks like another's."""
    place = root / (source.path or "")
    seen = recognized(place) if source.path else None
    if seen == source.format == "masks" and len(mask_folders(place)) > 1:
        return [f"masks may be in {' or '.join(mask_folders(place))}: options.masks of the source says which"]
    if seen in (None, source.format):
        return []
    return [f"{source.path} looks like the format {seen}: `--from {seen}:{source.path}` reads it as that"]


def carry_out(plan: ProjectPlan) -> None:
    """Write the files. Existing files do not change, except for lines appended to .gitignore and .dvcignore."""
    plan.root.mkdir(parents=True, exist_ok=True)
    for name, text in plan.files.items():
        if not (plan.root / name).exists():
            write_bytes(plan.root / name, text.encode())
    for command in plan.commands:
        tool, *args = shlex.split(command)
        if tool == "dvc":
            run_dvc([*args, *(["--quiet"] if args[0] == "init" else [])], plan.root)
        elif (done := run_git(["init", "--quiet"], plan.root)).returncode:
            raise SourceError(f"git init: {done.stderr.strip()}")
    for name, wanted in plan.lines.items():
        _add_lines(plan.root / name, _missing(plan.root / name, wanted))


def _add_lines(file: Path, lines: list[str]) -> None:
    if not lines:
        return
    there = file.read_text(encoding="utf-8") if file.exists() else ""
    joint = "" if not there or there.endswith("\n") else "\n"
    write_bytes(file, f"{there}{joint}{chr(10).join(lines)}\n".encode())


def report(plan: ProjectPlan, dry_run: bool) -> dict[str, Any]:
    """The plan, JSON-able."""
    into = "" if plan.root.absolute() == Path().absolute() else f"cd {shlex.quote(str(plan.root))} && "
    return {
        "root": str(plan.root),
        "dry_run": dry_run,
        "source": plan.source.model_dump(mode="json"),
        "found": asdict(plan.found),
        "counted": counted(plan.found),
        "files": sorted(plan.files),
        "lines": {name: list(lines) for name, lines in plan.lines.items() if lines},
        "commands": list(plan.commands),
        "notes": list(plan.notes),
        "next": f"{into}git add -A && git commit -m 'A project of assay' && dvc repro",
    }


def render(result: dict[str, Any], console: Console) -> None:
    verb = "would write" if result["dry_run"] else "wrote"
    console.print(
        f"[bold]{escape(result['source']['name'])}[/]: {escape(result['counted'])}", highlight=False
    )
    said = [
        *((f"{'would run' if result['dry_run'] else 'ran'}", command) for command in result["commands"]),
        *((verb, name) for name in result["files"]),
        *(("added to" if not result["dry_run"] else "would add to", f"{name}: {len(lines)} lines")
          for name, lines in result["lines"].items()),
    ]  # fmt: skip
    for what, name in said:
        console.print(f"{what} {escape(name)}", highlight=False)
    for note in result["notes"]:
        console.print(f"note: {escape(note)}", highlight=False, soft_wrap=True)
    console.print(f"next: [bold]{escape(result['next'])}[/]", highlight=False)
