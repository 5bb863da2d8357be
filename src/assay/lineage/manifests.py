"""Manifests of the code of each stage, in data/code/: the dependencies of the stages on code in dvc.yaml.

`data/code/train` has a line for each file of the import closure of the stage, in the format of `sha256sum`: digest and
name (`training/fit.py`, `plugins/models/mine.py`). `assay ingest`, which runs at every `dvc repro`, updates these
files. They are an output of it, so clones and worktrees have the recorded ones. `data/code/assay` has the version; no
stage depends on it, so an upgrade reruns only the stages whose code it changes.
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
from assay.lineage.closure import chosen, stage_closure
from assay.lineage.digests import canonical_digest, hashes
from assay.params import Params, load_params
from assay.plugins import OWN, Sources, literals, of_project, parsed

FOLDER = unchanged.CODE
VERSION = "assay"
Texts = dict[str, str]
"""{name in data/code: content}"""


def stages(sources: Sources) -> list[str]:
    """The stages of a version of assay, sorted."""
    return sorted(file.stem for file in (sources.package / "stages").glob("[!_]*.py"))


def of_code(params: Params, sources: Sources, only: Iterable[str] | None = None) -> Texts:
    """Manifests for params, which name the plug-ins, and code; of all stages or those in `only`."""
    package = parsed((sources.package / "__init__.py").read_text(encoding="utf-8"))
    version = literals(package).get("__version__", "unknown")
    named = stages(sources) if only is None else only
    made = {stage: hashes(stage_closure(stage, params, sources), sources) for stage in named}
    return {VERSION: f"{version}\n", **{stage: _text(files) for stage, files in made.items()}}


def current(params: Params, root: Path) -> Texts:
    """`of_code` of the project as it is. Cached: costs one stat for each source file if nothing has changed."""
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
    """The manifests in data/code; {} without the folder."""
    files = sorted((root / FOLDER).glob("[!.]*"))
    return {file.name: file.read_text(encoding="utf-8") for file in files if file.suffix != ".tmp"}


def write(root: Path, texts: Texts) -> None:
    """Write the manifests to data/code and remove others; unchanged files are not rewritten."""
    there = written(root)
    for name in there.keys() - texts.keys():
        (root / FOLDER / name).unlink()
    for name, text in texts.items():
        if there.get(name) != text:
            write_bytes(root / FOLDER / name, text.encode())


def changed(before: Texts, after: Texts, stage: str) -> list[str]:
    """Files of a stage that changed; [] if the earlier manifest is missing."""
    old, new = (parse(texts.get(stage, "")) for texts in (before, after))
    return sorted(name for name in {**old, **new} if old and old.get(name) != new.get(name))


def with_plugins_of(texts: Texts, present: Texts) -> Texts:
    """Manifests `texts` with the project's plug-ins as they are in `present`."""

    def merged(name: str) -> str:
        parts = {False: parse(texts[name]), True: parse(present.get(name, ""))}
        return _text(
            {
                file: digest
                for own, files in parts.items()
                for file, digest in files.items()
                if _is_own(file) == own
            }
        )

    return {name: text if name == VERSION else merged(name) for name, text in texts.items()}


def restore(project: Path) -> None:
    """Restore data/code in a worktree: as recorded if that matches its sources, else for its present sources.

    A manifest of another version of assay, which may list other files, matches if the files it lists are unchanged.
    """
    declared = project / "dvc.yaml"
    if not declared.exists() or FOLDER not in read_text(declared, RevisionError):
        return  # a version whose stages depend on source files directly
    recorded, sources = written(project), of_project(project)
    if recorded and all(_holds(parse(text), sources) for name, text in recorded.items() if name != VERSION):
        return
    try:
        write(project, of_code(load_params(project / "params.yaml"), sources))
    except ParamsError:
        if not recorded:
            raise


def parse(text: str) -> dict[str, str]:
    """{name of a file: SHA-256} of a manifest."""
    return {name: digest for digest, name in (line.split("  ", 1) for line in text.splitlines())}


def md5(text: str) -> str:
    """MD5 of a text, as dvc.lock records a file with this content."""
    return hashlib.md5(text.encode()).hexdigest()


def _text(files: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))


def _is_own(file: str) -> bool:
    """Whether a file of a manifest is a plug-in of the project."""
    return file.startswith(f"{OWN}/")


def _holds(files: dict[str, str], sources: Sources) -> bool:
    paths = {name: sources.file(name) for name in files}
    return all(path.is_file() for path in paths.values()) and hashes(paths.values(), sources) == files
