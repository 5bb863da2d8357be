from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import plugins
from assay.strategies import Candidates, auto, entropy, margin, uncertainty
from assay.strategies._batch import balanced, choose, diverse, predicted

NAMES = [name for name in plugins.names("strategies") if name != "kcenter"]


def skewed(n: int = 400, seed: int = 0) -> Candidates:
    """Two classes as predicted, a tenth of them of the second; twenty labels, all of the first."""
    rng = np.random.default_rng(seed)
    rare = rng.random(n) < 0.1
    sure = rng.uniform(0.5, 1, n).astype(np.float32)
    probabilities = np.stack([np.where(rare, 1 - sure, sure), np.where(rare, sure, 1 - sure)], axis=1)
    labelled = np.arange(n) < 20
    return Candidates(
        rng.normal(size=(n, 4)).astype(np.float32),
        probabilities,
        labelled,
        np.ones(n, np.float32),
        np.where(labelled, 0, -1),
        doubt=2 - 2 * sure,
    )


def ask(strategy, pool, budget, **settings):
    return choose(strategy, pool, budget, np.random.default_rng(0), {}, **settings)


def test_without_a_wish_it_is_the_strategys_own_choice():
    pool = skewed()
    assert ask(margin, pool, 30).tolist() == margin.select(pool, 30, np.random.default_rng(0)).tolist()


def test_balance_asks_about_the_class_that_lacks_labels():
    pool = skewed()
    plain, even = ask(margin, pool, 30), ask(margin, pool, 30, balance=True)
    rare = pool.probabilities.argmax(axis=1) == 1
    assert rare[plain].mean() < 0.3
    assert rare[even[:20]].all()  # until they are level
    assert rare[even].sum() == 25


def test_within_a_class_the_ranking_stays():
    pool = skewed()
    ranking = margin.select(pool, 200, np.random.default_rng(0))
    order = balanced(pool, ranking)
    for c in (0, 1):
        of_class = [row for row in order.tolist() if pool.probabilities[row].argmax() == c]
        assert of_class == [row for row in ranking.tolist() if pool.probabilities[row].argmax() == c]


def test_diversity_takes_one_of_each_cluster_first():
    rng = np.random.default_rng(0)
    middles = 20 * rng.normal(size=(10, 3))
    which = np.repeat(np.arange(10), 30)
    X = (middles[which] + 0.1 * rng.normal(size=(300, 3))).astype(np.float32)
    doubt = np.where(which < 3, 0.5, 0.6) + 0.01 * rng.random(300)  # three clusters lead the ranking
    probabilities = np.stack([doubt, 1 - doubt], axis=1).astype(np.float32)
    pool = Candidates(X, probabilities, np.zeros(300, bool), np.ones(300, np.float32))
    assert len(set(which[ask(margin, pool, 10)])) <= 3
    assert len(set(which[ask(margin, pool, 10, diversity=30)])) >= 5


@pytest.mark.parametrize("name", NAMES)
@given(
    seed=st.integers(0, 50),
    budget=st.integers(1, 30),
    balance=st.booleans(),
    diversity=st.sampled_from([1, 3]),
)
@settings(max_examples=8, deadline=None)
def test_every_strategy_can_be_balanced_and_diverse_within_the_budget(name, seed, budget, balance, diversity):
    pool = skewed(60, seed)
    pool = dataclasses.replace(
        pool, costs=np.random.default_rng(seed).choice([1, 2.5], 60).astype(np.float32)
    )
    picks = ask(plugins.load("strategies", name), pool, budget, balance=balance, diversity=diversity)
    assert len(set(picks.tolist())) == len(picks)
    assert not pool.labelled[picks].any()
    assert budget - 2.5 < pool.costs[picks].sum() <= budget or len(picks) == 40


def test_the_control_arm_keeps_its_places():
    pool = dataclasses.replace(skewed(), draws=np.random.default_rng(1).random(400))
    labelled = np.random.default_rng(2).random(400) < 0.2
    pool = dataclasses.replace(pool, labelled=labelled, targets=np.where(labelled, np.arange(400) % 2, -1))
    plain = auto.select(pool, 60, np.random.default_rng(0))
    shaped = ask(auto, pool, 60, balance=True)
    arms = [picks[auto.fixed(pool, picks)].tolist() for picks in (plain, shaped)]
    assert arms[0] == arms[1] != []


def test_without_predictions_a_probe_predicts_and_without_labels_nothing_is_balanced():
    pool = dataclasses.replace(skewed(), probabilities=None)
    assert predicted(pool, pool.unlabelled) is None  # one class only
    assert balanced(pool, pool.unlabelled).tolist() == pool.unlabelled.tolist()
    two = dataclasses.replace(pool, targets=np.where(pool.labelled, np.arange(400) % 2, -1))
    assert set(predicted(two, two.unlabelled).tolist()) == {0, 1}


def test_nothing_to_choose_from_is_no_error():
    pool = skewed(20)
    assert ask(entropy, pool, 5, balance=True, diversity=2).tolist() == []
    assert diverse(pool, np.zeros(0, np.int64), 5, 0).tolist() == []


def crowded(champion: bool = True) -> Candidates:
    """300 images with five cells and, on every tenth, one parasite; ten labelled ones without a parasite, but one."""
    n, rng = 300, np.random.default_rng(0)
    parasites = np.arange(n) % 10 == 1
    objects = np.stack([np.full(n, 5.0), parasites * 0.9 + 0.01], axis=1)
    labelled = np.arange(n) < 10
    objects[labelled] = np.stack([np.full(10, 5.0), parasites[:10]], axis=1)
    if not champion:
        objects[~labelled] = np.nan
    places = rng.normal(size=(n, 3)) + 30.0 * parasites[:, None]
    doubt = rng.random(n).astype(np.float32)
    return Candidates(
        places.astype(np.float32), None, labelled, np.ones(n, np.float32), doubt=doubt, objects=objects
    )


@pytest.mark.parametrize("champion", [True, False])
def test_images_with_objects_of_a_rare_class_come_first(champion):
    pool = crowded(champion)
    plain, even = ask(uncertainty, pool, 20), ask(uncertainty, pool, 20, balance=True)
    rare = np.arange(300) % 10 == 1
    assert rare[plain].sum() < 6
    assert rare[even].all()
    assert pool.doubt[even].tolist() == sorted(pool.doubt[even].tolist(), reverse=True)


def test_objects_are_levelled_and_images_without_any_come_last():
    pool = crowded()
    pool.objects[10:20] = 0
    pool.objects[0] = [0, 60]  # more than enough parasites
    pool.objects[20:] = np.where(np.arange(280)[:, None] % 2, [[0, 2.0]], [[1.0, 0]])
    order = balanced(pool, pool.unlabelled)
    assert (order[:15] % 2 == 0).all(), "15 cells fewer"
    assert order[-10:].tolist() == list(range(10, 20))
    assert sorted(order.tolist()) == pool.unlabelled.tolist()


def test_without_labels_and_a_champion_objects_are_not_balanced():
    pool = crowded(champion=False)
    nothing = dataclasses.replace(pool, labelled=np.zeros(300, bool), objects=np.full((300, 2), np.nan))
    assert balanced(nothing, nothing.unlabelled).tolist() == nothing.unlabelled.tolist()
