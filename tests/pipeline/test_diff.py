"""`assay diff` on a project with real git, DVC and MLflow: revisions, runs, the workspace."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from assay.layout import Layout
from assay.params import load_params
from assay.progress import Silent
from assay.tracking import attached

LIGHT = """
import sys
HEAVY = ("torch", "mlflow", "prefect", "pandas", "dvc", "sklearn", "matplotlib", "scipy")
from assay.commands.cli import main
try:
    main()
except SystemExit:
    pass
print([m for m in HEAVY if m in sys.modules])
"""


def tags(workspace, run: str) -> dict[str, str]:
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as store:
        return dict(store.execute("select key, value from tags where run_uuid = ?", (run,)))


def test_nothing_changed_is_no_error(workspace):
    said = workspace.assay("diff").stdout
    assert "verdict: nothing changed; test set unchanged; accuracy +0.0 [" in said
    other = workspace.json("diff", "HEAD~1", "HEAD")
    assert "no stage had written" in other["data"]["missing"]
    assert "nothing to compare: curate has never run in HEAD~1" in other["verdict"]


def test_a_run_before_that_cannot_be_opened_costs_one_remark(workspace, monkeypatch):
    remarks: list[str] = []
    progress = Silent()
    monkeypatch.setattr(progress, "say", remarks.append)
    (run,) = workspace.runs()
    params, layout = load_params(workspace.root / "params.yaml"), Layout(workspace.root)
    result = {"run_id": run, "changed": "model"}
    assert attached.attach(result | {"before": "0" * 32}, params, layout, progress) is None
    assert "is neither a revision of" in remarks[0]
    monkeypatch.setattr(attached, "PATIENCE", 0.1)
    assert attached.attach(result | {"before": run}, params, layout, progress) is None
    assert "the comparison takes more than" in remarks[1]
    assert attached.attach(result | {"before": None}, params, layout, progress) is None
    assert len(remarks) == 2
    assert "assay.diff" not in tags(workspace, run)


def test_a_mistake_ends_with_a_word_and_no_traceback(workspace):
    said = workspace.assay("diff", "no-such-thing", status=2).stderr
    assert "neither a revision" in " ".join(said.split())
    (workspace.root / "file").write_text("")
    said = workspace.assay("diff", "--html", "file/diff.html", status=2).stderr
    assert "cannot be written" in " ".join(said.split())


@pytest.mark.slow
def test_a_change_of_data_and_model_is_told_in_full(workspace):
    """Thirty labels put wrong by Grace, another learning rate, one more line of code, half of it committed."""
    (before,) = workspace.runs()
    rows = [row for row in workspace.read("data/selection/train.parquet") if row["split"] == "train"][:30]
    lines = [f"{row['id']},{(int(row['label']) + 1) % 10}" for row in rows]
    (workspace.root / "wrong.csv").write_text("\n".join(["id,label", *lines, ""]))
    workspace.assay("label", "wrong.csv", "--by", "Grace")
    workspace.set({"train": {"lr": 0.03}, "track": {"diff": True}})
    behind = workspace.json("diff")
    assert "the workspace is not up to date (curate: " in behind["verdict"]
    assert workspace.repro() == ["ingest", "curate", "audit", "select", "train", "evaluate", "track"]
    assert workspace.read(".assay/run.json")["changed"] == "several"

    found = workspace.json("diff")
    data = found["data"]
    assert {kind: n for kind, n in data["counts"].items() if n} == {"relabelled": 30}
    assert sum(flow["count"] for flow in data["flows"]["relabelled"]) == 30
    assert [(b["batch"], b["by"], b["changed"]) for b in data["batches"]] == [
        ("0001-wrong-grace", {"Grace": 30}, 30)
    ]
    assert {row["id"]: row["label"] for row in found["samples"]} == {
        row["id"]: [row["label"], str((int(row["label"]) + 1) % 10)] for row in rows
    }
    differ = {row["key"]: (row["a"], row["b"]) for row in found["model"]["differ"]}
    assert differ == {"train.lr": (0.003, 0.03), "track.diff": (False, True)}
    assert found["changed"] | {"environment": None} == {
        "data": True, "dataset": True, "model": True, "seed": False, "code": False, "environment": None, "ruler": False,
    }  # fmt: skip
    assert found["verdict"].startswith("data + model changed; test set unchanged; accuracy ")
    assert found["verdict"].endswith("; effect not separable without `assay attribute`")
    metrics, measured = found["metrics"], workspace.read("outputs/metrics.json")
    assert metrics["b"]["accuracy"] == measured["test"]["accuracy"]
    flips = metrics["flips"]
    n = metrics["n"]
    assert metrics["difference"]["accuracy"]["value"] == pytest.approx(
        (flips["fixed"] - flips["broken"]) / n, abs=1e-6
    )
    assert len(found["flipped"]) == sum(flips.values())

    (after,) = set(workspace.runs()) - {before}
    attached = tags(workspace, after)
    assert (attached["assay.diff"], attached["assay.verdict"]) == (before, found["verdict"])
    folder = workspace.root / "mlruns" / after / "artifacts" / "diff"
    held = json.loads((folder / "diff.json").read_text())
    assert held["metrics"]["difference"] == metrics["difference"]
    assert held["b"]["run_id"] == after
    assert "data:image/jpeg;base64," in (folder / "diff.html").read_text()

    by_run = workspace.json("diff", before[:8], after[:8], "--samples", "5")
    assert (by_run["a"]["kind"], by_run["b"]["kind"]) == ("run", "run")
    assert by_run["metrics"] == metrics
    assert (len(by_run["samples"]), by_run["environment"]["source"]) == (5, "recorded")

    said = workspace.run("python", "-c", LIGHT, "diff", "HEAD", "workspace", "--html", "diff.html").stdout
    assert found["verdict"] in said
    assert "train.lr" in said
    assert "0001-wrong-grace: 30 label by Grace" in said
    assert said.splitlines()[-1] == "[]", "nothing heavy is loaded on the way"
    page = (workspace.root / "diff.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 30
