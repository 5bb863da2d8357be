from __future__ import annotations

import numpy as np
import pytest

from assay.strategies import Candidates, entropy, least_confidence, margin, random, uncertainty

P = np.array([[0.9, 0.1, 0], [0.4, 0.35, 0.25], [0.5, 0.5, 0], [0.34, 0.33, 0.33]], np.float32)


def pool(probabilities, labelled=()) -> Candidates:
    n = len(probabilities)
    known = np.isin(np.arange(n), labelled)
    return Candidates(np.empty((n, 0), np.float32), probabilities, known, np.ones(n, np.float32))


RNG = np.random.default_rng(0)


def test_margin_asks_where_two_classes_are_closest():
    assert margin.select(pool(P), 3, RNG).tolist() == [2, 3, 1]
    told = margin.explain(pool(P), np.array([1]), ["cat", "dog", "emu"])
    assert told == [(pytest.approx(0.05), "margin 0.05 between cat and dog")]


def test_entropy_asks_where_all_classes_are_close():
    assert entropy.select(pool(P), 4, RNG).tolist() == [3, 1, 2, 0]
    assert entropy.entropies(P)[2] == pytest.approx(np.log(2))
    (score, sentence), *_ = entropy.explain(pool(P), np.array([2]), ["cat", "dog", "emu"])
    assert score == pytest.approx(np.log(2))
    assert sentence == "entropy 0.69 of at most 1.10: perhaps cat or dog"


def test_least_confidence_asks_where_the_likeliest_class_is_unlikely():
    assert least_confidence.select(pool(P), 4, RNG).tolist() == [3, 1, 2, 0]
    told = least_confidence.explain(pool(P), np.array([1]), ["cat", "dog", "emu"])
    assert told == [(pytest.approx(0.6), "confidence 0.40: perhaps cat")]


def test_what_the_champion_doubts_most_comes_first_whatever_the_task():
    doubt = np.array([0.1, 0.9, np.nan, 0.4], np.float32)
    known, costs = np.isin(np.arange(4), 2), np.ones(4, np.float32)
    asked = Candidates(np.empty((4, 0), np.float32), None, known, costs, doubt=doubt)
    assert uncertainty.select(asked, 4, RNG).tolist() == [1, 3, 0]
    assert uncertainty.explain(asked, np.array([1]), []) == [(pytest.approx(0.9), "doubt 0.90 of at most 1")]
    with pytest.raises(ValueError, match="needs the doubt"):
        uncertainty.select(pool(P), 1, RNG)


def test_ties_go_to_the_earlier_row():
    same = np.full((5, 2), 0.5, np.float32)
    assert margin.select(pool(same, labelled=[1]), 3, RNG).tolist() == [0, 2, 3]
    assert entropy.select(pool(same), 2, RNG).tolist() == [0, 1]


def test_without_probabilities_they_refuse():
    with pytest.raises(ValueError, match="needs the probabilities"):
        margin.select(Candidates(P, None, np.zeros(4, bool), np.ones(4, np.float32)), 1, RNG)


def test_stratified_every_kind_of_image_gets_its_share():
    rng = np.random.default_rng(0)
    kind = (np.arange(1000) < 100).astype(int)  # a tenth of a kind of its own
    X = (rng.normal(size=(1000, 3)) + 30 * kind[:, None]).astype(np.float32)
    known = np.arange(1000) % 100 == 0
    unlabelled = Candidates(X, None, np.zeros(1000, bool), np.ones(1000, np.float32))
    taught = Candidates(X, None, known, np.ones(1000, np.float32), np.where(known, kind, -1))
    for pool_ in (unlabelled, taught):
        for seed in range(5):
            picks = random.select(pool_, 60, np.random.default_rng(seed), stratified=True)
            assert [int(kind[picks[:many]].sum()) for many in (20, 60)] == [
                pytest.approx(2, abs=1.5),
                pytest.approx(6, abs=2.5),
            ]
    order = [random.select(taught, 99, np.random.default_rng(s), stratified=True).tolist() for s in (0, 0, 1)]
    assert order[0] == order[1] != order[2]


def test_random_is_uniform_and_a_new_label_does_not_reshuffle_the_rest():
    def draw(seed, labelled=()):
        return random.select(pool(P, labelled), 4, np.random.default_rng(seed)).tolist()

    first = np.bincount([draw(seed)[0] for seed in range(400)], minlength=4)
    assert first.min() > 60
    order = draw(7)
    assert draw(7, labelled=[order[1]]) == [order[0], *order[2:]]
