"""Imports point one way; heavy things stay off the quick paths; dvc.yaml sees every change of code."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from assay.cli import STAGES
from assay.lineage.closure import stage_closure
from assay.params import load_params

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "assay"
FILES = sorted(PACKAGE.rglob("*.py"))
PLUGINS = ("annotators", "checks", "encoders", "formats", "gates", "models", "strategies", "tasks")
DATA_MAY = {"numpy", "pyarrow", "pydantic", "PIL", "simplejpeg", "filelock", "assay"} | set(
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


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("stages", ("assay.stages", "assay.commands", "assay.cli", "mlflow", "prefect", "dvc")),
        ("data", tuple(f"assay.{p}" for p in (*PLUGINS, "stages", "lineage", "tracking", "commands", "cli", "params"))),
        ("lineage", ("assay.stages", "assay.commands", "assay.cli", "mlflow", "prefect", "torch")),
        *((kind, ("assay.stages", "assay.commands", "assay.cli", "assay.lineage", "mlflow")) for kind in PLUGINS),
    ],
)  # fmt: skip
def test_imports_point_one_way(folder, forbidden):
    assert offenders(folder, forbidden) == []


def test_the_data_layer_stands_on_little():
    outside = {
        (str(file.relative_to(ROOT)), name)
        for file in FILES
        if file.is_relative_to(PACKAGE / "data")
        for name in imported(file)
        if name.split(".")[0] not in DATA_MAY
    }
    assert outside == set()


def test_mlflow_and_prefect_have_one_home_each():
    homes = {
        tool: {str(f.relative_to(ROOT)) for f in FILES if any(n.split(".")[0] == tool for n in imported(f))}
        for tool in ("mlflow", "prefect")
    }
    assert all(name.startswith("src/assay/tracking") for name in homes["mlflow"])
    assert homes["prefect"] == set()


def test_the_planted_truth_is_read_by_the_oracle_alone():
    readers = {f.relative_to(PACKAGE).as_posix() for f in FILES if '"truth"' in f.read_text()}
    assert readers <= {"data/pool.py", "intake.py", "annotators/oracle.py"}


@pytest.mark.parametrize("line", ["--help", "status --help", "diff --help", "train --help", "--version"])
def test_quick_paths_import_nothing_heavy(line):
    program = (
        "import sys; from assay.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch','mlflow','prefect','pandas','dvc','sklearn','matplotlib') if m in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", program, *line.split()], text=True)
    assert out.splitlines()[-1] == "[]"


def test_status_waits_for_no_numbers_where_there_are_none(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    program = (
        "import sys; from assay.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'pyarrow', 'pandas') if m in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", program, "status"], text=True, cwd=tmp_path)
    assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("stage", STAGES)
def test_the_deps_of_a_stage_cover_what_it_imports(stage):
    definition = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    params = load_params(ROOT / "params.yaml")
    named = {dep.replace("${", "{") for dep in definition["deps"]}
    filled = {
        dep.format(task=params.task, select=params.select, embed=params.embed, train=params.train)
        for dep in named
    }
    code = {
        file.relative_to(ROOT).as_posix() for file in stage_closure(stage, params) if file.read_text().strip()
    }
    missing = {
        file for file in code if not any(file == d or file.startswith(d.rstrip("/") + "/") for d in filled)
    }
    assert missing == set()


def test_the_stages_of_dvc_yaml_are_the_commands_and_the_modules_and_the_params():
    stages = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert stages == list(STAGES)
    assert sorted(stages) == sorted(f.stem for f in (PACKAGE / "stages").glob("[!_]*.py"))
    assert set(stages) <= set(yaml.safe_load((ROOT / "params.yaml").read_text()))


def test_no_module_grows_beyond_what_can_be_read():
    long = {str(f.relative_to(ROOT)): n for f in FILES if (n := len(f.read_text().splitlines())) > 350}
    assert long == {}
