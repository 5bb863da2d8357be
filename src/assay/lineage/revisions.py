"""Revisions: content of git and DVC, by subprocesses."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from assay.errors import NotKept, RevisionError, UnknownRevision
from assay.layout import Layout
from assay.lineage import mending
from assay.lineage.process import run_git, run_streaming
from assay.params.yamlfile import read_yaml

PATCH_LIMIT = 1_000_000
"""Most characters of a patch that are kept."""
TEXT = (
    ".cfg",
    ".csv",
    ".dvc",
    ".ini",
    ".ipynb",
    ".json",
    ".jsonl",
    ".md",
    ".py",
    ".sh",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
)
"""Untracked files of these kinds are part of a patch."""


class DvcError(RevisionError):
    """A dvc command that failed, with all its lines and the exit code of the stage's command."""

    def __init__(self, message: str, lines: list[str], hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.lines = lines
        found = [re.search(r"exited with (-?\d+)", line) for line in lines]
        self.status = next((int(match[1]) for match in reversed(found) if match), None)


@dataclass(frozen=True)
class Patch:
    """Difference of a workspace to its commit. `text` is input for `git apply`, unless it was cut."""

    text: str
    untracked: tuple[str, ...] = ()
    """Untracked files that git does not ignore: text files are in the patch, others are named only."""
    cut: bool = False

    def __bool__(self) -> bool:
        return bool(self.text or self.untracked)


def run_dvc(
    args: Sequence[str],
    root: Path,
    on_line: Callable[[str], None] | None = None,
    env: Mapping[str, str] | None = None,
) -> list[str]:
    """Run `dvc …` in `root`, pass each line of its output to `on_line`, and return all lines.

    DvcError if it fails. Waits while another command has DVC's lock. Cancelling ends the stage too. Files of DVC that a
    kill or a full disk has damaged are repaired first, with a line to `on_line`.
    """
    for line in mending.mend(root):
        if on_line:
            on_line(line)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *args]
    status, lines = run_streaming(command, root, on_line, env)
    if status:
        raise DvcError(_dvc_words(args, lines), lines, mending.hint(lines))
    return lines


def dvc_add(path: Path, root: Path) -> None:
    """Put a file or folder of `root` under DVC; its `.dvc` file belongs in git."""
    run_dvc(["add", "--quiet", str(path)], root)


def stages(root: Path) -> list[str]:
    """The stages of dvc.yaml in topological order, otherwise in the order written."""
    declared: dict[str, Any] = _yaml(root / "dvc.yaml").get("stages") or {}
    reads = {name: _paths(stage.get("deps")) for name, stage in declared.items()}
    writes = {
        name: [p for key in ("outs", "metrics", "plots") for p in _paths(stage.get(key))]
        for name, stage in declared.items()
    }
    before = {
        name: {other for other in declared if other != name and _meet(writes[other], reads[name])}
        for name in declared
    }
    order: list[str] = []
    while waiting := [name for name in declared if name not in order]:
        ready = [name for name in waiting if before[name] <= set(order)]
        if not ready:
            raise RevisionError(f"the stages of {root / 'dvc.yaml'} form a cycle: {', '.join(waiting)}")
        order.append(ready[0])
    return order


def git_commit(root: Path) -> str | None:
    """The commit of a workspace; None outside git, or before the first commit."""
    done = run_git(["rev-parse", "--verify", "--quiet", "HEAD"], root)
    return done.stdout.strip() or None if done.returncode == 0 else None


def git_dirty_patch(root: Path, limit: int = PATCH_LIMIT) -> Patch:
    """Staged, unstaged and untracked changes as one patch, without dvc.lock, which is a result."""
    if git_commit(root) is None:
        return Patch("")
    listed = run_git(["ls-files", "--others", "--exclude-standard", "-z"], root).stdout
    untracked = tuple(sorted(name for name in listed.split("\0") if name))
    small = [name for name in untracked if _is_text(root / name, limit)]
    text = _diff_with(small, root)
    if len(text) <= limit:
        return Patch(text, untracked)
    note = f"\n# cut by assay at {limit:,} of {len(text):,} characters: this patch cannot be applied\n"
    return Patch(text[:limit] + note, untracked, cut=True)


def resolve(rev: str, root: Path) -> str:
    """The full commit id of a revision. UnknownRevision if there is none of that name."""
    done = run_git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"], root)
    if done.returncode:
        raise UnknownRevision(
            f"{rev!r} is not a revision of {root.resolve()}",
            hint="valid: a commit, a branch, a tag, HEAD~1 … (see `git log --oneline`)",
        )
    return done.stdout.strip()


