"""Imports point one way; heavy things stay off the quick paths; dvc.yaml sees every change of code."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from assay.commands.cli import STAGES
from assay.lineage import manifests

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "assay"
FILES = sorted(PACKAGE.rglob("*.py"))
PLUGINS = ("annotators", "checks", "encoders", "formats", "gates", "models", "strategies", "tasks")
DATA_MAY = {"numpy", "pyarrow", "pydantic", "pycocotools", "PIL", "simplejpeg", "filelock", "assay"} | set(
    sys.stdlib_module_names
)


def imported(file: Path) -> set[str]:
    """Full names of the modules a file imports anywhere, those for type checking only left out."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                found.update({child.module} | {f"{child.module}.{alias.name}" for alias in child.names})
            walk(child)

    walk(ast.parse(file.read_text()))
    return found


def offenders(folder: str, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in FILES
        if file.is_relative_to(PACKAGE / folder)
        for name in imported(file)
        if name.startswith(forbidden)
    ]


STUDIES = ("advice", "attribution", "comparison", "effort", "race", "reproduction", "simulation")
WEB = tuple(
    f"web.{file.stem}" for file in (PACKAGE / "web").glob("*.py") if file.stem not in ("signed", "__init__")
)
"""The server of pages. URLs are signed without it: annotators import `web.signed`."""
ABOVE = ("stages", "experiments", "rounds", "commands", *WEB)
"""What drives the stages, and the stages: nothing below imports them."""
ANNOTATED = ("annotations", "masks", "outlines", "runs")
"""What an annotation is: all of `data` that metrics know."""
MAY_NOT = {
    "metrics": (
        *(f.stem for f in PACKAGE.iterdir() if f.stem not in ("metrics", "errors", "data")),
        *(f"data.{f.stem}" for f in (PACKAGE / "data").iterdir() if f.stem not in ANNOTATED),
    ),
    "data": (*PLUGINS, "params", "agreement", "intake", "training", "labels", "lineage", "tracking", "reports", *ABOVE),
    "params": (*PLUGINS, "intake", "training", "labels", "lineage", "tracking", "reports", *ABOVE),
    "intake": ("training", "labels", "tracking", "reports", *ABOVE),
    "training": ("labels", "lineage", "tracking", "reports", *ABOVE),
    "labels": ("agreement", "lineage", "tracking", *ABOVE),
    "agreement": ("lineage", "tracking", "reports", *ABOVE),
    "lineage": ("tracking", "reports", "labels", "training", *ABOVE),
    "reports": ("lineage", "tracking", *ABOVE),
    "tracking": ABOVE,
    "stages": ("tracking", *ABOVE),
    "experiments": ("rounds", "commands"),
    "rounds": ("commands",),
    "contracts": ("lineage", "tracking", *ABOVE),
    "web": ("rounds", "tracking"),
    **dict.fromkeys(PLUGINS, ("lineage", "tracking", *ABOVE)),
}  # fmt: skip
"""What a room may not import. `stages` means that no stage imports another one; `track` alone imports tracking."""


def test_every_room_has_its_rule():
    rooms = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()}
    assert rooms - {"commands"} == set(MAY_NOT)


@pytest.mark.parametrize("room", MAY_NOT)
def test_imports_point_one_way(room):
    forbidden = tuple(f"assay.{name}" for name in MAY_NOT[room])
    found = offenders(room, forbidden)
    assert [
        one for one in found if not one.startswith("src/assay/stages/track.py imports assay.tracking")
    ] == []


@pytest.mark.parametrize("study", STUDIES)
def test_no_study_stands_on_another(study):
    others = tuple(f"assay.experiments.{name}" for name in STUDIES if name != study)
    assert offenders(f"experiments/{study}", others) == []


def test_what_studies_share_imports_no_study():
    studies = tuple(f"assay.experiments.{name}" for name in STUDIES)
    found = offenders("experiments", studies)
    assert [one for one in found if one.split()[0].count("/") == 3] == []


def test_the_data_layer_stands_on_little():
    outside = {
        (str(file.relative_to(ROOT)), name)
        for file in FILES
        if file.is_relative_to(PACKAGE / "data")
        for name in imported(file)
        if name.split(".")[0] not in DATA_MAY
    }
    assert outside == set()


def test_mlflow_fastapi_and_prefect_have_one_home_each():
    homes = {
        tool: {str(f.relative_to(ROOT)) for f in FILES if any(n.split(".")[0] == tool for n in imported(f))}
        for tool in ("mlflow", "fastapi", "prefect")
    }
    assert all(name.startswith("src/assay/tracking") for name in homes["mlflow"])
    assert all(name.startswith("src/assay/web") for name in homes["fastapi"])
    assert homes["prefect"] == set()


def test_the_planted_truth_is_read_by_the_oracle_alone():
    readers = {f.relative_to(PACKAGE).as_posix() for f in FILES if '"truth"' in f.read_text()}
    assert readers <= {"data/pool.py", "intake/ingest.py", "annotators/oracle.py"}


@pytest.mark.parametrize("line", ["--help", "status --help", "diff --help", "train --help", "--version"])
def test_quick_paths_import_nothing_heavy(line):
    program = (
        "import sys; from assay.commands.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch','mlflow','prefect','pandas','dvc','sklearn','matplotlib') if m in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", program, *line.split()], text=True)
    assert out.splitlines()[-1] == "[]"


def test_status_waits_for_no_numbers_where_there_are_none(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    program = (
        "import sys; from assay.commands.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'pyarrow', 'pandas') if m in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", program, "status"], text=True, cwd=tmp_path)
    assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "ingest"])
def test_a_stage_depends_on_its_code(stage):
    definition = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    assert f"{manifests.FOLDER}/{stage}" in definition["deps"]


def test_the_stages_of_dvc_yaml_are_the_commands_and_the_modules_and_the_params():
    stages = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert stages == list(STAGES)
    assert sorted(stages) == sorted(f.stem for f in (PACKAGE / "stages").glob("[!_]*.py"))
    assert set(stages) <= set(yaml.safe_load((ROOT / "params.yaml").read_text()))


def test_no_module_grows_beyond_what_can_be_read():
    long = {str(f.relative_to(ROOT)): n for f in FILES if (n := len(f.read_text().splitlines())) > 350}
    assert long == {}
