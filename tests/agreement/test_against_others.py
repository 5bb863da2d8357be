"""Each person against the consensus of the others."""

from __future__ import annotations

import numpy as np
import pytest

from assay.agreement.against_others import of_objects, of_votes
from assay.agreement.votes import from_rows
from assay.data.annotations import Annotation
from tests.agreement.people import simulated

SIZE = (100, 100)


def box(category: str, *bbox: float) -> Annotation:
    return Annotation(category=category, bbox=bbox)


def test_a_vote_counts_by_its_share_of_the_most_frequent_classes_of_the_others():
    said = {"1": "xxx", "2": "xyz", "3": "yxx"}
    votes = from_rows([(image, "ABC"[p], k) for image, all_ in said.items() for p, k in enumerate(all_)])
    found = of_votes(votes)
    assert [row["value"] for row in found] == pytest.approx([1 / 3, 1 / 2, 1 / 2])
    # A: 1, 0, 0; B and C: 1, 0, one of the two tied classes
    assert [row["n"] for row in found] == [3, 3, 3]


def test_a_person_alone_has_no_others():
    (alone,) = of_votes(from_rows([("1", "A", "x"), ("2", "A", "y")]))
    assert alone == {"value": None, "low": None, "high": None, "n": 0}


def test_people_come_in_the_order_of_their_accuracy():
    votes, _, _ = simulated([0.95, 0.8, 0.6], images=800, classes=4, seed=0, lured=0.1)
    found = of_votes(votes)
    assert found[0]["value"] > found[1]["value"] > found[2]["value"]
    assert found[0]["low"] > found[2]["high"]


def test_objects_of_a_person_against_those_that_the_others_marked():
    one, two, own = box("x", 0, 0, 10, 10), box("x", 30, 0, 10, 10), box("x", 60, 0, 10, 10)
    words = {
        "1": {"A": [one, two], "B": [one, two], "C": [box("y", 0, 0, 10, 5), own]},
        "2": {"A": [one], "B": [one], "C": [one]},
        "3": {"C": [one]},
    }
    ann, bob, cid = of_objects(words, dict.fromkeys(words, SIZE))
    assert (cid["person"], cid["images"]) == ("C", 2), "an image of C alone says nothing"
    assert (cid["recall"]["value"], cid["recall"]["n"]) == (pytest.approx(2 / 3), 3)
    assert (cid["precision"]["value"], cid["precision"]["n"]) == (pytest.approx(2 / 3), 3)
    assert cid["overlap"]["value"] == pytest.approx(0.75)
    assert cid["classes"]["value"] == 0.5
    assert ann["recall"]["value"] == 1.0, "of B and C both"
    assert ann["precision"]["value"] == 1.0, "the second object has B, half of the others"
    assert {**ann, "person": "B"} == bob


def test_nobody_marked_anything():
    (ann, _) = of_objects({str(i): {"A": [], "B": []} for i in range(3)}, dict.fromkeys("012", SIZE))
    assert (ann["recall"]["value"], ann["recall"]["n"], ann["images"]) == (None, 0, 3)


def test_the_interval_of_a_recall_holds_what_many_images_have():
    def marked(images: int, rng: np.random.Generator) -> dict[str, dict[str, list[Annotation]]]:
        notes = [box("x", 20 * at, 0, 10, 10) for at in range(4)]
        found = {p: rng.random((images, 4)) < rate for p, rate in (("A", 0.7), ("B", 0.95), ("C", 0.95))}
        return {
            f"{i:04d}": {
                p: [n for n, is_there in zip(notes, found[p][i], strict=True) if is_there] for p in "ABC"
            }
            for i in range(images)
        }

    held = []
    for seed in range(12):
        words = marked(25, np.random.default_rng(seed))
        recall = of_objects(words, dict.fromkeys(words, SIZE))[0]["recall"]
        held.append(recall["low"] <= 0.7 <= recall["high"])
    assert sum(held) >= 9
