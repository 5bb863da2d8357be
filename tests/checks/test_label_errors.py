from __future__ import annotations

import numpy as np

from assay.checks import label_errors
from assay.data.annotations import Annotation
from assay.data.edits import Judgement, write_batch


def test_wrong_labels_are_found_and_the_test_set_is_left_alone(zoo, findings):
    rows = findings("label_errors")
    assert {row["id"] for row in rows} == {"p4", "p9"}
    assert all(row["is_issue"] and row["score"] < 0.5 for row in rows)
    (along,) = (row for row in rows if row["id"] == "p4")
    assert along["reason"].startswith("labelled 'across', looks like 'along': of its ")


def test_a_label_that_was_looked_at_again_and_stands_is_no_issue(zoo, findings):
    findings("label_errors")
    sample = zoo.names["p4"]
    again = Judgement(
        id=sample, op="label", annotations=[Annotation(category="across")], by="t", at="2026-01-01"
    )
    write_batch(zoo.layout.edits, "t", [again])
    rows = {row["id"]: row for row in findings("label_errors")}
    assert not rows["p4"]["is_issue"]
    assert "(labelled 2 times)" in rows["p4"]["reason"]
    assert rows["p9"]["is_issue"]


def test_the_table_has_every_label_that_was_judged(zoo, looked_into):
    table = label_errors.detail(looked_into())
    assert len(table) == 58
    assert table["probability"].to_pylist() == sorted(table["probability"].to_pylist(), reverse=True)
    assert set(table["split"].to_pylist()) == {"train", "val"}
    assert set(table["id"].to_pylist()[:2]) == {zoo.names["p4"], zoo.names["p9"]}


def test_an_image_of_another_kind_is_an_outlier(project, draw, findings):
    for n in range(60):
        grain = np.random.default_rng(n).normal(0, 20, (64, 64))
        look = np.clip(draw(n % 2).astype(float) + grain, 0, 255).astype(np.uint8)
        project.add(f"p{n}", look, label="ab"[n % 2], split="train")
    project.add("strange", draw(7), label="a", split="train")
    (found,) = findings("outliers")
    assert (found["id"], found["is_issue"]) == ("strange", True)
    assert found["score"] < 0.5
    assert "times as far from its nearest images" in found["reason"]
