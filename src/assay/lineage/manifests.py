"""The code that each stage runs, as text in data/code/: the dependency of a stage in dvc.yaml that stands for its code.

`data/code/train` has a line for each file of the stage's import closure, as `sha256sum` writes it: the digest and the
name (`training/fit.py`, `plugins/models/mine.py`). `assay ingest`, which runs at each `dvc repro`, brings these files
up to date. They are an output of it, so a clone and a worktree have those that were recorded. `data/code/assay` holds
the version. No stage depends on that one: an upgrade runs again just the stages whose code it changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from assay.data.files import read_json, recall, write_bytes, write_json
from assay.data.text import read_text
from assay.errors import ParamsError, RevisionError
from assay.intake import unchanged
from assay.layout import Layout
from assay.lineage.closure import chosen, constant, stage_closure
from assay.lineage.digests import canonical_digest, hashes
from assay.params import Params, load_params
from assay.plugins import Sources, of_project

FOLDER = unchanged.CODE
VERSION = "assay"
Texts = dict[str, str]
"""{name in data/code: content}"""


def stages(sources: Sources) -> list[str]:
    """The stages that a version of assay has, sorted."""
    return sorted(file.stem for file in (sources.package / "stages").glob("[!_]*.py"))


def of_code(params: Params, sources: Sources, only: Iterable[str] | None = None) -> Texts:
    """What data/code is to hold for these params (they choose the plug-ins) and this code; of some stages or all."""
    version = constant(sources.package / "__init__.py", "__version__") or "unknown"
    named = stages(sources) if only is None else only
    made = {stage: hashes(stage_closure(stage, params, sources), sources) for stage in named}
    return {VERSION: f"{version}\n", **{stage: _text(files) for stage, files in made.items()}}


def current(params: Params, root: Path) -> Texts:
    """`of_code` of a project as it is now; costs a stat of each source file, unless one or a choice has changed."""
    sources = of_project(root)
    memory = Layout(root).scratch / "code.json"
    mark = canonical_digest([unchanged.code_state(str(root)), chosen(params, sources)])
    kept = recall(lambda: read_json(memory))
    if isinstance(kept, dict) and kept.get("mark") == mark:
        return dict(kept["texts"])
    texts = of_code(params, sources)
    write_json(memory, {"mark": mark, "texts": texts})
    return texts


def written(root: Path) -> Texts:
    """What data/code holds; {} without one."""
    files = sorted((root / FOLDER).glob("[!.]*"))
    return {file.name: file.read_text(encoding="utf-8") for file in files if file.suffix != ".tmp"}


def write(root: Path, texts: Texts) -> None:
    """Make data/code hold these, and no others; a file that does already is left alone."""
    there = written(root)
    for name in there.keys() - texts.keys():
        (root / FOLDER / name).unlink()
    for name, text in texts.items():
        if there.get(name) != text:
            write_bytes(root / FOLDER / name, text.encode())


def changed(before: Texts, after: Texts, stage: str) -> list[str]:
    """Files that a stage runs otherwise than before; [] if it is not known what it ran."""
    old, new = (parse(texts.get(stage, "")) for texts in (before, after))
    return sorted(name for name in {**old, **new} if old and old.get(name) != new.get(name))


def restore(project: Path) -> None:
    """Have data/code in a worktree: as it was recorded, if its sources are still those, else as they are.

    Another version of assay may name other files for the same code: as long as those it named are there, it was right.
    """
    declared = project / "dvc.yaml"
    if not declared.exists() or FOLDER not in read_text(declared, RevisionError):
        return  # a version whose stages depend on the sources themselves
    recorded, sources = written(project), of_project(project)
    if recorded and all(_holds(parse(text), sources) for name, text in recorded.items() if name != VERSION):
        return
    try:
        write(project, of_code(load_params(project / "params.yaml"), sources))
    except ParamsError:
        if not recorded:
            raise


def parse(text: str) -> dict[str, str]:
    """{name of a file: its SHA-256}."""
    return {name: digest for digest, name in (line.split("  ", 1) for line in text.splitlines())}


def md5(text: str) -> str:
    """As dvc.lock records a file of this content."""
    return hashlib.md5(text.encode()).hexdigest()


def _text(files: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))


def _holds(files: dict[str, str], sources: Sources) -> bool:
    paths = {name: sources.file(name) for name in files}
    return all(path.is_file() for path in paths.values()) and hashes(paths.values(), sources) == files
