from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from assay.strategies import Candidates, auto, draws_of
from assay.strategies._arms import compare, control_arm
from assay.strategies.uncertainty_herding import uncertainty


def blobs(n: int = 900, classes: int = 3, d: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, d) overlapping clouds, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return (rng.normal(size=(n, d)) + 1.5 * np.eye(classes, d)[y]).astype(np.float32), y


def pool_of(X, y, labelled, seed=0) -> Candidates:
    draws = np.random.default_rng([seed, 7]).random(len(X))
    return Candidates(X, None, labelled, np.ones(len(X), np.float32), np.where(labelled, y, -1), draws)


def rounds(X, y, budgets, **options) -> tuple[Candidates, list[np.ndarray]]:
    """Ask, answer, ask again."""
    labelled, asked = np.zeros(len(X), bool), []
    for budget in budgets:
        picks = auto.select(pool_of(X, y, labelled), budget, np.random.default_rng(0), **options)
        asked.append(picks)
        labelled = labelled | np.isin(np.arange(len(X)), picks)
    return pool_of(X, y, labelled), asked


def chooses(X, y, budgets) -> list[np.ndarray]:
    """The same rounds without a control arm."""
    return rounds(X, y, budgets, control=0.0)[1]


def test_nothing_is_kept_from_the_strategy_before_a_control_is_due():
    X, y = blobs()
    _, asked = rounds(X, y, [10, 10, 10], control=0.5)
    assert [picks.tolist() for picks in asked] == [picks.tolist() for picks in chooses(X, y, [10, 10, 10])]


def test_the_control_is_the_beginning_of_one_random_order_whoever_asked_for_it():
    X, y = blobs()
    pool, asked = rounds(X, y, [60, 60, 60], control=0.2)
    order = np.argsort(pool.draws)
    assert control_arm(pool, 0.2).tolist() == order[:30].tolist()  # a fifth of what goes beyond ten a class
    chosen = np.concatenate(asked)[~pool.labelled[order[30:]].all()]
    assert len(np.unique(chosen)) == 180
    assert 0 < pool.labelled[order[30:]].mean() < 1


def test_an_image_of_the_control_that_was_chosen_before_is_not_asked_again():
    X, y = blobs()
    pool = pool_of(X, y, np.zeros(900, bool))
    order = np.argsort(pool.draws)
    labelled = np.isin(np.arange(900), np.concatenate([order[:8], order[-92:]]))
    assert control_arm(pool_of(X, y, labelled), 0.1).tolist() == order[:7].tolist()
    picks = auto.select(pool_of(X, y, labelled), 50, np.random.default_rng(0), control=0.1)
    assert np.isin(order[8:12], picks).all()
    fresh = auto.fixed(pool_of(X, y, labelled), picks, control=0.1)
    assert picks[fresh].tolist() == order[8:12].tolist()


def test_the_control_is_spread_over_the_batch():
    X, y = blobs()
    _, asked = rounds(X, y, [30, 100], control=0.1)
    before = pool_of(X, y, np.isin(np.arange(900), asked[0]))
    places = np.flatnonzero(auto.fixed(before, asked[1], control=0.1))
    assert len(places) >= 8
    assert (np.diff(places) >= 10).all()
    nobody = pool_of(X, y, np.zeros(900, bool))
    assert not auto.fixed(nobody, asked[0], control=0.1).any()  # nobody knows yet how many classes there are


def test_what_the_control_lacks_is_made_up_for_in_more_than_one_batch():
    X, y = blobs()
    order = np.argsort(pool_of(X, y, np.zeros(900, bool)).draws)
    pool = pool_of(X, y, np.isin(np.arange(900), order[-500:]))
    picks = auto.select(pool, 50, np.random.default_rng(0), control=0.1)
    assert np.isin(order[:10], picks).all()
    assert auto.fixed(pool, picks, control=0.1).sum() == 10
    assert len(control_arm(pool, 0.1)) == 0


def test_images_that_come_later_are_drawn_too():
    """The control stays a random sample of the pool as it is: those before the first new one, until that is asked."""
    X, y = blobs(1800)
    draws = np.random.default_rng(7).random(1800)
    old = np.arange(1800) < 900
    labelled = np.isin(np.arange(1800), np.flatnonzero(old)[np.argsort(draws[old])][:200])
    pool = dataclasses.replace(pool_of(X, y, labelled), draws=draws)
    first_new = int(np.flatnonzero(~old[np.argsort(draws)])[0])
    assert len(control_arm(pool, 0.5)) == first_new
    assert len(control_arm(dataclasses.replace(pool, labelled=pool.labelled | ~old), 0.5)) > first_new


