"""Consensus of classes: invariants, people with known errors, and intervals of their accuracy."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.agreement import dawid_skene
from assay.agreement.consensus import beliefs_of, consensus, reliability
from assay.agreement.likelihood import Cast
from assay.agreement.votes import Votes, from_rows
from tests.agreement.people import LURE, simulated

METHODS = ("majority", "dawid_skene", "combined", "crowdlab")


def even(votes: Votes) -> np.ndarray:
    return np.full((len(votes.ids), len(votes.classes)), 1 / len(votes.classes))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 4)), min_size=1, max_size=12))
def test_the_consensus_of_unanimous_labels_is_that_label(images):
    rows = [(f"{i:02d}", "ABCD"[p], label) for i, (label, many) in enumerate(images) for p in range(many)]
    votes = from_rows(rows)
    for method in METHODS[:3]:
        found = consensus(votes, method, even(votes))
        assert [votes.classes[k] for k in found.classes] == [label for label, _ in images]


@settings(deadline=None, max_examples=20)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 9), st.sampled_from("ABCD")), st.sampled_from("xyz"), min_size=1
    ),
    st.permutations("ABCD"),
)
def test_names_of_people_change_nothing(said, names):
    renamed = dict(zip("ABCD", names, strict=True))
    rows = [(str(image), person, label) for (image, person), label in said.items()]
    votes, moved = from_rows(rows), from_rows([(i, renamed[p], label) for i, p, label in rows])
    for method in METHODS[:3]:
        a, b = (consensus(one, method, even(one)) for one in (votes, moved))
        np.testing.assert_allclose(a.posterior, b.posterior, atol=1e-6)
        order = [moved.people.index(renamed[person]) for person in votes.people]
        np.testing.assert_allclose(a.fit.accuracy, b.fit.accuracy[order], atol=1e-6)


def test_a_reliable_person_outweighs_two_that_guess_where_the_majority_does_not():
    votes, right, _ = simulated([0.95, 0.45, 0.45], images=600, classes=4, seed=0)
    wrong = {m: (consensus(votes, m).classes != right).mean() for m in METHODS[:2]}
    assert wrong["dawid_skene"] < 0.11 < 0.2 < wrong["majority"]


def test_beliefs_of_a_model_decide_where_people_cannot():
    votes, right, rng = simulated([0.6, 0.6], images=800, classes=3, seed=1)
    beliefs = np.where(
        np.arange(3) == np.where(rng.random(800) < 0.9, right, rng.integers(0, 3, 800))[:, None], 0.8, 0.1
    )
    wrong = {m: (consensus(votes, m, beliefs).classes != right).mean() for m in METHODS}
    assert wrong["combined"] < 0.1 < wrong["dawid_skene"]
    assert wrong["crowdlab"] < wrong["dawid_skene"]


def test_two_people_do_not_show_who_is_right_and_their_differences_stay_open():
    votes, right, _ = simulated([0.9, 0.7], images=400, classes=4, seed=0)
    found = consensus(votes, "dawid_skene")
    agreed = votes.counts.max(1) == 2
    assert found.sure[agreed].min() > 0.8 > 0.75 > found.sure[~agreed].max()
    assert [row["value"] for row in reliability(votes, found, 0)] == [None, None]
    beliefs = np.where(np.arange(4) == right[:, None], 0.7, 0.1)
    told = reliability(votes, consensus(votes, "combined", beliefs), 0)
    assert told[0]["value"] > told[1]["value"]


def test_two_people_keep_a_rare_class_that_both_have_given():
    """The shares of the classes were fitted: the rare class vanished, as if one of two coins were always heads."""
    rows = [("x", "x")] * 109 + [("y", "y")] * 8 + [("x", "y")] * 33 + [("y", "x")] * 33
    votes = from_rows(
        [(f"{i:03d}", p, k) for i, pair in enumerate(rows) for p, k in zip("AB", pair, strict=True)]
    )
    found = consensus(votes, "dawid_skene")
    assert (found.classes == 1).sum() == 8


def test_a_consensus_of_one_class_teaches_no_model():
    votes = from_rows(
        [(f"{i:02d}", p, "y" if i == 0 and p == "C" else "x") for i in range(50) for p in "ABC"]
    )
    vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert beliefs_of(votes, vectors, np.arange(50), 0) is None


def test_few_votes_of_a_person_say_little_about_them():
    votes, _, _ = simulated([0.8, 0.8, 0.8], images=300, classes=3, seed=2)
    rows = [
        (votes.ids[i], votes.people[p], votes.classes[k])
        for i, p, k in zip(votes.images, votes.persons, votes.labels, strict=True)
    ]
    one_wrong = from_rows([*rows, (votes.ids[0], "Z", next(c for c in votes.classes if c != rows[0][2]))])
    said = reliability(one_wrong, consensus(one_wrong, "dawid_skene"), seed=0)[-1]
    assert said["n"] == 1
    assert 0.5 < said["value"] < 0.9
    assert said["high"] - said["low"] > 0.25


@pytest.mark.parametrize("lured", [0.0, 0.1])
def test_intervals_of_the_accuracy_hold_it_whether_people_err_together_or_not(lured):
    held, accuracy = [], (0.9, 0.75, 0.7)
    for seed in range(3):
        votes, _, _ = simulated(accuracy, images=200, classes=4, seed=seed, lured=lured)
        rows = reliability(votes, consensus(votes, "dawid_skene"), seed=0)
        truth = [one * (1 - lured * LURE) for one in accuracy]
        held += [row["low"] <= a <= row["high"] for row, a in zip(rows, truth, strict=True)]
    assert sum(held) >= 7  # of 9


def test_a_posterior_that_takes_errors_for_independent_is_surer_than_it_is_right():
    votes, right, _ = simulated([0.85] * 3, images=1500, classes=4, seed=0, lured=0.05)
    alone, whole = dawid_skene.fit(votes, common=[0.0]), dawid_skene.fit(votes)
    too_sure = [
        one.posterior.max(1).mean() - (one.posterior.argmax(1) == right).mean() for one in (alone, whole)
    ]
    assert too_sure[0] > 0.025
    assert abs(too_sure[1]) < too_sure[0] / 2


def test_the_likelihood_of_votes_in_common_sums_to_one_and_has_no_order():
    classes, votes = 3, list(product(range(3), repeat=3))
    rows = [(f"{i:02d}", "ABC"[p], "xyz"[k]) for i, one in enumerate(votes) for p, k in enumerate(one)]
    base = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    prior = np.log(np.tile([0.5, 0.3, 0.2], (len(votes), 1)))
    for beliefs in (None, prior):
        likely = np.exp(Cast.of(from_rows(rows)).together(base, beliefs))
        np.testing.assert_allclose(likely.sum(0), np.ones(classes))
        for one, other in permutations(range(len(votes)), 2):
            if sorted(votes[one]) == sorted(votes[other]):
                np.testing.assert_allclose(likely[one], likely[other])


def test_the_same_seed_gives_the_same_intervals():
    votes, _, _ = simulated([0.9, 0.7, 0.7], images=50, classes=3, seed=0)
    found = consensus(votes, "dawid_skene")
    assert reliability(votes, found, 0) == reliability(votes, found, 0) != reliability(votes, found, 1)
