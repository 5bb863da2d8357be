"""Another version of assay beside the installed one: its wheel alone, unpacked below .assay/versions.

pip gets the wheel from where the user's configuration says: an index, or a folder in PIP_FIND_LINKS. Other versions run
with the packages that are installed here, hence the caller checks their files against the digests on record.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from assay.layout import Layout
from assay.lineage.process import environment

NAME = "assay"


def package(version: str, layout: Layout) -> Path | None:
    """The folder `assay` of a version, unpacked once; None if pip finds no wheel of it."""
    home = layout.scratch.resolve() / "versions"
    home.mkdir(parents=True, exist_ok=True)
    at = home / version
    with FileLock(home / f"{version}.lock"):
        if not (at / NAME).is_dir() and not _unpack(version, at):
            return None
    return at / NAME


def _unpack(version: str, at: Path) -> bool:
    aside = at.with_suffix(f"{at.suffix}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    wanted = ["--no-deps", "--only-binary", ":all:", "--target", str(aside), f"{NAME}=={version}"]
    found = any(_runs([*installer, "install", "--quiet", *wanted]) for installer in _installers())
    if found and (aside / NAME / "__init__.py").is_file():
        aside.rename(at)
        return True
    shutil.rmtree(aside, ignore_errors=True)
    return False


def _installers() -> list[list[str]]:
    """Pip of this environment; uv where the environment has no pip."""
    uv = shutil.which("uv")
    return [[sys.executable, "-m", "pip"], *([[uv, "pip"]] if uv else [])]


def _runs(command: list[str]) -> bool:
    done = subprocess.run(command, env=environment(), capture_output=True, check=False)
    return done.returncode == 0
