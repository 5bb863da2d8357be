"""Consensus of classes: invariants, people with known errors, and intervals of their accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.agreement.consensus import consensus, reliability
from assay.agreement.votes import Votes, from_rows
from tests.agreement.people import simulated

METHODS = ("majority", "dawid_skene", "combined", "crowdlab")


def even(votes: Votes) -> np.ndarray:
    return np.full((len(votes.ids), len(votes.classes)), 1 / len(votes.classes))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 4)), min_size=1, max_size=12))
def test_the_consensus_of_unanimous_labels_is_that_label(images):
    rows = [(f"{i:02d}", "ABCD"[p], label) for i, (label, many) in enumerate(images) for p in range(many)]
    votes = from_rows(rows)
    for method in METHODS[:3]:
        found = consensus(votes, method, even(votes))
        assert [votes.classes[k] for k in found.classes] == [label for label, _ in images]


@settings(deadline=None, max_examples=40)
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


@pytest.mark.parametrize("accuracy", [[0.9, 0.75, 0.6]])
def test_intervals_of_the_accuracy_hold_it(accuracy):
    held = []
    for seed in range(15):
        votes, _, _ = simulated(accuracy, images=250, classes=4, seed=seed)
        rows = reliability(votes, consensus(votes, "dawid_skene"), seed=0)
        held += [row["low"] <= a <= row["high"] for row, a in zip(rows, accuracy, strict=True)]
    assert sum(held) >= 36  # of 45


def test_the_same_seed_gives_the_same_intervals():
    votes, _, _ = simulated([0.9, 0.7, 0.7], images=50, classes=3, seed=0)
    found = consensus(votes, "dawid_skene")
    assert reliability(votes, found, 0) == reliability(votes, found, 0) != reliability(votes, found, 1)
