"""Start-up time of the command line, and a check that it imports no heavy library."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.clock import Failed, in_turn, medians, run
from benchmarks.figures import Figure
from benchmarks.project import new_project
from benchmarks.subjects import Measured, Setting

HEAVY = ("torch", "mlflow", "prefect")
DEMO = {"name": "digits", "format": "demo"}
LIMITS = {"assay --help": 0.4, "assay status": 1.0}
PROGRAM = """
import sys
from assay.commands.cli import main
try:
    main()
except SystemExit as end:
    if end.code:
        raise
loaded = [name for name in {heavy} if name in sys.modules]
sys.exit(f"loaded on the way: {{loaded}}" if loaded else 0)
"""


def measure(setting: Setting) -> Measured:
    """Before any stage has run; `repro` measures `assay status` of a pipeline that has run."""
    project = new_project(setting.folder / "project", [DEMO | {"options": {"images": setting.images(5000)}}])
    for line in LIMITS:
        assert_light(project, line)
    return figures(project, setting.repeats(7)), {}


def figures(project: Path, repeats: int) -> list[Figure]:
    """Medians of each command, with that of `python -c pass`."""
    lines = {"python -c pass": [sys.executable, "-c", "pass"], **{line: line.split() for line in LIMITS}}
    works = {name: lambda command=command: run(command, project) for name, command in lines.items()}
    middle = medians(in_turn(works, repeats))
    bare = {"python -c pass": middle["python -c pass"]}
    return [Figure(f"`{line}`", middle[line], "at most", limit, "s", bare) for line, limit in LIMITS.items()]


def assert_light(project: Path, line: str) -> None:
    """Failed if a command imports a library that only stages need."""
    try:
        run([sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *line.split()[1:]], project)
    except Failed as error:
        raise Failed(f"`{line}` is not light: {error}") from None
