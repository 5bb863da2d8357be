from __future__ import annotations

import numpy as np

from assay.data.annotations import Annotation
from assay.data.edits import Judgement, write_batch


def test_one_image_from_two_files_is_reported_with_both(project, draw, findings):
    project.add("twice", draw(1), label="cat")
    project.add("twice", draw(1), label="cat")
    project.add("once", draw(2), label="cat")
    (found,) = findings("exact_duplicates")
    assert (found["id"], found["score"]) == ("twice", 0.5)
    assert "s:000-twice.png, s:001-twice.png" in found["reason"]


def test_contradicting_labels_are_worse_until_a_person_settles_them(project, draw, findings):
    sample = project.add("twice", draw(1), label="cat")
    project.add("twice", draw(1), label="dog")
    (found,) = findings("exact_duplicates")
    assert found["score"] == 0
    assert "cat by s:000-twice.png, dog by s:001-twice.png" in found["reason"]
    settled = Judgement(
        id=sample, op="label", annotations=[Annotation(category="dog")], by="t", at="2026-01-01"
    )
    write_batch(project.layout.edits, "t", [settled])
    (found,) = findings("exact_duplicates")
    assert found["score"] == 0.5


def test_near_duplicates_are_pairs_and_worse_if_their_labels_differ(project, draw, findings):
    project.add("a", draw(1), label="cat", split="train")
    project.add("b", draw(2), label="cat", split="train")
    project.add("a2", draw(1), "JPEG", label="cat", split="train")
    project.add("b2", draw(2), "JPEG", label="dog", split="train")
    worst, other = findings("near_duplicates")
    assert (worst["id"], worst["related"], worst["score"]) == ("b2", "b", 0)
    assert "labelled dog, not cat" in worst["reason"]
    assert (other["id"], other["related"]) == ("a2", "a")


def test_the_threshold_is_the_params(project, draw, findings):
    project.add("a", draw(1))
    noise = np.random.default_rng(0).normal(0, 25, (64, 64))
    project.add("a2", np.clip(draw(1) + noise, 0, 255).astype(np.uint8))
    assert findings("near_duplicates", near_duplicate=0.999) == []
    assert len(findings("near_duplicates", near_duplicate=0.97)) == 1
