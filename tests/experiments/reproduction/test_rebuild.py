"""What `assay reproduce` does and says, on real git and DVC, with stages that take no time."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from assay.commands import reproduce
from assay.errors import ReproductionError
from assay.experiments.reproduction.rebuild import needed
from assay.layout import Layout
from assay.params import Params, parse_params
from assay.progress import Silent
from tests.project import Repository

PIPELINE = """\
stages:
  ingest:
    cmd: mkdir -p data && echo pool > data/pool
    always_changed: true
    outs: [data/pool]
  embed:
    cmd: cat data/pool code.txt > vectors
    deps: [data/pool, code.txt]
    outs: [{vectors: {persist: true}}]
  train:
    cmd: mkdir -p outputs/model && cp vectors outputs/model/weights
    deps: [vectors]
    outs: [outputs/model]
  track:
    cmd: echo told > tracked
    deps: [outputs/model]
    outs: [{tracked: {cache: false}}]
"""


@dataclass(frozen=True)
class Rebuilt(Repository):
    """A repository with a door, two stages, and one that tells; `heard`: what a reproduction says on its way."""

    params: Params = field(default=parse_params({"ingest": {"sources": [{"name": "d", "format": "demo"}]}}))
    heard: list[str] = field(default_factory=list)

    def reproduce(self, name: str | None = "HEAD", **options: Any) -> Any:
        heard = Silent()
        heard.say = self.heard.append  # type: ignore[method-assign]
        return reproduce.run(self.params, Layout(self.root), name, progress=heard, **options)

    def refused(self, name: str | None = "HEAD", **options: Any) -> ReproductionError:
        with pytest.raises(ReproductionError) as caught:
            self.reproduce(name, **options)
        assert caught.value.exit_code == 2
        return caught.value

    def remote(self, store: Path) -> None:
        settings = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n"
        (self.root / ".dvc" / "config.local").write_text(settings)

    @property
    def files(self) -> dict[str, bytes]:
        """All that a reproduction must leave alone: the workspace, and DVC's cache with its run-cache."""
        kept = [file for file in self.root.rglob("*") if file.is_file()]
        outside = (".git", ".assay", ".dvc/tmp")
        return {
            name: file.read_bytes()
            for file in kept
            if not (name := file.relative_to(self.root).as_posix()).startswith(outside)
        }


