"""The two sides of a comparison: a git revision, a tracked run, or the workspace, as files on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from assay import __version__
from assay.data.files import read_json, read_table
from assay.errors import AssayError, NotKept, RevisionError, UnknownRevision
from assay.layout import Layout
from assay.lineage import installed, worktrees
from assay.lineage.commits import commit_about
from assay.lineage.digests import canonical_digest
from assay.lineage.fingerprint import SECTIONS, Fingerprint, run_code, table_digest
from assay.lineage.manifests import FOLDER, VERSION, Texts, current, md5, of_code, with_plugins_of, written
from assay.lineage.mending import read_lock
from assay.lineage.remaking import fetch, remake
from assay.lineage.revisions import git_commit, git_dirty_patch, resolve
from assay.lineage.staleness import StageState, stage_states
from assay.params import Params, load_params
from assay.plugins import PACKAGE, Sources, of_project

WORKSPACE = "workspace"


@dataclass(frozen=True)
class Side:
    """One version of the project. `root` holds its files: a worktree below .assay/sides/, or the workspace itself."""

    name: str
    kind: Literal["revision", "run", "workspace"]
    root: Path
    commit: str | None
    patch: str = ""
    run_id: str | None = None
    package: Path | None = None
    """Folder of the version of assay that made this side, if that is not the installed one and could be had."""

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    @property
    def sources(self) -> Sources:
        """The code of this side: the project's sources of assay, else those of `package`, else the installed ones."""
        found = of_project(self.root)
        return replace(found, package=self.package) if self.package else found

    @cached_property
    def params(self) -> Params:
        return load_params(self.layout.params)

    @cached_property
    def lock(self) -> dict[str, Any]:
        """dvc.lock, parsed; empty if nothing has run on this side."""
        return read_lock(self.root)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint of the inputs of this side's result (`assay.lineage.fingerprint`)."""
        selection = read_json(self.path("data/selection") / "selection.json", made_by="select")
        ruler = read_table(self.path("data/snapshot") / "ruler.parquet", made_by="curate")
        return Fingerprint(
            selection["digest"],
            table_digest(ruler),
            params_digest(self.params),
            run_code(self.params, self.sources),
        )

    def foreign(self, stages: Sequence[str]) -> list[str]:
        """The stages that ran, by dvc.lock, with code of another version of assay than the installed one.

        Empty for a project that contains the sources of assay, and for the workspace.
        """
        return [] if self.kind == WORKSPACE or self.sources.package != PACKAGE else self._differing(stages)

    def _differing(self, stages: Sequence[str]) -> list[str]:
        """The stages that ran, by dvc.lock, with other files than those of `sources`."""
        known = self.lock.get("stages", {})
        then = {d["path"]: d.get("md5") for stage in known.values() for d in stage.get("deps", [])}
        recorded = {stage: then[f"{FOLDER}/{stage}"] for stage in stages if f"{FOLDER}/{stage}" in then}
        now = of_code(self.params, self.sources, recorded) if recorded else {}
        return [stage for stage, digest in recorded.items() if md5(now[stage]) != digest]

    @cached_property
    def manifests(self) -> Texts:
        """data/code of this side: as recorded; of the workspace as it is. NotKept if it is in no cache or remote."""
        if self.kind == WORKSPACE:
            return current(self.params, self.root)
        self.bring([FOLDER])
        return written(self.root)

    def states(self, outs: bool = True) -> list[StageState]:
        """The state of each stage: see `stage_states`.

        A commit of a project without the sources of assay does not hold the code that ran. Its stages are compared
        with the recorded code, if that is still kept, and with the plug-ins of the commit.
        """
        if self.kind == WORKSPACE or (self.package is None and self.sources.package != PACKAGE):
            return stage_states(self.root, outs)
        try:
            recorded = self.manifests
        except NotKept:
            return stage_states(self.root, outs)
        return stage_states(self.root, outs, with_plugins_of(recorded, of_code(self.params, self.sources)))

    def with_its_code(self, stages: Sequence[str], layout: Layout) -> Side:
        """A copy with the code that made this side, if need be from a wheel of that version, unpacked in `layout`.

        AssayError if there is no wheel of that version, or its files are not those that ran by data/code.
        """
        if not (others := self.foreign(stages)):
            return self
        try:
            version = self.manifests[VERSION].strip()
        except NotKept:
            version = "another version"
        else:
            side = replace(self, package=installed.package(version, layout))
            if side.package and not side._differing(stages):
                return side
        raise AssayError(
            f"*code* cannot be a player: {', '.join(others)} of {self.label} ran by assay {version}, and {__version__} "
            "is installed; pip finds no wheel with the files that ran",
            hint="set PIP_FIND_LINKS to the folder with that wheel; or, for the same code on both sides, check "
            f"{self.name} out, `dvc repro` and commit",
        )

    def require_commit(self, what: str) -> None:
        """AssayError if the project has no commit: a worktree is made from one."""
        if self.commit is None:
            raise AssayError(f"{what} needs a commit", hint="`git init`, and commit first")

    def path(self, relative: str) -> Path:
        """Path of an output under DVC, fetched from the cache or a remote, or made again. NotKept if neither works."""
        self.bring([relative])
        return self.root / relative

    def bring(self, outputs: Sequence[str]) -> None:
        """Fetch several outputs with one call, as DVC takes more than a second to start.

        An output in no cache or remote is made again if that needs no training; NotKept otherwise.
        """
        if self.kind == WORKSPACE or all((self.root / path).exists() for path in outputs):
            return
        with FileLock(self.root / ".side.lock.tmp"):
            if absent := [path for path in outputs if not (self.root / path).exists()]:
                self._checkout(absent)

    def _checkout(self, outputs: list[str]) -> None:
        written = [
            out["path"] for stage in self.lock.get("stages", {}).values() for out in stage.get("outs", [])
        ]
        if unknown := sorted(set(outputs) - set(written)):
            raise RevisionError(
                f"no stage had written {unknown[0]} at {self.label}: dvc.lock does not name it",
                hint="choose a revision whose dvc.lock was committed after `dvc repro`",
            )
        if fetch(self.root, outputs):
            return
        try:
            remake(self.root, outputs)
        except RevisionError as error:
            raise NotKept(
                f"{' or '.join(outputs)} of {self.label} is in neither the DVC cache nor a remote: {error}",
                hint="where it was made: `dvc push`; here: `dvc remote list`, or check that revision out and "
                "`dvc repro` to make it again",
            ) from None

    @property
    def label(self) -> str:
        """`HEAD~1 (1a2b3c4d)`, `workspace`, `run 0a1b2c3d`."""
        if self.kind == "workspace":
            return "the workspace"
        short = (self.commit or "")[:8]
        if self.kind == "run":
            return f"run {(self.run_id or '')[:8]} ({short}{', changed' if self.patch else ''})"
        # a full commit id is too long for a title
        return self.name[:10] if self.name.startswith(short) else f"{self.name} ({short})"

    @cached_property
    def about(self) -> str:
        """Label with date and subject of the commit: `HEAD~1 (1a2b3c4d), 2026-11-24: Round 2: 100 labels`."""
        said = commit_about(self.commit, self.root) if self.commit and self.kind != "workspace" else None
        return f"{self.label}, {said}" if said else self.label

    def described(self) -> dict[str, str | None]:
        """Keys of this side in a result."""
        return {
            "name": self.name,
            "label": self.label,
            "about": self.about,
            "commit": self.commit,
            "run_id": self.run_id,
        }