def read_at(rev: str, path: str, root: Path) -> str:
    """The text of a file in git at a revision. RevisionError if it did not exist there."""
    commit = resolve(rev, root)
    done = run_git(["show", f"{commit}:./{path}"], root)
    if done.returncode:
        raise RevisionError(f"{path} is not in git at {rev} ({commit[:10]})")
    return done.stdout


def checkout_dir(rev: str, path: str, root: Path) -> Path:
    """A folder under DVC at a revision, fetched to the scratch folder once for each content.

    RevisionError: unknown revision; no stage wrote the folder there. NotKept: its content is in no cache or remote.
    """
    commit = resolve(rev, root)
    home = Layout(root).scratch / "revisions"
    target = home / _content(commit, rev, path, root)
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.exists():
            _get(commit, path, target, root)
    return target


def remember(rev: str, path: str, root: Path) -> None:
    """Copy a folder of the workspace, just committed as `rev`, to where `checkout_dir` finds it without DVC."""
    commit = resolve(rev, root)
    target = Layout(root).scratch / "revisions" / _content(commit, rev, path, root)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.exists():
            aside = target.with_name(f"{target.name}.tmp")
            shutil.rmtree(aside, ignore_errors=True)
            copy = shutil.copytree if (root / path).is_dir() else shutil.copyfile
            copy(root / path, aside)
            aside.replace(target)


def _get(commit: str, path: str, target: Path, root: Path) -> None:
    aside = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        run_dvc(["get", "--quiet", ".", path, "--rev", commit, "--out", str(aside.resolve())], root)
        aside.replace(target)
    except DvcError as error:
        raise NotKept(
            f"{path} of {commit[:10]} is in neither the DVC cache nor a remote: {_last(error.lines)}",
            hint=f"where it was made: `dvc push`; here: `dvc remote list`, or `git checkout {commit[:10]}` "
            "and `dvc repro` to make it again",
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _content(commit: str, rev: str, path: str, root: Path) -> str:
    """The hash of a path that DVC recorded at a commit, from dvc.lock or from its `.dvc` file."""
    lock = _yaml_at(commit, "dvc.lock", root)
    outs = [out for stage in (lock.get("stages") or {}).values() for out in stage.get("outs") or []]
    outs += [{**out, "path": path} for out in _yaml_at(commit, f"{path}.dvc", root).get("outs") or []]
    for out in outs:
        if out["path"] == path and "md5" in out:
            return str(out["md5"]).removesuffix(".dir")
    raise RevisionError(
        f"no stage had written {path} at {rev} ({commit[:10]}): dvc.lock does not name it",
        hint="choose a revision whose dvc.lock was committed after `dvc repro`",
    )


def _yaml_at(commit: str, path: str, root: Path) -> dict[str, Any]:
    """The mapping in a YAML file at a commit; empty without the file."""
    done = run_git(["show", f"{commit}:./{path}"], root)
    return (yaml.safe_load(done.stdout) or {}) if done.returncode == 0 else {}


def _yaml(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise RevisionError(f"{path} is not there", hint="run this in a project's root, where dvc.yaml is")
    return read_yaml(path, RevisionError)


def _paths(entries: list[str | dict[str, Any]] | None) -> list[str]:
    """The paths of deps or outs, which are paths or {path: options}."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries or []]


def _meet(written: list[str], read: list[str]) -> bool:
    """Whether a path of one list equals, contains or is inside a path of the other."""
    pairs = [(Path(w), Path(r)) for w in written for r in read]
    return any(w == r or w in r.parents or r in w.parents for w, r in pairs)


def _is_text(file: Path, limit: int) -> bool:
    return file.suffix in TEXT and file.is_file() and file.stat().st_size <= limit


def _diff_with(untracked: list[str], root: Path) -> str:
    """`git diff HEAD` with the untracked files added, by a temporary index."""
    index = Path(run_git(["rev-parse", "--git-path", "index"], root).stdout.strip())
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "index"
        if (original := root / index).exists():
            shutil.copyfile(original, copy)
        if untracked:
            run_git(["add", "--intent-to-add", "--", *untracked], root, GIT_INDEX_FILE=str(copy))
        args = ["diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--", ".", ":(exclude)dvc.lock"]
        return run_git(args, root, GIT_INDEX_FILE=str(copy)).stdout


def _last(lines: list[str]) -> str:
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("ERROR: ")


def _dvc_words(args: Sequence[str], lines: list[str]) -> str:
    """The failed command with the last lines of the stage's own output."""
    said = [line for line in lines if not line.startswith(("ERROR", "Running stage", "> "))]
    return "\n".join([f"`dvc {' '.join(args)}` failed: {_last(lines)}", *said[-5:]])
