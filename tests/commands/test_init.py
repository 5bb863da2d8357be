"""What `assay init` writes agrees with this repository, which is a project too."""

from __future__ import annotations

from pathlib import Path

from assay.commands.init import IGNORED

ROOT = Path(__file__).parents[2]


def test_a_project_ignores_what_this_repository_ignores_of_a_project():
    lines = {line for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/")}
    of_the_site = {"/site", *(line for line in lines if line.startswith("/docs/"))}
    assert lines - of_the_site - {"/raw"} <= set(IGNORED[".gitignore"])
