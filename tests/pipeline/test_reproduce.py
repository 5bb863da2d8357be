"""`assay reproduce` of the whole pipeline: a fresh clone, code forced in, another kind of CPU, lost records."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.errors import ReproductionError
from assay.experiments.reproduction.target import CUT, Target, find, refuse_lost
from assay.layout import Layout
from assay.params import load_params

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]
Workspace = Any  # of conftest.py

PATCH = """\
diff --git a/README.md b/README.md
--- a/README.md
+++ b/README.md
@@ -1 +1,2 @@
 # assay
+A line that was not committed.
"""


def run_of(workspace: Workspace) -> str:
    return str(workspace.read(".assay/run.json")["run_id"])


def tag(workspace: Workspace, key: str, value: str) -> None:
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as store, store:
        store.execute("update tags set value = ? where key = ?", (value, key))


def record_patch(workspace: Workspace, patch: str, untracked: str = "") -> None:
    """As `track` does in a workspace with uncommitted changes."""
    (artifacts,) = (workspace.root / "mlruns").glob("**/artifacts")
    (artifacts / "dirty.patch").write_text(patch)
    (artifacts / "untracked.txt").write_text(untracked)
    tag(workspace, "assay.git.dirty", "true")


def changed_readme(workspace: Workspace) -> str:
    with (workspace.root / "README.md").open("a") as file:
        file.write("A line that was not committed.\n")
    return str(workspace.run("git", "diff").stdout)


def a_fresh_clone(done: Workspace, at: Path) -> Any:
    """Nothing but git, and a remote that has what DVC needs."""
    subprocess.run(["git", "clone", "-q", done.root, at], check=True)
    remote = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {done.root / '.dvc' / 'cache'}\n"
    (at / ".dvc" / "config.local").write_text(remote)
    return type(done)(at, {**done.env, "PYTHONPATH": str(at / "src"), "DVC_SITE_CACHE_DIR": f"{at}-dvc"})


def in_a_fresh_clone(done: Workspace, at: Path) -> Any:
    clone = a_fresh_clone(done, at)
    found = json.loads(clone.assay("reproduce", "HEAD", "--json").stdout)
    left = [at / name for name in ("data/pool", "data/embeddings", "outputs", "mlflow.db")]
    return {**found, "left": [file.name for file in left if file.exists()]}


def with_forced_code(done: Workspace, at: Path) -> Any:
    workspace = done.copy(at)
    file = workspace.root / "src" / "assay" / "training" / "fit.py"
    file.write_text(file.read_text().replace("lr=settings.lr, fused", "lr=settings.lr / 50, fused")
                    .replace("rate = settings.lr *", "rate = settings.lr / 50 *"))  # fmt: skip
    workspace.commit("code without its result")
    return json.loads(workspace.assay("reproduce", "HEAD", "--json", status=1).stdout)


def on_another_cpu(done: Workspace, at: Path) -> Any:
    """The tracked run, which had uncommitted changes."""
    workspace = done.copy(at)
    record_patch(workspace, changed_readme(workspace))
    before = run_of(workspace)
    command = ("reproduce", before[:10], "--json")
    found = json.loads(workspace.assay(*command, ATEN_CPU_CAPABILITY="default").stdout)
    assert list(workspace.runs()) == [before], "a reproduction is no run"
    return found


Case = Callable[[Workspace, Path], Any]
CASES: tuple[Case, ...] = (in_a_fresh_clone, with_forced_code, on_another_cpu)


@pytest.fixture(scope="module")
def of(done: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Case], Any]]:
    """`of(case)`: what `--json` said. Two are made at a time, a core each."""
    home = tmp_path_factory.mktemp("reproduced")
    pool = ThreadPoolExecutor(2)
    results: dict[Case, Future[Any]] = {case: pool.submit(case, done, home / case.__name__) for case in CASES}
    yield lambda case: results[case].result()
    pool.shutdown(cancel_futures=True)


def test_a_fresh_clone_reproduces_the_run_bit_for_bit(of: Callable[[Case], Any]) -> None:
    found = of(in_a_fresh_clone)
    assert (found["verdict"], found["exit_code"]) == ("bitwise identical", 0)
    assert [stage["stage"] for stage in found["stages"]] == [
        "embed",
        "curate",
        "audit",
        "select",
        "train",
        "evaluate",
    ]
    assert all(output["same"] for stage in found["stages"] for output in stage["outputs"])
    assert found["environment"] == {"against": "requirements.lock", "changes": []}
    assert found["left"] == [], "the clone is as it was"


def test_forced_code_diverges_at_train_and_is_named(of: Callable[[Case], Any]) -> None:
    found = of(with_forced_code)
    assert (found["verdict"], found["stage"]) == ("diverged", "train")
    assert found["output"] in ("outputs/history.csv", "outputs/model")
    assert "train: src/assay/training/fit.py: differs from the record" in found["because"]
    first = {one["output"]: one["first"] for one in found["differences"]}
    assert first["outputs/history.csv"].startswith("line 2 (epoch 1): lr ")
    assert "probability of" in first["outputs/predictions.parquet"]
    assert found["tolerance"]["agreement"]["same_class"] < 1


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT",
    reason="this CPU has no faster kernels to do without",
)
def test_another_kind_of_cpu_is_within_tolerance_and_named(of: Callable[[Case], Any]) -> None:
    found = of(on_another_cpu)
    assert (found["verdict"], found["exit_code"]) == ("within tolerance", 0)
    assert (found["stage"], found["because"]) == ("train", [])
    assert "with 1 line of uncommitted changes" in found["label"]
    assert found["tolerance"]["agreement"]["same_class"] > 0.9
    changes = {change["what"]: change["now"] for change in found["environment"]["changes"]}
    assert changes == {"torch.cpu_capability": "DEFAULT", "variables.ATEN_CPU_CAPABILITY": "default"}


def refused(workspace: Workspace, name: str) -> ReproductionError:
    layout = Layout(workspace.root)
    with pytest.raises(ReproductionError) as caught:
        find(name, load_params(layout.params), layout)
    return caught.value


def test_a_run_whose_commit_or_changes_are_lost(workspace: Workspace) -> None:
    layout, run = Layout(workspace.root), run_of(workspace)
    record_patch(workspace, PATCH, "dvc.lock\nraw/a.png\ndata/edits/scan.pdf\nREADME.md\n")
    target: Target = find(run[:8], load_params(layout.params), layout)
    assert target.untracked == ("raw/a.png", "data/edits/scan.pdf")
    refuse_lost(target, ["data/pool", "src/assay/data"])
    with pytest.raises(ReproductionError, match=r"neither in git nor recorded with it: data/edits/scan\.pdf"):
        refuse_lost(target, ["data/pool", "data/edits"])
    assert target.environment is not None
    assert target.environment["torch"]["threads"] == 1

    record_patch(workspace, PATCH + CUT + "1,000,000 of 3,000,000 characters: this patch cannot be applied\n")
    assert "too large to be recorded" in str(refused(workspace, run))
    tag(workspace, "assay.git.commit", "0" * 40)
    error = refused(workspace, run)
    assert "history was rewritten" in str(error)
    assert "git fetch" in str(error.hint)
    assert "neither a revision" in str(refused(workspace, "cnn-00000000"))


def test_what_was_collected_is_said_on_the_terminal(workspace: Workspace) -> None:
    shutil.rmtree(workspace.root / ".dvc" / "cache")
    said = workspace.assay("reproduce", "HEAD", status=2).stderr
    assert "data/pool of HEAD" in said
    assert "what to do:" in said
