"""What advice takes from the label audit, and what a review of it would find."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.suspects import LIKELY, POSSIBLE, read_judged
from assay.experiments.advice.labelled_data import open_labelled
from assay.experiments.advice.suspects import Suspects, suspected


@pytest.fixture
def found(workshop):
    return suspected(open_labelled(workshop.fill(wrong=0.2)))


def test_they_are_the_audit_s_own(found, workshop):
    judged = read_judged(workshop.layout.audit).to_pylist()
    likely = [row["id"] for row in judged if row["probability"] >= LIKELY and row["looks"] < 2]
    possible = [row for row in judged if row["probability"] >= POSSIBLE and row["looks"] < 2]
    assert found.likely == len(likely)
    assert len(found) == len(possible)
    ids = open_labelled(workshop.layout).ids["train"]
    said = {row["id"]: row["probability"] for row in judged}
    assert found.train.probability.tolist() == [said[ids[row]] for row in found.train.rows]


def test_the_first_are_the_likeliest_of_both_splits(found):
    some = found.first(5)
    assert len(some) >= 5
    least = min([*some.train.probability, *some.val.probability])
    assert len(some) == sum((split.probability >= least).sum() for split in (found.train, found.val))
    assert len(found.first(0)) == 0


def test_a_review_finds_wrong_what_is_wrong_as_often_as_it_is_likely():
    """What is right stays as it is: a suspect with 0.3 is relabelled in three reviews of ten."""
    classes = np.array(["b", "b"], object)
    said = np.array([["a", "b"], ["a", "b"]], object)
    chances = np.array([1.0, 0.3])
    some = Suspects(np.array([0, 2]), classes, chances, said, lambda label, suggested: suggested[-1])
    given = np.array(["a", "a", "a"], object)
    seeds = [np.random.default_rng(k) for k in range(500)]
    labels = np.stack([some.found_wrong(rng).corrected(given) for rng in seeds]) == "b"
    assert (labels[:, 0] == 1).all()
    assert (labels[:, 1] == 0).all()
    assert labels[:, 2].mean() == pytest.approx(0.3, abs=0.06)
