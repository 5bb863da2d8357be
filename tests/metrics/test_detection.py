"""What detections come to, by image, class and size."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.metrics.detected import BY_SIZE, Detected
from assay.metrics.detection import judge
from assay.metrics.judged import compare, measure
from assay.tasks.detection import in_words

CLASSES = ("RBC", "WBC", "platelets")


def labels_of(images: list[list[tuple]]) -> list[str]:
    return [
        json.dumps(
            [
                {"bbox": box, "category": name, **({"iscrowd": True} if any(crowd) else {})}
                for name, box, *crowd in image
            ]
        )
        for image in images
    ]


def table_of(images: list[list[tuple]], known: tuple[str, ...] = CLASSES) -> pa.Table:
    """Predictions, each (class, box, score), as predictions.parquet holds them."""
    places = [[known.index(name) for name, _, _ in image] for image in images]
    return pa.table(
        {
            "predicted": [in_words(found, known) for found in places],
            "boxes": pa.array(
                [[box for _, box, _ in i] for i in images], pa.list_(pa.list_(pa.float32(), 4))
            ),
            "scores": pa.array([[score for *_, score in i] for i in images], pa.list_(pa.float32())),
            "classes": pa.array(places, pa.list_(pa.int32())),
        }
    )


def drawn(n: int, seed: int, skill: float = 0.7) -> tuple[pa.Table, list[str]]:
    """Images of up to five objects; a model finds them, some twice or of the wrong class, and what is not there."""
    rng, truth, said = np.random.default_rng(seed), [], []
    for _ in range(n):
        boxes = [(*rng.uniform(0, 80, 2), *rng.uniform(8, 60, 2)) for _ in range(rng.integers(0, 6))]
        names = rng.choice(CLASSES, len(boxes)).tolist()
        truth.append([(name, box, rng.random() < 0.1) for name, box in zip(names, boxes, strict=True)])
        said.append(
            [
                (
                    name if rng.random() < skill else str(rng.choice(CLASSES)),
                    tuple(box + rng.normal(0, 3, 4)),
                    score,
                )
                for name, box in zip(names, boxes, strict=True)
                for score in rng.integers(1, 20, rng.integers(1, 3)) / 20
            ]
            + [
                ("RBC", (*rng.uniform(0, 80, 2), 9.0, 9.0), rng.uniform(0, 0.6))
                for _ in range(rng.integers(0, 3))
            ]
        )
    return table_of(said), labels_of(truth)


def judged(n: int = 12, seed: int = 0) -> Detected:
    table, labels = drawn(n, seed)
    return judge(table, CLASSES, labels, CLASSES)


@settings(max_examples=10, deadline=None)
@given(weights=st.lists(st.integers(0, 3), min_size=12, max_size=12).filter(any))
def test_weights_are_how_often_an_image_is_there(weights):
    one, copies = judged(), np.repeat(np.arange(12), weights)
    again, wanted = one.take(copies), np.array([weights] * 2, np.float32)
    for metric, values in one.values(wanted).items():
        assert values == pytest.approx(np.repeat(again.values()[metric], 2), abs=1e-6, nan_ok=True)
    for metric, values in one.of_classes(wanted).items():
        assert values[0] == pytest.approx(again.of_classes()[metric][0], abs=1e-6, nan_ok=True)
    assert one.of_sizes(wanted)[0] == pytest.approx(again.of_sizes()[0], abs=1e-6, nan_ok=True)
    assert again.quality == pytest.approx(one.quality[copies])
    assert again.words == [one.words[k] for k in copies]


def test_metrics_have_intervals_and_a_model_is_no_better_than_itself():
    one, rows = judged(40), measure(judged(40), 200, 0)
    assert tuple(rows) == one.METRICS
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in rows.values())
    assert rows["ap50"]["value"] > rows["ap"]["value"] > rows["ap75"]["value"] > 0
    assert {row["value"] for row in compare(one, one, 200, 0)["difference"].values()} == {0.0}
    assert measure(one.take(np.arange(0)), 200, 0)["ap"] == {"value": None, "low": None, "high": None, "n": 0}


def test_the_quality_of_an_image_is_its_f1_from_the_best_score_on():
    box, far = (10.0, 10.0, 20.0, 20.0), (60.0, 60.0, 20.0, 20.0)
    truth = [[("RBC", box), ("WBC", far)], [], [("RBC", box)], [], [("WBC", far)]]
    said = [[("RBC", box, 0.9)], [], [("RBC", far, 0.8)], [("RBC", box, 0.1)], [("WBC", far, 0.7)]]
    one = judge(table_of(said), CLASSES, labels_of(truth), CLASSES)
    assert one.threshold == pytest.approx(0.7)
    assert one.quality.tolist() == pytest.approx([2 / 3, 1, 0, 1, 1])
    assert one.confidence == pytest.approx([0.9, np.nan, 0.8, np.nan, 0.7], nan_ok=True)
    assert one.take([3]).quality.tolist() == [1]
    assert one.words == ["1 RBC", "nothing", "1 RBC", "nothing", "1 WBC"], "of a score from the threshold on"


def test_what_is_in_a_crowd_counts_neither_way():
    box, inside = (0.0, 0.0, 80.0, 80.0), (10.0, 10.0, 20.0, 20.0)
    said = table_of([[("RBC", inside, 0.9), ("RBC", inside, 0.8), ("WBC", inside, 0.7)]])
    one = judge(said, CLASSES, labels_of([[("RBC", box, True), ("WBC", inside)]]), CLASSES)
    values = {name: float(value[0]) for name, value in one.values().items()}
    assert values == pytest.approx(dict.fromkeys(one.METRICS, 1.0) | {"d_ece": 0.3})


def test_classes_and_sizes_have_estimates_of_their_own():
    one = judged(40)
    classes, sizes = one.per_class(CLASSES), one.per_size()
    assert tuple(classes) == CLASSES
    assert all(row["ap"]["low"] <= row["ap"]["value"] <= row["ap50"]["value"] for row in classes.values())
    assert sum(row["ap"]["n"] for row in classes.values()) == one.matched.wanted.sum()
    assert list(sizes) == BY_SIZE
    assert sizes["large"] == {"value": None, "low": None, "high": None, "n": 0}
    assert classes == one.per_class(CLASSES)


def test_scores_are_calibrated_where_that_share_of_detections_is_right():
    """Four detections of score .75, three of them right; one of score .3 that is not."""
    box, far = (10.0, 10.0, 20.0, 20.0), (60.0, 60.0, 20.0, 20.0)
    said = [[("RBC", place, 0.75)] for place in (box, box, box, far)] + [[("WBC", far, 0.3)]]
    one = judge(table_of(said), CLASSES, labels_of([[("RBC", box)]] * 5), CLASSES)
    assert one.values()["d_ece"] == pytest.approx(0.3 / 5)


def test_a_model_of_other_classes_is_held_against_all_of_them():
    box, known = (10.0, 10.0, 20.0, 20.0), ("WBC", "RBC")
    said = table_of([[("RBC", box, 0.9)], [("WBC", box, 0.9)]], known)
    one = judge(said, known, labels_of([[("RBC", box)], [("platelets", box)]]), CLASSES)
    assert one.of_classes()["ap50"][0] == pytest.approx([1, np.nan, 0], nan_ok=True)
    assert (
        one.content
        != judge(said, known[::-1], labels_of([[("RBC", box)], [("platelets", box)]]), CLASSES).content
    )


def test_no_predictions_and_no_objects():
    nothing = judge(table_of([[], []]), CLASSES, labels_of([[], []]), CLASSES)
    assert all(np.isnan(value[0]) for value in nothing.values().values())
    assert nothing.quality.tolist() == [1, 1]
    missed = judge(table_of([[]]), CLASSES, labels_of([[("RBC", (1, 1, 5, 5))]]), CLASSES)
    values = {name: float(value[0]) for name, value in missed.values().items()}
    assert values == pytest.approx(dict.fromkeys(missed.METRICS, 0.0) | {"d_ece": np.nan}, nan_ok=True)
    assert missed.quality.tolist() == [0]