def shown(result: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200)
    reproduce.render(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Rebuilt:
    """After its first `dvc repro`, committed."""
    files = {"dvc.yaml": PIPELINE, "code.txt": "v1\n", ".gitignore": ".assay/\n"}
    project = Rebuilt(Repository.begin(tmp_path_factory.mktemp("made")).root)
    project.commit("nothing was run", files)
    project.dvc("repro", "-q")
    project.commit("the first result")
    return project


@pytest.fixture
def project(made: Rebuilt, tmp_path: Path) -> Rebuilt:
    return Rebuilt(shutil.copytree(made.root, tmp_path / "project"))


def test_the_same_bits_in_a_clone_that_has_nothing_but_a_remote(project: Rebuilt, tmp_path: Path) -> None:
    shutil.move(project.root / ".dvc" / "cache", tmp_path / "store")
    for output in ("data", "outputs"):
        shutil.rmtree(project.root / output)
    (project.root / "code.txt").write_text("half-done work")
    project.remote(tmp_path / "store")
    before = project.files
    result = project.reproduce()
    assert (result["verdict"], result["exit_code"]) == ("bitwise identical", 0)
    assert result["sentence"] == "bitwise identical: 2 stages, 2 outputs"
    assert [stage["stage"] for stage in result["stages"]] == ["embed", "train"]
    assert project.heard[1].startswith("embed: ")
    assert "✓ outputs/model" in shown(result)
    pulled = {name: data for name, data in project.files.items() if name not in before}
    assert list(pulled.values()) == [b"pool\n"], "what goes in was pulled, nothing of what comes out"
    assert {name: data for name, data in project.files.items() if name in before} == before
    assert len(project.git("worktree", "list").splitlines()) == 1
    assert list((project.root / ".assay" / "worktrees").iterdir()) == []


def test_code_that_was_forced_in_is_found_where_it_first_tells(project: Rebuilt, tmp_path: Path) -> None:
    (project.root / "code.txt").write_text("v2\n")
    project.commit("the code without its result")
    before = project.files
    result = project.reproduce(keep=tmp_path / "apart")
    assert (result["verdict"], result["exit_code"]) == ("diverged", 1)
    assert (result["stage"], result["output"]) == ("embed", "vectors")
    assert result["because"] == ["embed: code.txt: differs from the record"]
    assert [d["first"] for d in result["differences"]] == ["8 bytes, differ from byte 6 on"] * 2
    assert result["tolerance"] is None
    assert project.files == before, "what came out otherwise is in no cache"
    versions = {side: (tmp_path / "apart" / side / "vectors").read_text() for side in ("recorded", "now")}
    assert versions == {"recorded": "pool\nv1\n", "now": "pool\nv2\n"}
    said = shown(result)
    assert "diverged at stage embed, output vectors" in said
    assert "outputs/model/weights: 8 bytes" in said
    assert "it exists" in str(project.refused(keep=tmp_path / "apart"))


def test_a_collected_input_is_said_plainly(project: Rebuilt) -> None:
    shutil.rmtree(project.root / ".dvc" / "cache")
    error = project.refused()
    assert "data/pool of HEAD" in str(error)
    assert "neither in the DVC cache nor in a remote (no DVC remote is set up)" in str(error)
    assert "dvc push" in str(error.hint)
    assert not project.git("worktree", "list").count("worktrees"), "nothing is left of it"


def test_a_collected_output_can_still_be_compared_by_its_hash(project: Rebuilt) -> None:
    (project.root / "code.txt").write_text("v2\n")
    project.commit("the code without its result")
    for kept in (project.root / ".dvc" / "cache" / "files").rglob("*"):
        if kept.is_file() and kept.read_bytes() != b"pool\n":
            kept.unlink()
    result = project.reproduce()
    assert (result["verdict"], result["output"]) == ("diverged", "vectors")
    assert "no longer in a cache" in result["differences"][0]["first"]
    assert "compared by hash only" in result["notes"][0]


def test_every_recording_since_a_revision(project: Rebuilt) -> None:
    good = project.git("rev-parse", "HEAD").strip()
    (project.root / "notes.txt").write_text("no result\n")
    project.commit("no result")
    (project.root / "dvc.yaml").write_text(PIPELINE.replace("code.txt >", "nowhere >"))
    with (project.root / "dvc.lock").open("a") as lock:
        lock.write("# by hand\n")
    broken = project.commit("what cannot be run")
    result = project.reproduce(None, since="HEAD~3")
    assert [one["verdict"] for one in result["results"]] == ["bitwise identical", "cannot be reproduced"]
    assert [one["name"] for one in result["results"]] == [good, broken]
    assert result["exit_code"] == 2
    assert "stage embed of" in result["results"][1]["sentence"]
    assert "nowhere" in result["results"][1]["sentence"], "what the stage itself said"
    assert "1 bitwise identical, 1 cannot be reproduced" in shown(result)
    assert project.reproduce(None, since="HEAD")["exit_code"] == 0
    assert "is not a revision" in str(project.refused(None, since="v9"))


def test_slips_of_the_pen(project: Rebuilt) -> None:
    error = project.refused("v9")
    assert "neither a revision" in str(error)
    assert "reflog" in str(error.hint), "a commit may be gone for good, or may not"
    assert "no result was recorded" in str(project.refused("HEAD~1"))
    assert "name what to reproduce" in str(project.refused(None))
    assert "either" in str(project.refused("HEAD", since="HEAD~1"))


def test_the_weights_beside_the_champion_are_needed_and_raw_data_is_not(tmp_path: Path) -> None:
    for name in ("data/champion/champion.json", "data/champion/model.dvc", "raw.dvc", "data/selection/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    recorded = {
        "ingest": {"outs": [{"path": "data/pool"}]},
        "select": {
            "deps": [{"path": "data/champion/champion.json"}, {"path": "data/pool"}],
            "outs": [{"path": "data/selection"}],
        },
        "train": {"deps": [{"path": "data/selection/x"}], "outs": [{"path": "outputs/model"}]},
    }
    assert needed(tmp_path, recorded, ["select", "train"]) == ["data/pool", "data/champion/model.dvc"]
    assert needed(tmp_path, recorded, ["train"]) == ["data/selection"]
