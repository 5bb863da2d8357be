"""The quick look: what `assay ingest` answers before anything is loaded is what the whole of it would answer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from assay.intake import unchanged
from assay.layout import Layout
from assay.params import load_params
from assay.progress import silent
from assay.stages import ingest

SOURCE = {"name": "raw", "format": "imagefolder", "path": "raw"}


def settle(root: Path) -> dict:
    """One whole run of ingest, by the params.yaml of a project."""
    return ingest.run(load_params(root / "params.yaml"), Layout(root), silent)


@pytest.fixture
def project(tmp_path: Path, images: list[bytes]) -> Path:
    for n, data in enumerate(images):
        folder = tmp_path / "raw" / ("odd" if n % 2 else "even")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{n:02d}.png").write_bytes(data)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"ingest": {"sources": [SOURCE]}}))
    settle(tmp_path)
    return tmp_path


def test_it_answers_what_a_whole_run_does(project: Path) -> None:
    assert unchanged.nothing_new(str(project)) == settle(project)


def add_an_image(root: Path) -> None:
    shutil.copy(root / "raw" / "odd" / "01.png", root / "raw" / "even" / "again.png")


def touch_an_image(root: Path) -> None:
    os.utime(root / "raw" / "odd" / "01.png", ns=(0, 1))


def change_a_param(root: Path) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump({"ingest": {"sources": [SOURCE], "max_pixels": 10}}))


def lose_the_pool(root: Path) -> None:
    shutil.rmtree(root / "data" / "pool")


def lose_the_notes(root: Path) -> None:
    shutil.rmtree(root / ".assay")


CHANGES = [add_an_image, touch_an_image, change_a_param, lose_the_pool, lose_the_notes]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_it_leaves_the_answer_to_a_whole_run(
    project: Path, change: Callable[[Path], None]
) -> None:
    change(project)
    assert unchanged.nothing_new(str(project)) is None


def test_a_param_of_another_stage_takes_one_whole_run_which_reads_no_image(project: Path) -> None:
    watched = (project / unchanged.WATCHED).stat()
    with (project / "params.yaml").open("a") as file:
        file.write("train: {lr: 0.5}\n")
    assert unchanged.nothing_new(str(project)) is None
    settle(project)
    assert unchanged.nothing_new(str(project)) is not None
    assert (project / unchanged.WATCHED).stat().st_ino == watched.st_ino, "nothing was looked at anew"


@pytest.fixture
def holding_its_own(project: Path) -> Path:
    """A project that holds the sources of assay, as a clone of the repository does; ingest was run."""
    shutil.copytree(
        unchanged.PACKAGE, project / "src" / "assay", ignore=shutil.ignore_patterns("__pycache__")
    )
    settle(project)
    return project


def note(root: Path, stage: str) -> str:
    return (root / unchanged.CODE / stage).read_text()


def test_other_code_leaves_the_answer_to_a_whole_run(holding_its_own: Path) -> None:
    root = holding_its_own
    assert unchanged.nothing_new(str(root)) is not None, "the same code"
    before = {stage: note(root, stage) for stage in ("ingest", "train")}
    with (root / "src/assay/formats/imagefolder.py").open("a") as file:
        file.write("# another version\n")
    assert unchanged.nothing_new(str(root)) is None
    settle(root)
    assert note(root, "ingest") != before["ingest"]
    assert note(root, "train") == before["train"], "it runs none of what has changed"
    assert unchanged.nothing_new(str(root)) is not None


def test_a_version_alone_is_noted_and_changes_no_stage(holding_its_own: Path) -> None:
    root = holding_its_own
    before = {stage: note(root, stage) for stage in ("ingest", "train", "evaluate")}
    facade = root / "src/assay/__init__.py"
    facade.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0"', facade.read_text()))
    settle(root)
    assert note(root, "assay") == "99.0\n"
    assert {stage: note(root, stage) for stage in before} == before


@pytest.mark.parametrize("name", ["train", "assay"])
def test_code_notes_that_are_of_another_time_or_gone_are_written_again(project: Path, name: str) -> None:
    right = note(project, name)
    (project / unchanged.CODE / name).write_text("as an older commit had it\n")
    assert unchanged.nothing_new(str(project)) is None
    settle(project)
    assert note(project, name) == right
    (project / unchanged.CODE / name).unlink()
    settle(project)
    assert note(project, name) == right


def test_another_model_is_other_code_of_the_stages_that_run_it(project: Path) -> None:
    before = {stage: note(project, stage) for stage in ("curate", "train")}
    with (project / "params.yaml").open("a") as file:
        file.write("train: {model: probe}\n")
    settle(project)
    assert note(project, "curate") == before["curate"]
    assert "models/probe.py" in note(project, "train")
    assert "models/cnn.py" not in note(project, "train")


def test_params_that_are_not_those_of_the_file_are_not_taken_for_them(project: Path) -> None:
    change_a_param(project)
    other = load_params(project / "params.yaml").model_copy(update={"seed": 5})
    ingest.run(other.model_copy(update={"ingest": other.ingest.model_copy(update={"max_pixels": 999})}),
               Layout(project), silent)  # fmt: skip
    assert unchanged.nothing_new(str(project)) is None


def test_the_command_says_the_same_either_way_and_loads_nothing_for_it(project: Path) -> None:
    program = (
        "import sys; from assay.__main__ import main; main();"
        "print([m for m in ('typer', 'pydantic', 'yaml', 'rich', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    quick = subprocess.check_output([sys.executable, "-c", program, "ingest"], cwd=project, text=True)
    assert quick.splitlines()[-1] == "[]"
    (project / unchanged.KEY).unlink()
    whole = subprocess.check_output([sys.executable, "-m", "assay", "ingest"], cwd=project, text=True)
    assert quick.splitlines()[:-1] == whole.splitlines()
