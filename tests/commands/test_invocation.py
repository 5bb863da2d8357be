"""The project that a command is run in."""

from __future__ import annotations

import pytest

from assay.commands.invocation import project
from assay.errors import ParamsError, UsageError


@pytest.mark.parametrize("name", ["50%?", "run#2"])
def test_a_path_that_an_address_would_cut_off_is_refused_at_once(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    (tmp_path / name / "params.yaml").write_text("seed: 0\n")
    monkeypatch.chdir(tmp_path / name)
    with pytest.raises(UsageError, match="the path of the project contains") as refused:
        project()
    assert refused.value.hint == "rename the folder"


def test_any_other_path_will_do(tmp_path, monkeypatch):
    home = tmp_path / "a b%20'ü"
    home.mkdir()
    (home / "params.yaml").write_text("{seed: 7, ingest: {sources: [{name: s, format: demo}]}}")
    monkeypatch.chdir(home)
    assert project()[1].seed == 7


def test_outside_of_a_project_it_says_where_one_is_or_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match="is not a project of assay") as nowhere:
        project()
    assert "assay init --from" in str(nowhere.value.hint)
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    (tmp_path / "data/edits").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "data/edits")
    with pytest.raises(ParamsError) as below:
        project()
    assert str(below.value.hint).endswith("cd ../..")