def test_without_draws_there_is_no_control():
    X, y = blobs()
    labelled = np.arange(900) < 200
    pool = dataclasses.replace(pool_of(X, y, labelled), draws=None)
    decision = auto.decide(pool)
    assert decision.comparison is None
    assert "too few random ones" in decision.why
    assert len(auto.select(pool, 50, np.random.default_rng(0))) == 50


def test_where_labels_teach_nothing_it_covers_and_where_they_teach_it_asks_at_the_borders():
    X, y = blobs()
    known = np.arange(900) < 100
    apart = (X + 2 * np.eye(3, 8)[y]).astype(np.float32)
    taught, untaught = (
        uncertainty(pool_of(X, targets, known), np.arange(100, 900))
        for X, targets in ((apart, y), (apart, np.random.default_rng(1).permutation(y)))
    )
    assert np.quantile(untaught, 0.1) > 2 * np.quantile(taught, 0.1)
    assert untaught.std() / untaught.mean() < 0.5 * taught.std() / taught.mean()


def misled() -> Candidates:
    """Chosen labels of two classes only, those of the control arm of all three."""
    X, y = blobs()
    order = np.argsort(pool_of(X, y, np.zeros(900, bool)).draws)
    arm = np.isin(np.arange(900), order[:160])
    return pool_of(X, y, arm | ((y < 2) & (np.arange(900) < 700)))


def test_where_choosing_teaches_less_than_chance_it_draws_at_random_and_says_so():
    pool = misled()
    decision = auto.decide(pool, control=0.4)
    assert decision.name == "random"
    assert decision.comparison.high < 0
    assert "the chosen ones do worse than the random ones" in decision.why
    picks = auto.select(pool, 20, np.random.default_rng(0), control=0.4)
    told = auto.explain(pool, picks, ["a", "b", "c"], control=0.4)
    assert any("drawn at random; random, as" in sentence for _, sentence in told)


def by_chance(seed: int, share: float = 0.5, first: int = 90) -> np.ndarray:
    """(900,) labelled or not, the `first` of the random order among them."""
    draws = pool_of(np.zeros((900, 1)), np.zeros(900), np.zeros(900, bool), seed).draws
    labelled: np.ndarray = np.random.default_rng(seed).random(900) < share
    return labelled | (draws <= np.sort(draws)[first - 1])


def test_chosen_labels_that_were_drawn_at_random_are_not_called_worse():
    X, y = blobs()
    verdicts = [
        compare(pool, np.argsort(pool.draws)[:90])
        for seed in range(3)
        if (pool := pool_of(X, y, by_chance(seed), seed))
    ]
    assert sum(found.worse for found in verdicts) <= 1
    assert all(found.low < found.high for found in verdicts)


def test_too_few_of_either_arm_prove_nothing():
    X, y = blobs()
    pool = pool_of(X, y, np.ones(900, bool))
    order = np.argsort(pool.draws)
    assert compare(pool, order[:29]) is None
    assert compare(pool, order[:30]).random_labels == 30
    assert compare(pool, order[:460]) is None


def test_the_explanation_names_the_strategy_and_the_evidence():
    X, y = blobs()
    pool = pool_of(X, y, by_chance(0, 0.3, first=40))
    picks = auto.select(pool, 40, np.random.default_rng(0), control=0.2)
    told = auto.explain(pool, picks, ["a", "b", "c"], control=0.2)
    drawn = auto.fixed(pool, picks, control=0.2)
    assert 0 < drawn.sum() <= 16
    for is_drawn, (_, sentence) in zip(drawn, told, strict=True):
        assert ("control arm" in sentence) == bool(is_drawn)
        assert is_drawn or "uncertainty_herding, as 2" in sentence


def test_draws_are_of_the_id_alone():
    ids = [f"{k:04}" for k in range(2000)]
    draws = draws_of(ids)
    assert draws_of(ids[::-1]).tolist() == draws[::-1].tolist()
    assert draws_of(ids[5:9]).tolist() == draws[5:9].tolist()
    assert 0 <= draws.min() < 0.01 < 0.99 < draws.max() < 1
    assert 0.08 < (draws < 0.1).mean() < 0.12
    assert draws_of(ids, 1).tolist() != draws.tolist()


@pytest.mark.parametrize("control", [0.0, 1.0])
def test_the_extremes_of_the_control_are_all_chosen_and_all_random(control):
    X, y = blobs(300)
    _, (picks,) = rounds(X, y, [300], control=control)
    assert sorted(picks.tolist()) == list(range(300))
