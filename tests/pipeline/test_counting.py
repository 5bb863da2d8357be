"""A second task through all of it: the stages, a diff, an attribution and a race know no task by name."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.pipeline.conftest import Workspace

pytestmark = pytest.mark.timeout(2400)
IMAGES, LABELLED = 200, 70


def dots(count: int, rng: np.random.Generator) -> bytes:
    """A grey image of 24 × 24 px with so many bright dots of 2 × 2."""
    pixels = rng.integers(0, 40, (24, 24), dtype=np.uint8)
    for place in rng.choice(36, count, replace=False):
        y, x = divmod(int(place), 6)
        pixels[4 * y + 1 : 4 * y + 3, 4 * x + 1 : 4 * x + 3] = 250
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_csv(file, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def history(fresh: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A: LABELLED images; B: all of them labelled, and a larger learning rate."""
    import shutil

    from tests.pipeline.conftest import environment

    root = tmp_path_factory.mktemp("counting") / "project"
    shutil.copytree(fresh.root, root)
    workspace, rng = Workspace(root, environment(root)), np.random.default_rng(0)
    (root / "raw").mkdir()
    rows = []
    for n in range(IMAGES):
        count = int(rng.integers(0, 5))
        (root / "raw" / f"{n:03d}.png").write_bytes(dots(count, rng))
        rows.append({"path": f"{n:03d}.png", "label": str(count)})
    known = [{**row, "label": row["label"] if n < LABELLED else ""} for n, row in enumerate(rows)]
    write_csv(root / "raw" / "counts.csv", known)
    workspace.set(
        {
            "task": "counting",
            "ingest": {"sources": [{"name": "dots", "format": "csv", "path": "raw/counts.csv"}]},
            "curate": {"splits": {"train": 0.5, "val": 0.2, "test": 0.3}},
            "select": {"strategy": "random", "ruler_halfwidth": 0.4},
            "train": {"model": "cnn", "options": {"width": 8, "blocks": 2}, "epochs": 3, "image_size": 24},
            "evaluate": {"bootstrap": 100, "slices": []},
            "track": {"primary": "mae"},
        }
    )
    workspace.repro()
    workspace.commit("A")
    workspace.run("git", "tag", "A")
    write_csv(root / "new.csv", rows[LABELLED:])
    workspace.assay("label", "new.csv", "--by", "ada")
    workspace.set({"train": {"lr": 0.01}})
    workspace.repro()
    workspace.commit("B")
    return workspace


def test_the_stages_measure_what_the_task_measures(history):
    metrics = history.read("outputs/metrics.json")
    assert metrics["primary"] == "mae"
    assert {"exact", "mae"} <= set(metrics["test"])
    assert metrics["test"]["mae"]["low"] <= metrics["test"]["mae"]["value"] <= metrics["test"]["mae"]["high"]
    predictions = history.read("outputs/predictions.parquet")
    assert set(predictions[0]) == {"id", "split", "label", "quality", "predicted", "count"}
    assert len(history.runs()) == 2
    assert "mean absolute error" in history.assay("status").stdout


def test_diff_tells_the_change_of_its_metrics(history):
    found = history.json("diff", "A", "HEAD")
    assert set(found["metrics"]["difference"]) == {"exact", "mae"}
    assert found["metrics"]["difference"]["mae"]["p_value"] is not None
    assert "mean absolute error" in history.assay("diff", "A", "HEAD").stdout


def test_attribution_shares_the_change(history):
    found = json.loads(history.assay("attribute", "A", "HEAD", "--seeds", "1", "--json").stdout)
    assert {share["player"] for share in found["metrics"]["mae"]["shares"]} == {"data", "model", "ruler"}
    total = found["metrics"]["mae"]["total"]["value"]
    assert sum(share["value"] for share in found["metrics"]["mae"]["shares"]) == pytest.approx(total)


def test_a_race_is_run_from_it(history):
    space = {"lr": [0.001, 0.01]}
    history.set({"race": {"steps": 1, "labels_per_step": 10, "seeds": 2, "space": space}})
    history.commit("a race")
    found = history.json("race", "A", "--answers", "HEAD")
    assert found["metric"] == "mae"
    assert found["higher_is_better"] is False


def test_advice_weighs_labels_against_the_model_where_no_audit_judges_labels(history):
    history.set({"advise": {"seeds": 2, "trials": 2, "learner": "model"}})
    told = history.json("advise")
    gains = {option["kind"]: option["gain"] for option in told["options"]}
    assert gains["review"] is None
    assert all(gains[kind]["low"] <= gains[kind]["high"] for kind in ("labels", "model"))
    assert "no audit judges the labels of counting" in json.dumps(told["options"])
    assert (told["primary"], told["higher_is_better"]) == ("mae", False)


def test_a_replay_trains_the_model_where_a_probe_would_learn_nothing(history):
    replayed = ("simulate", "kcenter", "--learner", "model", "--budgets", "10,20", "--seeds", "2")
    told = history.json(*replayed)
    assert (told["learner"], told["metric"], told["trained"]) == ("cnn", "quality", 8)
    assert {row["name"] for row in told["strategies"]} == {"random", "kcenter"}
    assert 0 < told["strategies"][0]["curve"][0]["value"] < 1
    assert history.json(*replayed)["trained"] == 0
    refused = history.assay("simulate", status=None)
    assert refused.returncode != 0
    assert "a probe learns classes, and the labels of counting are none" in refused.stderr
    refused = history.assay("simulate", "margin", status=None)
    assert "margin would ask a probe, which learns classes, and counting has none" in refused.stderr
