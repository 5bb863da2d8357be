"""Worktrees of other versions of the project, with the same DVC cache and remotes."""

from __future__ import annotations

import configparser
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from assay.data.files import is_alive
from assay.errors import RevisionError
from assay.layout import Layout
from assay.lineage.process import run_git

LINKS = "reflink,hardlink,symlink,copy"
"""Outputs are linked to the cache, not copied, so that a worktree needs no space for a large pool."""
LOCAL_PATHS = ("url", "dir", "keyfile", "credentialpath", "gdrive_service_account_json_file_path")
"""Options of DVC's config that may be paths relative to the config's folder."""


def add(root: Path, at: Path, commit: str, patch: str = "", lock: str | None = None) -> Path:
    """Create a worktree of `commit` at `at`, with `patch` applied and `lock` as its dvc.lock (None: the committed one).

    Returns the folder of the project in it, which is not `at` if the project is a subfolder of its repository. Outputs
    under DVC are fetched by `dvc checkout`. RevisionError if the commit is missing or the patch does not apply.
    """
    at = at.resolve()
    at.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_scratch(root) / "worktrees.lock"):  # git does not support two at once
        run_git(["worktree", "prune"], root)
        done = run_git(["worktree", "add", "--quiet", "--detach", "--force", str(at), commit], root)
    if done.returncode:
        raise RevisionError(
            f"no worktree of {commit[:10]} can be made: {_last(done.stderr)}",
            hint="if history was rewritten, the commit is gone: `git fetch`, or look in `git reflog`",
        )
    try:
        project = at / run_git(["rev-parse", "--show-prefix"], root).stdout.strip()
        _apply(patch, project)
        if lock is not None:
            (project / "dvc.lock").write_text(lock, encoding="utf-8")
        _share_cache(root, project)
    except BaseException:
        remove(root, at)
        raise
    return project


def remove(root: Path, at: Path) -> None:
    """Remove a worktree and git's record of it, if it exists."""
    with FileLock(_scratch(root) / "worktrees.lock"):
        run_git(["worktree", "remove", "--force", str(at.resolve())], root)
        shutil.rmtree(at, ignore_errors=True)
        run_git(["worktree", "prune"], root)


@contextmanager
def temporary(root: Path, commit: str, patch: str = "", lock: str | None = None) -> Iterator[Path]:
    """Context with the folder of the project in a worktree, removed at its end. See `add`."""
    home = _scratch(root) / "worktrees"
    home.mkdir(exist_ok=True)
    for left in home.iterdir():
        if not _is_at_work(left.name):
            remove(root, left)
    at = Path(tempfile.mkdtemp(dir=home, prefix=f"{os.getpid()}-"))
    try:
        yield add(root, at, commit, patch, lock)
    finally:
        remove(root, at)


def environment_for(project: Path, package: Path | None = None) -> dict[str, str]:
    """Environment of a command in a worktree, which writes no live curves to MLflow.

    It runs the worktree's sources of assay; else, if given, the `package` of another version.
    """
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = [str((project / "src").resolve())] if (project / "src").is_dir() else []
    own += [str(package.parent)] if package else []
    return {"PYTHONPATH": os.pathsep.join([*own, *others]), "ASSAY_LIVE_CURVES": "0"}


def _is_at_work(name: str) -> bool:
    """Whether the process that made a temporary worktree is alive."""
    pid = name.split("-")[0]
    return pid.isdecimal() and is_alive(int(pid))


def _apply(patch: str, project: Path) -> None:
    if not patch:
        return
    file = project / ".assay.patch.tmp"
    file.write_text(patch, encoding="utf-8")
    try:
        done = run_git(["apply", "--whitespace=nowarn", file.name], project)
    finally:
        file.unlink()
    if done.returncode:
        raise RevisionError(
            f"the recorded changes do not apply to their commit: {_last(done.stderr)}",
            hint="a patch of over a million characters is cut when it is recorded; commit before `dvc repro`",
        )


def _share_cache(root: Path, project: Path) -> None:
    """Write DVC's local configuration of a worktree: that of `root` with absolute paths, and the cache of `root`."""
    config = configparser.ConfigParser(interpolation=None)
    home = root.resolve() / ".dvc"
    config.read([home / "config", home / "config.local"], encoding="utf-8")
    for section in config.sections():
        for key in LOCAL_PATHS:
            if (path := config[section].get(key)) and "://" not in path:
                config[section][key] = str((home / path).resolve())
    if not config.has_section("cache"):
        config.add_section("cache")
    config["cache"].setdefault("dir", str(home / "cache"))
    config["cache"]["type"] = LINKS
    (project / ".dvc").mkdir(exist_ok=True)
    with (project / ".dvc" / "config.local").open("w", encoding="utf-8") as file:
        config.write(file)


def _scratch(root: Path) -> Path:
    scratch = Layout(root).scratch
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


def _last(text: str) -> str:
    return (
        (text.strip().splitlines() or ["it said nothing"])[-1].removeprefix("fatal: ").removeprefix("error: ")
    )
