"""The stages that `dvc repro` would run, from dvc.lock, in milliseconds; DVC takes a second to start.

Exact for params, edits and code; code is compared as it is, before `assay ingest` updates data/code. Large data is not
hashed: an input is compared with the record of the stage that wrote it. A file under data/ that was changed by hand is
not detected here; `dvc status` detects it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from assay.data.text import read_text
from assay.errors import ParamsError, RevisionError
from assay.lineage import manifests
from assay.lineage.mending import read_lock
from assay.params import load_params
from assay.params.yamlfile import read_yaml

Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(Safe):  # type: ignore[misc]
    """YAML 1.2, as in DVC: `1e-07` is a number; in PyYAML's 1.1 it is text."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9.]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)

State = Literal["fresh", "stale", "after", "never ran", "door"]
HASHED = 64 * 2**20
"""Least size in bytes of a dependency that is not hashed."""
CODE = f"{manifests.FOLDER}/"
IGNORED = (".dvc", ".git", ".hg")


@dataclass(frozen=True)
class StageState:
    """`fresh`; `stale` with reasons; `after` a stale stage; `never ran`; or `door`: a stage that always runs."""

    stage: str
    state: State
    why: str = ""


@dataclass(frozen=True)
class PipelineState:
    """dvc.yaml, dvc.lock and params.yaml of a project."""

    root: Path
    declared: dict[str, Any]
    locked: dict[str, Any]
    params: dict[str, Any]
    ran: manifests.Texts | None = None
    """Manifests that stand for the present code."""

    @classmethod
    def read(cls, root: Path, ran: manifests.Texts | None = None) -> PipelineState:
        """RevisionError if one of them is not YAML."""
        declared, params = _yaml(root / "dvc.yaml"), _yaml(root / "params.yaml")
        locked = read_lock(root, Loader)
        return cls(root, declared.get("stages") or {}, locked.get("stages") or {}, params, ran)

    @cached_property
    def writers(self) -> dict[str, str]:
        """The stage that writes each recorded output."""
        return {out["path"]: name for name, stage in self.locked.items() for out in stage.get("outs", [])}

    @cached_property
    def written(self) -> dict[str, str | None]:
        """The hash of each recorded output."""
        return {
            out["path"]: out.get("md5") for stage in self.locked.values() for out in stage.get("outs", [])
        }

    @cached_property
    def code(self) -> manifests.Texts:
        """The manifests of the present code; those in data/code if params.yaml is not valid."""
        if self.ran is not None:
            return self.ran
        try:
            return manifests.current(load_params(self.root / "params.yaml"), self.root)
        except ParamsError:
            return self.code_before

    @cached_property
    def code_before(self) -> manifests.Texts:
        """The manifests in data/code: of the code that ran last."""
        return manifests.written(self.root)

    @cached_property
    def content(self) -> Callable[[str], str | None]:
        """`content_md5` of a path of the project, computed once."""
        return cache(lambda path: content_md5(self.root / path, self.ignored))

    @cached_property
    def ignored(self) -> tuple[str, ...]:
        """Names that DVC leaves out of the hash of a folder: the plain patterns of .dvcignore."""
        file = self.root / ".dvcignore"
        lines = read_text(file, RevisionError).split("\n") if file.exists() else []
        return IGNORED + tuple(
            line.strip().rstrip("/") for line in lines if line.strip()[:1] not in ("", "#")
        )


def stage_states(root: Path, outs: bool = True, code: manifests.Texts | None = None) -> list[StageState]:
    """The state of each stage of dvc.yaml, in order; [] without the file.

    `outs` False: a missing output makes no stage stale, as in a worktree whose outputs stay in the cache. `code`: the
    manifests that the recorded ones are compared with; None: those of the present code.
    """
    records = PipelineState.read(root, code)
    states: dict[str, StageState] = {}
    for name in records.declared:
        states[name] = _state(records, name, states, outs)
    return list(states.values())


def _state(records: PipelineState, name: str, before: dict[str, StageState], outs: bool) -> StageState:
    if records.declared[name].get("always_changed"):
        return StageState(name, "door", "checks its sources at each `dvc repro`")
    if name not in records.locked:
        return StageState(name, "never ran")
    if why := next(_differences(records, name, outs), None):
        return StageState(name, "stale", why)
    if behind := _upstream(records, name, before):
        return StageState(name, "after", f"waits for {behind}")
    return StageState(name, "fresh")


