from __future__ import annotations

import pytest

from assay.data.edits import Judgement, write_batch


def judge(project, name, op, **payload):
    judgement = Judgement(id=project.names[name], op=op, by="t", at="2026-01-01", **payload)
    write_batch(project.layout.edits, "t", [judgement])


@pytest.mark.parametrize(
    ("first", "second", "told_on"), [("train", "test", "a"), ("test", "val", "b"), ("val", "train", "b")]
)
def test_a_near_duplicate_in_another_split_is_told_on_the_less_protected(
    project, draw, findings, first, second, told_on
):
    project.add("a", draw(1), split=first)
    project.add("b", draw(1), "JPEG", split=second)
    (leak,) = findings("leakage")
    assert leak["id"] == told_on
    assert {leak["id"], leak["related"]} == {"a", "b"}
    assert leak["is_issue"]
    for part in (first, second, project.names["a"][:12], project.names["b"][:12], "almost the same"):
        assert part in leak["reason"]


def test_a_newcomer_without_a_split_follows_and_does_not_leak(project, draw, findings):
    for n in range(12):
        project.add(f"p{n}", draw(n))
        project.add(f"copy{n}", draw(n), "JPEG")
    assert findings("leakage") == []


def test_a_newcomer_that_bridges_two_splits_is_a_leak(project, draw, findings):
    project.add("a", draw(1), "BMP", split="train")
    project.add("b", draw(1), "PNG", split="test")
    project.add("bridge", draw(1), "JPEG")
    assert {(leak["id"], leak["related"]) for leak in findings("leakage")} == {("a", "b"), ("bridge", "b")}


def test_a_group_in_two_splits_is_a_leak(project, draw, findings):
    for name, split in (("a", "train"), ("b", "train"), ("c", "test")):
        project.add(name, draw(ord(name)), split=split, group="patient 7")
    leaks = findings("leakage")
    assert {(leak["id"], leak["related"]) for leak in leaks} == {("a", "c"), ("b", "c")}
    assert "one group, 'patient 7'" in leaks[0]["reason"]


def test_one_image_claimed_for_two_splits_leaks_until_somebody_settles_it(project, draw, findings):
    project.add("one", draw(1), split="train")
    project.add("one", draw(1), split="test")
    (leak,) = findings("leakage")
    assert (leak["id"], leak["related"]) == ("one", None)
    assert "train and test" in leak["reason"]
    judge(project, "one", "split", split="train")
    assert findings("leakage") == []


def test_an_excluded_copy_does_not_leak(project, draw, findings):
    project.add("a", draw(1), split="train")
    project.add("b", draw(1), "JPEG", split="test")
    judge(project, "a", "exclude")
    assert findings("leakage") == []
