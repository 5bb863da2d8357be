"""A repository of git and DVC on disk, for tests: files in, commits and stages by the real tools.

`git init` and `dvc init` run once a process, as DVC takes a second to start; each test gets a copy.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from assay.lineage.revisions import run_dvc

AUTHOR = {"user.name": "Ada", "user.email": "ada@localhost", "commit.gpgsign": "false"}


@dataclass(frozen=True)
class Repository:
    """`root` on branch main, by author Ada."""

    root: Path

    @classmethod
    def begin(cls, root: Path, files: Mapping[str, str] = {}, dvc: bool = True) -> Repository:
        """An empty repository in `root`, with `files` written and nothing committed. `dvc`: with DVC in it."""
        shutil.copytree(_template(dvc), root, dirs_exist_ok=True)
        made = cls(root)
        made.write(files)
        return made

    def copy(self, to: Path) -> Repository:
        return Repository(shutil.copytree(self.root, to))

    def write(self, files: Mapping[str, str]) -> None:
        """{path relative to the root: text}."""
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def git(self, *args: str) -> str:
        """What git prints, stripped. CalledProcessError if it fails."""
        return subprocess.run(
            ["git", *args], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def dvc(self, *args: str) -> list[str]:
        """The lines that DVC prints. DvcError if it fails."""
        return run_dvc(list(args), self.root)

    def commit(self, message: str, files: Mapping[str, str] = {}) -> str:
        """Write `files`, commit all there is; the commit's id."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")


@cache
def _template(dvc: bool) -> Path:
    root = Path(mkdtemp(prefix="assay-repository-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    made = Repository(root)
    made.git("init", "-qb", "main")
    for key, value in AUTHOR.items():
        made.git("config", key, value)
    if dvc:
        made.dvc("init", "-q")
    return root
