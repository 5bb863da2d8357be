"""Params, code and environment of two sides: real packages, real commits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from assay.experiments.comparison.factors import (
    acts_through,
    code_part,
    environment_part,
    params_part,
    pinned,
)
from assay.experiments.sides import Side
from assay.lineage.commits import commits_between
from assay.plugins import PACKAGE
from tests.project import Repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the sources of assay in it, committed."""
    root = tmp_path / "project"
    shutil.copytree(PACKAGE, root / "src" / "assay", ignore=shutil.ignore_patterns("__pycache__"))
    stages = {name: {"cmd": f"assay {name}"} for name in ("select", "train", "evaluate")}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (root / "params.yaml").write_text("ingest: {sources: [{name: s, format: csv, path: x}]}\n")
    (root / "requirements.lock").write_text(
        "numpy==2.0 \\\n    --hash=sha256:00\ntorch==2.1 ; x\ntorch==2.2 ; y\n"
    )
    Repository.begin(root, dvc=False).commit("first")
    return root


def side(root: Path, at: Path | None = None, patch: str = "") -> Side:
    """The project as it is now; with `at`, a copy of it that stays as it is."""
    head = Repository(root).git("rev-parse", "HEAD")
    if at is not None:
        shutil.copytree(root, at, ignore=shutil.ignore_patterns(".git"))
    return Side("x", "workspace", at or root, head, patch)


def test_a_change_of_code_names_the_stages_the_files_and_the_commits(root, tmp_path):
    a = side(root, tmp_path / "a")
    with (root / "src/assay/training/augmentation.py").open("a") as file:
        file.write("# another augmentation\n")
    changed = Repository(root).commit("Another augmentation")
    (root / "README.md").write_text("no stage runs this")
    Repository(root).commit("Words")
    with (root / "src/assay/metrics/classification.py").open("a") as file:
        file.write("# not committed\n")
    b = side(root, patch=Repository(root).git("diff", "HEAD"))
    found = code_part(a, b)
    files = {row["stage"]: [file["file"] for file in row["files"]] for row in found["stages"]}
    assert files["train"] == ["src/assay/training/augmentation.py"]
    assert files["evaluate"] == ["src/assay/metrics/classification.py", "src/assay/training/augmentation.py"]
    (row,) = found["commits"]
    assert (row["id"], row["by"], row["subject"], row["only_in"]) == (
        changed,
        "Ada",
        "Another augmentation",
        "b",
    )
    assert row["files"] == ("src/assay/training/augmentation.py",)
    assert found["uncommitted"] == {"a": [], "b": ["src/assay/metrics/classification.py"]}
    back = commits_between(b.commit, a.commit, ["src/assay/training/augmentation.py"], root)
    assert [(one.id, one.only_in) for one in back] == [(changed, "a")]


def test_an_option_of_a_source_is_a_param_of_its_own(root, tmp_path):
    text = (
        "ingest: {{sources: [{{name: nuclei, format: masks, path: {path}, options: {{masks: {masks}}}}}]}}\n"
    )
    path = "raw/" + "a long path/" * 8
    (root / "params.yaml").write_text(text.format(path=path, masks="before"))
    a = side(root, tmp_path / "a")
    (root / "params.yaml").write_text(text.format(path=path, masks="after"))
    (row,) = params_part(a, side(root))["differ"]
    assert row == {"key": "ingest.sources.nuclei.options.masks", "part": "data", "a": "before", "b": "after"}


def test_another_model_is_no_change_of_code(root, tmp_path):
    a = side(root, tmp_path / "a")
    (root / "params.yaml").write_text(
        "ingest: {sources: [{name: s, format: csv, path: x}]}\ntrain: {model: probe}\n"
    )
    (root / "src/assay/strategies/random.py").write_text("# nobody has chosen this one\n")
    b = side(root)
    assert code_part(a, b)["stages"] == []
    assert [(row["key"], row["part"]) for row in params_part(a, b)["differ"]] == [("train.model", "model")]


def test_a_plugin_that_only_one_side_has_is_added_code(root, tmp_path):
    a = side(root, tmp_path / "a")
    (tmp_path / "a/src/assay/models/probe.py").unlink()
    (root / "params.yaml").write_text(
        "ingest: {sources: [{name: s, format: csv, path: x}]}\ntrain: {model: probe}\n"
    )
    found = {row["stage"]: row["files"] for row in code_part(a, side(root))["stages"]}
    assert {"file": "src/assay/models/probe.py", "change": "added"} in found["train"]


def test_params_of_another_assay_are_compared_as_they_are_written(root, tmp_path):
    a = side(root, tmp_path / "a")
    (tmp_path / "a/params.yaml").write_text("train: {lr: 0.1, momentum: 0.9}\n")
    rows = {row["key"]: (row["a"], row["b"]) for row in params_part(a, side(root))["differ"]}
    assert rows["train.momentum"] == (0.9, None)
    assert "does not accept the params" in code_part(a, side(root))["missing"]


@pytest.mark.parametrize(
    ("key", "part"),
    [("seed", "seed"), ("train.lr", "model"), ("select.budget", "data"), ("track.primary", "other")],
)
def test_what_a_param_acts_through(key, part):
    assert acts_through(key) == part


def test_pinned_packages_that_differ(root, tmp_path):
    a = side(root, tmp_path / "a")
    (root / "requirements.lock").write_text("numpy==2.1\nNew_Package[extra]==1.0\n")
    assert environment_part(a, side(root)) == {
        "source": "pinned",
        "differ": [
            {"name": "new-package", "a": None, "b": "1.0"},
            {"name": "numpy", "a": "2.0", "b": "2.1"},
            {"name": "torch", "a": "2.1 | 2.2", "b": None},
        ],
    }
    (root / "requirements.lock").unlink()
    assert pinned(root) is None
    assert "no requirements.lock" in environment_part(a, side(root))["missing"]


def test_recorded_environments_go_before_pinned_ones(root):
    one = {"machine": {"cores": 2}, "packages": {"torch": "2.1"}}
    other = {"machine": {"cores": 8}, "packages": {"torch": "2.1"}}
    found = environment_part(side(root), side(root), (one, other))
    assert found == {"source": "recorded", "differ": [{"name": "machine.cores", "a": 2, "b": 8}]}
