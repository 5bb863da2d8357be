"""Two versions side by side: every part says what was changed on purpose, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from assay.data.annotations import Annotation
from assay.data.difference import kinds_of
from assay.data.edits import Judgement
from assay.experiments.comparison import compare
from assay.experiments.comparison.measured import by_group, flipped
from assay.experiments.comparison.wording import metric_sentence, sentence
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.metrics.classification import Classified
from assay.metrics.detection import judge as judge_boxes
from assay.metrics.estimates import holm
from assay.params import load_params


def judged(sample: str, op: str, by: str, **payload) -> Judgement:
    if "label" in payload:
        payload["annotations"] = [Annotation(category=payload.pop("label"))]
    return Judgement(id=sample, op=op, by=by, at="2026-01-02T03:04:05Z", seconds=2.0, **payload)


def compared(a: Side, b: Side):
    return compare(a, b, Layout(b.root), load_params(b.root / "params.yaml"))


def test_a_version_does_not_differ_from_itself(versions):
    a, b = (versions.make(name, versions.rows()) for name in "ab")
    found = compared(a, b)
    result = found.result
    assert not any(result["changed"][key] for key in ("data", "dataset", "model", "seed", "code", "ruler"))
    assert len(found.samples) == len(found.flips) == 0
    assert result["metrics"]["difference"]["accuracy"]["value"] == 0
    assert result["verdict"].startswith("nothing changed; test set unchanged; accuracy +0.0 [")
    assert json.dumps(result, allow_nan=False)


def test_each_change_is_said_once_and_by_whom(versions):
    rows, ids = versions.rows(), versions.ids
    a = versions.make("a", versions.rows())
    train = [i for i in ids if rows[i]["split"] == "train"]
    rows[train[0]]["label"] = rows[train[1]]["label"] = "owl"
    rows[train[2]]["excluded"] = True
    rows[train[3]]["split"] = "val"
    del rows[train[4]]
    was = versions.rows()
    batch = [judged(train[0], "label", "Ada", label="owl"), judged(train[2], "exclude", "Grace")]
    b = versions.make("b", rows, params={"train": {"lr": 0.5}, "seed": 0}, batches={"ada": batch})
    found = compared(a, b)
    data = found.result["data"]
    relabelled = [i for i in train[:2] if was[i]["label"] != "owl"]
    assert data["counts"] == dict.fromkeys(data["counts"], 0) | {
        "removed": 1, "excluded": 1, "relabelled": len(relabelled), "moved": 1,
    }  # fmt: skip
    assert data["flows"]["moved"] == [{"before": "train", "after": "val", "count": 1}]
    (row,) = data["batches"]
    assert (row["batch"], row["only_in"], row["by"]) == ("0001-ada", "b", {"Ada": 1, "Grace": 1})
    assert (row["ops"], row["first"], row["seconds"]) == (
        {"label": 1, "exclude": 1},
        "2026-01-02T03:04:05Z",
        4.0,
    )
    by_id = {row["id"]: row for row in found.samples.to_pylist()}
    assert by_id[train[2]]["batch"] == "0001-ada"
    assert by_id[train[3]]["batch"] == ""
    assert by_id[train[4]]["origin"] == f"s:{train[4][:6]}.png"
    assert kinds_of(by_id[train[3]]["kinds"]) == ["moved"]
    assert data["not_by_batch"] == len(by_id) - row["changed"]
    assert found.result["model"]["differ"] == [{"key": "train.lr", "part": "model", "a": 0.001, "b": 0.5}]
    assert found.result["verdict"].startswith("data + model changed; test set unchanged; accuracy")
    assert found.result["verdict"].endswith("effect not separable without `assay attribute`")


def test_metrics_are_paired_on_what_both_measure(versions):
    rows = versions.rows()
    tests = [i for i in versions.ids if rows[i]["split"] == "test"]
    a = versions.make("a", versions.rows(), wrong=lambda n: n < 5)
    rows[tests[9]]["split"] = "train"
    rows[tests[8]]["label"] = "owl" if rows[tests[8]]["label"] != "owl" else "cat"
    b = versions.make("b", rows, wrong=lambda n: n in (3, 6))
    found = compared(a, b)
    ruler, metrics = found.result["ruler"], found.result["metrics"]
    assert (ruler["sizes"], ruler["common"]) == ({"a": 10, "b": 9}, 8)
    assert (ruler["removed"], ruler["relabelled"], ruler["why"]["removed"]) == (1, 1, {"moved": 1})
    assert metrics["n"] == 8
    assert metrics["flips"] == {"fixed": 4, "broken": 1, "otherwise wrong": 0}
    assert metrics["a"]["accuracy"]["value"] == 3 / 8
    assert metrics["difference"]["accuracy"]["value"] == 3 / 8
    assert metrics["mcnemar"] == {"fixed": 4, "broken": 1, "p_value": 0.375}
    assert sum(row["n"] for row in metrics["per_class"]) == 8
    assert {row["name"] for row in metrics["slices"]["light"]} == {"day", "night"}
    flips = {row["id"]: row for row in found.flips.to_pylist()}
    assert {i for i, row in flips.items() if row["kind"] == "fixed"} == {tests[n] for n in (0, 1, 2, 4)}
    assert flips[tests[6]]["before"] == rows[tests[6]]["label"] != flips[tests[6]]["after"]
    assert "test set changed (−1, 1 relabelled); accuracy +37.5 [" in found.result["verdict"]
    assert "on the 8 samples in both test sets" in found.result["verdict"]


def test_what_a_side_does_not_have_is_said_and_the_rest_stands(versions):
    a, b = (versions.make(name, versions.rows()) for name in "ab")
    (a.root / "outputs" / "predictions.parquet").unlink()
    result = compared(a, b).result
    assert "outputs/predictions.parquet" in result["metrics"]["missing"]
    assert result["verdict"].startswith("nothing changed; test set unchanged; not compared: ")
    for file in (b.root / "data" / "snapshot").iterdir():
        file.unlink()
    (b.root / "data" / "snapshot").rmdir()
    result = compared(a, b).result
    assert "data/snapshot" in result["data"]["missing"]
    assert result["changed"]["ruler"] is None
    assert "test set unknown" in result["verdict"]


def test_a_version_before_there_was_a_project(versions):
    """A first commit with nothing in it: every part says so, none fails."""
    b = versions.make("b", versions.rows())
    (versions.root / "a").mkdir()
    result = compared(Side("a", "workspace", versions.root / "a", None), b).result
    assert all("missing" in result[part] for part in ("data", "code", "environment", "ruler", "metrics"))
    assert {"key": "train.model", "part": "model", "a": None, "b": "cnn"} in result["model"]["differ"]
    assert result["verdict"].startswith(
        "model + seed changed (training set, code unknown); test set unknown; not compared: "
    )


def test_rulers_without_a_common_sample_are_not_compared(versions):
    rows = versions.rows()
    a = versions.make("a", versions.rows())
    for row in rows.values():
        row["split"] = {"test": "train", "val": "test"}.get(row["split"], row["split"])
    result = compared(a, versions.make("b", rows)).result
    assert "no sample with the same label in common" in result["metrics"]["missing"]


def test_holm_is_never_less_careful_than_the_p_it_adjusts():
    assert holm([0.01, 0.04, 0.03, 0.2]) == [0.04, 0.09, 0.09, 0.2]
    assert holm([]) == []


def test_a_group_of_two_has_a_wide_interval():
    right, wrong = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[::-1]
    targets = np.array([0, 1])
    (row,) = by_group(Classified(wrong, targets), Classified(right, targets), {"x": np.array([True, True])})
    assert (row["a"], row["b"], row["fixed"], row["difference"]["value"]) == (0.0, 1.0, 2, 1.0)
    assert row["difference"]["low"] < 0.1


def test_of_objects_the_images_that_are_clearly_better_or_worse_are_listed():
    """Each has an object more or less of three found; the third image is the same in both."""
    boxes = [(20.0 * k, 10.0, 10.0, 10.0) for k in range(3)]
    labels = [json.dumps([{"bbox": box, "category": "cell"} for box in boxes])] * 3

    def finds(*counts: int):
        table = pa.table(
            {
                "boxes": pa.array([boxes[:n] for n in counts], pa.list_(pa.list_(pa.float32(), 4))),
                "scores": pa.array([[0.9] * n for n in counts], pa.list_(pa.float32())),
                "classes": pa.array([[0] * n for n in counts], pa.list_(pa.int32())),
            }
        )
        return judge_boxes(table, ["cell"], labels, ["cell"])

    old, new = finds(2, 3, 3), finds(3, 1, 3)
    rows = pa.table({"id": ["a", "b", "c"], "label": labels})
    found = flipped(rows, old, new, lambda label: f"{label.count('cell')} cell").to_pylist()
    assert [(row["id"], row["kind"], row["before"], row["after"]) for row in found] == [
        ("b", "worse", "3 cell", "1 cell"),
        ("a", "better", "2 cell", "3 cell"),
    ], "the largest change first"
    assert [(row["quality_before"], row["quality_after"]) for row in found] == [(1.0, 0.5), (0.8, 1.0)]
    (group,) = by_group(old, new, {"all": np.ones(3, bool)})
    assert (group["better"], group["worse"]) == (1, 1)


NO = dict.fromkeys(("data", "dataset", "model", "seed", "code", "environment", "ruler"), False)
SAME = {"changed": False}
GAIN = {"value": 0.041, "low": 0.029, "high": 0.053, "n": 1000, "p_value": 0.0}
NONE = {"value": 0.001, "low": -0.01, "high": 0.012, "n": 1000, "p_value": 0.9}


@pytest.mark.parametrize(
    ("changed", "row", "expected"),
    [
        ({"data": True, "model": True}, GAIN, "data + model changed; test set unchanged; accuracy +4.1 [+2.9, +5.3]; "
         "effect not separable without `assay attribute`"),
        ({"model": True}, GAIN, "model changed; test set unchanged; accuracy +4.1 [+2.9, +5.3]; due to the model or "
         "the noise of training: `assay attribute` separates them"),
        ({"code": True}, NONE, "code changed; test set unchanged; accuracy +0.1 [−1.0, +1.2]; not significant on "
         "these test samples"),
        ({"seed": True}, GAIN, "seed changed; test set unchanged; accuracy +4.1 [+2.9, +5.3]; due to the seed alone, "
         "the noise of training"),
        ({"environment": True}, GAIN, "environment changed; test set unchanged; accuracy +4.1 [+2.9, +5.3]; due to the "
         "environment alone"),
        ({}, GAIN, "nothing changed; test set unchanged; accuracy +4.1 [+2.9, +5.3]; no recorded cause"),
        ({"dataset": True}, NONE, "data outside of the training set changed; test set unchanged; accuracy +0.1 "
         "[−1.0, +1.2]; not significant on these test samples"),
        ({"data": None, "dataset": True}, NONE, "dataset changed (training set unknown); test set unchanged; accuracy "
         "+0.1 [−1.0, +1.2]; not significant on these test samples"),
        ({"code": None, "model": True}, GAIN, "model changed (code unknown); test set unchanged; accuracy +4.1 "
         "[+2.9, +5.3]; due to the model or the noise of training: `assay attribute` separates them"),
    ],
)  # fmt: skip
def test_the_verdict_in_a_line(changed, row, expected):
    metrics = {"primary": "accuracy", "difference": {"accuracy": row}, "n": 1000}
    result = {"changed": NO | changed, "ruler": SAME, "metrics": metrics, "behind": {"a": {}, "b": {}}}
    assert sentence(result) == expected


def test_outputs_that_are_behind_are_not_judged():
    side = {"label": "the workspace"}
    result = {
        "changed": NO | {"model": True},
        "ruler": SAME,
        "a": side,
        "b": side,
        "metrics": {"missing": "x"},
    }
    result["behind"] = {"a": {}, "b": {"train": "train.lr: 0.1 → 0.2"}}
    assert sentence(result).endswith(
        "the workspace is not up to date (train: train.lr: 0.1 → 0.2): `dvc repro` first"
    )


def test_log_loss_is_not_told_in_points():
    assert metric_sentence("log_loss", GAIN) == "log-loss +0.041 [+0.029, +0.053]"