def params_digest(params: Params) -> str:
    """The part `params` of a fingerprint."""
    return canonical_digest(params.model_dump(mode="json", include=set(SECTIONS)))


def open_side(name: str, layout: Layout, params: Params) -> Side:
    """The side named `workspace`, by a git revision, or by an MLflow run (id, unique prefix of it, or name).

    UnknownRevision if it is none of these; TrackingError if the run cannot be read.
    """
    root = layout.root.resolve()
    if name == WORKSPACE:
        commit = git_commit(root)
        return Side(name, "workspace", root, commit, git_dirty_patch(root).text if commit else "")
    try:
        return revision_side(name, root)
    except UnknownRevision as unknown:
        return _run_side(name, layout, params, unknown)


def revision_side(rev: str, root: Path) -> Side:
    """The side of a git revision. UnknownRevision if `rev` is none."""
    commit = resolve(rev, root)
    return Side(rev, "revision", _checked_out(root, commit), commit)


def _run_side(name: str, layout: Layout, params: Params, unknown: RevisionError) -> Side:
    from assay.tracking.recorded import recorded

    run = recorded(name, params, layout)
    if run is None:
        raise UnknownRevision(
            f"{name!r} is neither a revision of {layout.root.resolve().name}, nor a run of MLflow, nor `{WORKSPACE}`",
            hint=unknown.hint and f"{unknown.hint}; runs: `make ui`, or the id that `assay status` shows",
        )
    root = layout.root.resolve()
    commit = resolve(run.commit, root)
    return Side(name, "run", _checked_out(root, commit, run.patch, run.lock), commit, run.patch, run.run_id)


def _checked_out(root: Path, commit: str, patch: str = "", lock: str | None = None) -> Path:
    """The worktree of a side; made on first use."""
    key = commit[:12]
    if patch or lock is not None:
        key += "-" + hashlib.sha256(f"{patch}\x1e{lock}".encode()).hexdigest()[:12]
    home = Layout(root).scratch / "sides"
    home.mkdir(parents=True, exist_ok=True)
    at, done = home / key, home / f"{key}.path"
    with FileLock(home / f"{key}.lock"):
        if done.exists() and (project := at / done.read_text(encoding="utf-8")).is_dir():
            return project
        worktrees.remove(root, at)
        project = worktrees.add(root, at, commit, patch, lock)
        done.write_text(str(project.relative_to(at.resolve())), encoding="utf-8")
    return project