def _differences(records: PipelineState, name: str, outs: bool) -> Iterator[str]:
    """Reasons why a stage would run again, the cheapest check first."""
    stage = records.locked[name]
    yield from _changed_params(records, name)
    yield from _changed_definition(records.declared[name], stage)
    for out in stage.get("outs", []) if outs else []:
        if not (records.root / out["path"]).exists():
            yield f"{out['path']} is missing"
    for dep in stage.get("deps", []):
        if dep["path"].startswith(CODE):
            yield from _changed_code(records, dep["path"].removeprefix(CODE), dep.get("md5"))
        elif not _unchanged(records, dep["path"], dep.get("md5")):
            yield f"{dep['path']} changed"


def _changed_code(records: PipelineState, name: str, recorded: str | None) -> Iterator[str]:
    """Each changed file of code; the name of the manifest if the file cannot be determined."""
    now = records.code.get(name, "")
    if manifests.md5(now) == recorded:
        return
    before = records.code_before
    if manifests.md5(before.get(name, "")) != recorded:
        yield f"{CODE}{name} changed"
        return
    yield from (f"{file} changed" for file in manifests.changed(before, records.code, name))


def _changed_params(records: PipelineState, name: str) -> Iterator[str]:
    recorded = records.locked[name].get("params", {}).get("params.yaml", {})
    for key, value in recorded.items():
        if (now := _lookup(records.params, key)) != value:
            yield from _changed_values(key, value, now)
    for key in records.declared[name].get("params", []):
        if isinstance(key, str) and key not in recorded:
            yield f"{key} is new among its params"


def _changed_values(key: str, before: Any, now: Any) -> Iterator[str]:
    """Each value that differs, by its full key."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        yield f"{key}: {_short(before)} → {_short(now)}"
        return
    for name in {**before, **now}:
        if name not in before:
            yield f"{key}.{name} is new among its params"
        elif name not in now or before[name] != now[name]:
            yield from _changed_values(f"{key}.{name}", before[name], now.get(name))


def _changed_definition(declared: dict[str, Any], locked: dict[str, Any]) -> Iterator[str]:
    """Changes of the command and the deps, after substitution of `${param}`."""
    command = declared.get("cmd")
    if isinstance(command, str) and "${" not in command and command != locked.get("cmd"):
        yield "its cmd changed"
    known = {dep["path"] for dep in locked.get("deps", [])}
    for dep in declared.get("deps", []):
        if isinstance(dep, str) and "${" not in dep and dep not in known:
            yield f"{dep} is new among its deps"


def _unchanged(records: PipelineState, path: str, md5: str | None) -> bool:
    if path in records.written:
        return records.written[path] == md5
    if (tracked := records.root / f"{path}.dvc").exists():
        return bool(_yaml(tracked)["outs"][0].get("md5") == md5)
    if not (
        records.root / path
    ).exists():  # part of an output that is in the cache: the state of its writer decides
        return any(path.startswith(f"{out}/") for out in records.written)
    found = records.content(path)
    return found is None or found == md5


def _upstream(records: PipelineState, name: str, before: dict[str, StageState]) -> str | None:
    """The first stage that is not fresh and writes an input of this one."""
    for dep in records.locked[name].get("deps", []):
        for path, writer in records.writers.items():
            inside = dep["path"] == path or dep["path"].startswith(f"{path}/")
            if inside and writer in before and before[writer].state in ("stale", "after", "never ran"):
                return writer
    return None


def content_md5(path: Path, ignored: tuple[str, ...] = IGNORED) -> str | None:
    """DVC's hash of a file or a folder; None for one larger than HASHED."""
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest() if path.stat().st_size <= HASHED else None
    files = list(_files(path, ignored))
    if sum(file.stat().st_size for file in files) > HASHED:
        return None
    entries = [
        {"md5": hashlib.md5(file.read_bytes()).hexdigest(), "relpath": file.relative_to(path).as_posix()}
        for file in files
    ]
    entries.sort(key=lambda entry: entry["relpath"])
    return f"{hashlib.md5(json.dumps(entries).encode()).hexdigest()}.dir"


def _files(folder: Path, ignored: tuple[str, ...]) -> Iterator[Path]:
    for entry in folder.iterdir():
        if any(fnmatch(entry.name, pattern) for pattern in ignored):
            continue
        if entry.is_dir():
            yield from _files(entry, ignored)
        else:
            yield entry


def _lookup(tree: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return None
        tree = tree[part]
    return tree


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _yaml(path: Path) -> dict[str, Any]:
    return read_yaml(path, RevisionError, Loader) if path.exists() else {}
