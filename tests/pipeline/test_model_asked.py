"""The model of params.yaml where a probe is the rule: as a judge of labels, and at each step of a replay."""

from __future__ import annotations

import pytest

from tests.pipeline.conftest import Workspace

pytestmark = pytest.mark.timeout(900)


def test_the_model_judges_labels_that_it_has_not_seen(workspace: Workspace):
    stored = (workspace.root / "data/audit/label_errors.parquet").read_bytes()
    without = workspace.json("audit", "--above", "0", "--limit", "1000")
    told = workspace.json("audit", "--above", "0", "--limit", "1000", "--model")
    assert told["trained"] == 5
    assert {row["id"] for row in told["rows"]} == {row["id"] for row in without["rows"]}
    assert [row["probability"] for row in told["rows"]] != [row["probability"] for row in without["rows"]]
    assert all(", the model " in row["reason"] for row in told["rows"])
    assert (workspace.root / "data/audit/label_errors.parquet").read_bytes() == stored
    assert not workspace.run("git", "status", "--porcelain").stdout

    again = workspace.json("audit", "--above", "0", "--limit", "1000", "--model")
    assert again == told | {"trained": 0}
    assert "with the model's opinion (nothing to train)" in workspace.assay("audit", "--model").stdout


def test_a_replay_can_train_the_model_at_every_step(workspace: Workspace):
    asked = ("simulate", "random", "--learner", "model", "--budgets", "30,60", "--seeds", "2")
    told = workspace.json(*asked)
    assert (told["learner"], told["trained"]) == ("cnn", 4)
    assert workspace.json(*asked)["trained"] == 0
    by_probe = workspace.json(*asked[:2], *asked[4:])
    curves = [row["strategies"][0]["curve"] for row in (told, by_probe)]
    assert [point["budget"] for point in curves[0]] == [30, 60]
    assert [point["value"] for point in curves[0]] != [point["value"] for point in curves[1]]
