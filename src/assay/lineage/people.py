"""Name of the user."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path


def whoami(root: Path) -> str:
    """The user.name of git; without one the login name."""
    try:
        done = subprocess.run(
            ["git", "config", "user.name"], cwd=root, capture_output=True, text=True, check=False
        )
        name = done.stdout.strip()
    except OSError:
        name = ""
    return name or _login()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "somebody"
