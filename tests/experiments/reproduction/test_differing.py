"""The pure parts of `assay reproduce`: what differs first, what went in, what is within tolerance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from assay.data.files import write_json, write_table
from assay.experiments.reproduction.differing import PACKED, explain
from assay.experiments.reproduction.environment import against_pins, against_run
from assay.experiments.reproduction.records import changed_inputs, outputs
from assay.experiments.reproduction.rows import of_tables
from assay.experiments.reproduction.tolerance import judge
from assay.experiments.reproduction.words import pair

CLASSES = ["1", "3", "8"]


def predictions(chances: list[list[float]], labels: str = "138", split: str = "test") -> pa.Table:
    rows = np.array(chances, np.float32)
    best = [CLASSES[k] for k in rows.argmax(1)]
    return pa.table(
        {
            "id": [f"{n:064d}" for n in range(len(rows))],
            "split": [split] * len(rows),
            "label": list(labels),
            "predicted": best,
            "quality": [float(a == b) for a, b in zip(best, labels, strict=True)],
            "confidence": rows.max(1),
            "probabilities": pa.array(rows.tolist(), pa.list_(pa.float32())),
        }
    )


SURE = [[0.9, 0.05, 0.05], [0.1, 0.52, 0.38], [0.1, 0.1, 0.8]]


class Pair:
    """An output twice."""

    def __init__(self, home: Path, name: str) -> None:
        self.name, self.recorded, self.now = name, home / "recorded" / name, home / "now" / name
        for path in (self.recorded, self.now):
            path.parent.mkdir(parents=True, exist_ok=True)

    def explained(self, categories: list[str] | None = None) -> list[str]:
        found = explain(self.name, self.recorded, self.now, categories or [])
        return [str(one) for one in found]


@pytest.fixture
def two(tmp_path: Path) -> Any:
    return lambda name: Pair(tmp_path, name)


def test_a_table_names_the_row_the_class_and_both_values(two: Any) -> None:
    made = two("outputs/predictions.parquet")
    write_table(made.recorded, predictions(SURE))
    write_table(made.now, predictions([SURE[0], [0.1, 0.48, 0.42], SURE[2]]))
    (said,) = made.explained(CLASSES)
    assert said == (
        'outputs/predictions.parquet: row 1 (id 000000000000…): probability of "3" 0.52 recorded, 0.48 now '
        "(1 of 3 rows differ, in confidence, probabilities; probabilities by at most 0.04)"
    )


def test_another_class_is_told_before_its_probability(two: Any) -> None:
    first, extent = of_tables(predictions(SURE), predictions([SURE[0], [0.1, 0.3, 0.6], SURE[2]]), CLASSES)
    assert first.startswith('row 1 (id 000000000000…): predicted "3" recorded, "8" now; probability of "')
    assert "quality" in extent


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"id": ["a", "b"]}, {"id": ["a", "c"]}, "id b recorded, not there now"),
        ({"id": ["a"]}, {"id": ["a", "c"]}, "id c not recorded, there now"),
        ({"id": ["a", "b"], "n": [1, 2]}, {"id": ["b", "a"], "n": [2, 1]}, "the same rows in another order"),
        ({"id": ["a", "b"], "n": [1, 2]}, {"id": ["b", "a"], "n": [2, 3]}, "row 0 (id a): n 1 recorded, 3 now"),
        ({"n": [1, 2]}, {"n": [1]}, "2 rows recorded, 1 now"),
        ({"n": [1, 2]}, {"n": [1.0, 2.0]}, "column n: int64 recorded, double now"),
        ({"n": [1], "m": [1]}, {"n": [1]}, "column m: recorded, not there now"),
        ({"n": [1]}, {"n": [1], "m": [1]}, "column m: not recorded, there now"),
        ({"s": ["x", None]}, {"s": ["x", "y"]}, 'row 1: s null recorded, "y" now'),
        ({"v": [[1.0, 2.0]]}, {"v": [[1.0, 2.5]]}, "row 0: v[1] 2 recorded, 2.5 now"),
        ({"v": [[1.0, 2.0]]}, {"v": [[1.0]]}, "row 0: v [1.0, 2.0] recorded, [1.0] now"),
        ({"x": [float("nan"), 1.0]}, {"x": [float("nan"), 1.0]}, ""),
    ],
)  # fmt: skip
def test_tables_differ_in_ids_rows_columns_or_values(old: Any, new: Any, said: str) -> None:
    assert of_tables(pa.table(old), pa.table(new))[0] == said


def test_what_a_table_says_about_itself_counts_too() -> None:
    table = pa.table({"id": ["a"]})
    marked = [table.replace_schema_metadata({"digest": digest}) for digest in ("aa", "bb")]
    assert of_tables(*marked)[0] == 'metadata digest: "aa" recorded, "bb" now'


def test_json_names_the_key(two: Any) -> None:
    made = two("outputs/metrics.json")
    write_json(made.recorded, {"test": {"accuracy": {"value": 0.9312345}, "n": 3}, "list": [1, 2]})
    write_json(made.now, {"test": {"accuracy": {"value": 0.9312347}, "n": 4}, "list": [1, 2]})
    (said,) = made.explained()
    assert "test.accuracy.value: 0.931234 recorded, 0.931235 now (2 values differ)" in said
    write_json(made.now, {"test": {"accuracy": {"value": 0.9312345}}, "list": [1], "more": True})
    (said,) = made.explained()
    assert "list: 2 entries recorded, 1 now (3 values differ)" in said


def test_a_folder_is_compared_file_by_file_and_what_can_be_read_comes_first(two: Any) -> None:
    made = two("outputs/model")
    for path, epoch, weight in ((made.recorded, 3, 1.0), (made.now, 4, 1.5)):
        write_json(path / "model.json", {"best_epoch": epoch})
        torch.save({"a": torch.zeros(2), "b": torch.tensor([[0.0, weight]])}, path / "model.pt")
    (made.recorded / "gone.txt").write_text("x")
    (made.now / "new.txt").write_text("x")
    said = made.explained()
    assert said == [
        "outputs/model/model.json: best_epoch: 3 recorded, 4 now",
        "outputs/model/model.pt: tensor b [0, 1]: 1 recorded, 1.5 now "
        "(1 of 2 tensors; here 1 of 2 numbers differ, by at most 0.5)",
        "outputs/model/gone.txt: recorded only (gone.txt)",
        "outputs/model/new.txt: present now only (new.txt)",
    ]


def test_csv_npy_and_png_are_read_too(two: Any) -> None:
    lines, array, picture = two("h.csv"), two("v.npy"), two("p.png")
    lines.recorded.write_text("epoch,loss\n1,2.0\n2,1.5\n")
    lines.now.write_text("epoch,loss\n1,2.0\n2,1.6\n")
    assert lines.explained() == ['h.csv: line 3 (epoch 2): loss "1.5" recorded, "1.6" now']
    np.save(array.recorded, np.zeros((2, 3), np.float32))
    np.save(array.now, np.eye(2, 3, dtype=np.float32))
    assert array.explained() == ["v.npy: [0, 0]: 0 recorded, 1 now (2 of 6 numbers differ, by at most 1)"]
    Image.new("L", (4, 4)).save(picture.recorded)
    Image.new("L", (4, 4), 9).save(picture.now)
    assert picture.explained() == ["p.png: 16 of 16 pixels differ"]


def test_the_same_content_in_other_bytes_is_called_so(two: Any) -> None:
    made = two("m.json")
    made.recorded.write_text(json.dumps({"a": 1, "b": 2}))
    made.now.write_text(json.dumps({"a": 1, "b": 2}, indent=1))
    assert PACKED in made.explained()[0]
    made.now.write_text("{damaged")
    assert made.explained() == ["m.json: 16 bytes recorded, 8 now, differ from byte 1 on"]
    made.now.write_text(made.recorded.read_text())
    assert made.explained() == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (0.52, 0.48, "0.52 recorded, 0.48 now"),
        (1.0, 1.0 + 2**-52, "1 recorded, 1.0000000000000002 now"),
        ("x" * 100, "y", f'"{"x" * 29}…{"x" * 19}" recorded, "y" now'),
        (None, 0.5, "null recorded, 0.5 now"),
    ],
)
def test_two_values_are_as_short_as_tells_them_apart(old: Any, new: Any, said: str) -> None:
    assert pair(old, new) == said


RECORDED = {
    "cmd": "assay train",
    "deps": [{"path": "data/selection/train.parquet", "md5": "1"}, {"path": "src/assay/training/fit.py", "md5": "2"}],
    "params": {"params.yaml": {"train": {"threads": 2, "lr": 0.1}, "seed": 0}},
    "outs": [{"path": "outputs/model", "md5": "3.dir"}, {"path": "outputs/history.csv", "md5": "4"}],
}  # fmt: skip


def test_the_inputs_that_changed_are_named_but_not_what_is_made_again() -> None:
    now = {
        **RECORDED,
        "deps": [
            {"path": "data/selection/train.parquet", "md5": "9"},
            {"path": "src/assay/training/fit.py", "md5": "8"},
            {"path": "src/assay/more.py", "md5": "8"},
        ],
        "params": {"params.yaml": {"train": {"threads": 1, "lr": 0.1}, "seed": 0}},
    }
    assert changed_inputs(RECORDED, now, {"data/selection"}) == [
        "train.threads: 2 recorded, 1 now",
        "src/assay/training/fit.py: differs from the record",
        "src/assay/more.py: not recorded as input, read now",
    ]
    assert changed_inputs(RECORDED, RECORDED, set()) == []


def test_outputs_are_compared_by_their_hash() -> None:
    now = {"outs": [{"path": "outputs/model", "md5": "3.dir"}, {"path": "outputs/history.csv", "md5": "5"}]}
    assert [(o.path, o.same) for o in outputs(RECORDED, now)] == [
        ("outputs/model", True),
        ("outputs/history.csv", False),
    ]
    assert not outputs({"outs": [{"path": "x"}]}, {"outs": [{"path": "x"}]})[0].same, "no hash is no proof"


def metrics(value: float, halfwidth: float = 0.02) -> dict[str, Any]:
    score = {"value": value, "low": value - halfwidth, "high": value + halfwidth, "n": 3}
    return {"test": {"accuracy": score, "per_class": {"1": {"f1": score}}}}


def test_within_tolerance_is_overlap_on_the_same_samples() -> None:
    table, nearly = predictions(SURE), predictions([SURE[0], [0.1, 0.4, 0.5], SURE[2]])
    found = judge(metrics(0.93), metrics(0.95), table, nearly)
    assert found.within
    assert found.agreement is not None
    assert found.agreement.same_class == pytest.approx(2 / 3)
    assert found.agreement.max_difference == pytest.approx(0.12, abs=1e-6)
    assert [metric.name for metric in found.metrics] == ["accuracy"]
    far = judge(metrics(0.93), metrics(0.98), table, nearly)
    assert not far.within
    assert far.why_not == "the 95 % intervals of accuracy do not overlap"
    assert far.as_dict()["agreement"]["n"] == 3


@pytest.mark.parametrize("now", [predictions(SURE, "131"), predictions(SURE[:2], "13")])
def test_on_another_ruler_nothing_is_within_tolerance(now: pa.Table) -> None:
    found = judge(metrics(0.93), metrics(0.93), predictions(SURE), now)
    assert not found.within
    assert found.agreement is None
    assert "test samples" in found.why_not


def test_the_environment_of_a_run_torch_and_numbers_first() -> None:
    recorded = {
        "torch": {"cpu_capability": "AVX512", "threads": 2},
        "machine": {"cores": 2},
        "variables": {},
        "packages": {"aiohttp": "1", "numpy": "2.1", "assay": "0.1", "gone": "1"},
    }
    now = {
        "torch": {"cpu_capability": "DEFAULT", "threads": 2},
        "machine": {"cores": 2},
        "variables": {"OMP_NUM_THREADS": "1"},
        "packages": {"aiohttp": "2", "numpy": "2.2", "assay": "0.2"},
    }
    assert list(map(str, against_run(recorded, now))) == [
        "torch.cpu_capability: AVX512 recorded, DEFAULT now",
        "variables.OMP_NUM_THREADS: none recorded, 1 now",
        "numpy: 2.1 recorded, 2.2 now",
        "aiohttp: 1 recorded, 2 now",
        "gone: 1 recorded, none now",
    ]


def test_the_pins_of_a_commit_one_of_several_is_enough() -> None:
    pins = (
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        "numpy==2.5.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:11\n"
        "torch==2.14.1 \\\n    --hash=sha256:22\nScikit_Learn[x]==1.5 \\\n    --hash=sha256:33\nabsent==1\n"
    )
    fine = {"numpy": "2.5.5", "torch": "2.14.1+cu130", "scikit-learn": "1.5"}
    assert against_pins(pins, fine) == []
    assert list(map(str, against_pins(pins, {**fine, "numpy": "2.3", "scikit-learn": "1.6"}))) == [
        "numpy: 2.4.6 or 2.5.5 recorded, 2.3 now",
        "scikit-learn: 1.5 recorded, 1.6 now",
    ]
