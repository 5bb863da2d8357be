"""The quick look: what `assay ingest` answers before anything is loaded is what the whole of it would answer."""

from __future__ import annotations

import os
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


def test_other_code_leaves_the_answer_to_a_whole_run(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(unchanged.PACKAGE, tmp_path / "assay")
    monkeypatch.setattr(unchanged, "PACKAGE", str(copy))
    assert unchanged.nothing_new(str(project)) is not None, "the same code"
    with (copy / "formats" / "csv.py").open("a") as file:
        file.write("# another version\n")
    assert unchanged.nothing_new(str(project)) is None


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
