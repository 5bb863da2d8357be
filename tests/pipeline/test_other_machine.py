"""A commit whose recorded outputs this machine never had: another one made them, and nobody pushed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Workspace = Any  # of conftest.py

OF_THE_SIDE = """
import assay, json
before, after = assay.snapshot("HEAD~1"), assay.snapshot("HEAD")
print(json.dumps([assay.diff(before, after).counts(), before.digest(), len(assay.selection("HEAD~1").train)]))
"""


@pytest.fixture
def elsewhere(workspace: Workspace) -> Iterator[Workspace]:
    """Two commits, the second with a label more; of the first, DVC's cache has the images and nothing else."""
    row = next(r for r in workspace.read("data/selection/train.parquet") if r["split"] == "train")
    (workspace.root / "fix.csv").write_text(f"id,label\n{row['id']},{(int(row['label']) + 1) % 10}\n")
    workspace.assay("label", "fix.csv")
    first = yaml.safe_load(workspace.lock)["stages"]
    workspace.repro("select")
    workspace.commit("a label put right")
    kept = {
        out["md5"] for stage in yaml.safe_load(workspace.lock)["stages"].values() for out in stage["outs"]
    }
    for name in ("embed", "curate", "audit", "select", "train", "evaluate"):
        for out in first[name]["outs"]:
            if name in ("embed", "evaluate") or out["md5"] not in kept:
                forget(workspace, out["md5"])
    shutil.rmtree(workspace.root / ".dvc" / "cache" / "runs")
    return workspace


def forget(workspace: Workspace, md5: str) -> None:
    """Of a folder its list: without that DVC cannot bring it, though its files are there."""
    (workspace.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink(missing_ok=True)


def test_an_earlier_snapshot_that_nobody_has_is_made_again(elsewhere: Workspace) -> None:
    recorded = yaml.safe_load(elsewhere.run("git", "show", "HEAD~1:dvc.lock").stdout)
    found = elsewhere.json("diff", "HEAD~1", "HEAD")
    assert {kind: n for kind, n in found["data"]["counts"].items() if n} == {"relabelled": 1}
    assert found["ruler"]["changed"] is False
    assert "outputs/predictions.parquet" in found["metrics"]["missing"]
    counts, digest, learnt = json.loads(elsewhere.run("python", "-c", OF_THE_SIDE).stdout)
    assert {kind for kind, n in counts.items() if n} == {"relabelled"}
    assert digest == found["data"]["digests"]["a"]
    assert learnt == len(elsewhere.read("data/selection/train.parquet"))
    locks = [
        yaml.safe_load(file.read_text()) for file in (elsewhere.root / ".assay/sides").glob("*/dvc.lock")
    ]
    assert recorded in locks, "what was recorded stays on record"
