"""The intervals: against theory where there is one, and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from assay.experiments.corner_metrics import CornerOutcome, measure, rulers
from assay.experiments.corners import plan, shares, total
from assay.experiments.needs import MOST_SEEDS, needs
from assay.experiments.noise import Moments, Trainings, moments, noise, trainings, untrained
from assay.metrics.classification import Classified
from assay.metrics.intervals import Noise, half_width, p_value
from benchmarks.calibration import simulate
from benchmarks.corners import Draw, Simulated, exact_moments

TWO = plan(("data", "model"))
APART = Trainings.of(TWO, TWO.corners)


def known(seeds: float, samples: float, freedom: float = 3.0, both: float = 0.0) -> Noise:
    return Noise(*(np.array(x) for x in (seeds, freedom, samples, both)))


def test_student_where_the_seeds_rule_and_normal_where_the_samples_do():
    assert half_width(known(0.01, 0.0)) == pytest.approx(student.ppf(0.975, 3) * 0.1)
    assert half_width(known(0.0, 0.01)) == pytest.approx(1.959964 * 0.1)
    between = half_width(known(0.01, 0.01)) / np.sqrt(0.02)
    assert 1.96 < between < student.ppf(0.975, 3)


@pytest.mark.parametrize("one", [known(0.01, 0.0), known(0.0, 0.01), known(0.004, 0.02)])
def test_p_is_below_a_twentieth_just_outside_the_interval(one):
    q = half_width(one)
    assert p_value(q, one) == pytest.approx(0.05)
    assert p_value(np.array(0.0), one) == 1


def test_no_noise_at_all_is_no_interval():
    still = known(0.0, 0.0)
    assert half_width(still) == 0
    assert [float(p_value(np.array(x), still)) for x in (0.0, 0.1)] == [1, 0]


def test_the_bootstrap_tends_to_what_the_calibration_puts_in_its_place():
    rng = np.random.default_rng(1)
    n, held = 120, np.arange(120) < np.array([[120], [120], [90], [90]])
    ids = np.array([f"{j:03d}" for j in range(n)])
    right = rng.random((4, 3, n)) < np.array([0.7, 0.8, 0.7, 0.8])[:, None, None]
    asked = plan(("data", "ruler"))
    order = [asked.corners.index(frozenset(c)) for c in ((), ("data",), ("ruler",), ("data", "ruler"))]
    outcomes = {
        asked.corners[i]: [CornerOutcome(ids[held[at]], judged(row[held[at]])) for row in right[at]]
        for at, i in enumerate(order)
    }
    accuracy = next(measure(asked, outcomes, rulers(asked, outcomes), (), 20_000, 0))
    by_bootstrap = moments(accuracy.values, accuracy.drawn)
    exact = exact_moments(Draw(right, held))
    np.testing.assert_allclose(by_bootstrap.values[order], exact.values)
    for name in ("sampled", "shared"):
        found, expected = getattr(by_bootstrap, name)[np.ix_(order, order)], getattr(exact, name)
        np.testing.assert_allclose(found, expected, atol=0.05 * expected.diagonal().max())


def judged(right: np.ndarray) -> Classified:
    targets = np.zeros(len(right), np.int64)
    return Classified(np.stack([right, ~right], axis=1).astype(np.float32), targets)


def test_seeds_that_differ_in_flips_only_add_nothing_to_the_bootstrap():
    rng = np.random.default_rng(0)
    draws = [exact_moments(Draw(rng.random((4, 5, 400)) < 0.8, np.ones((4, 400), bool))) for _ in range(300)]
    together = Moments(
        *(np.stack([getattr(d, name) for d in draws]) for name in ("values", "sampled", "shared"))
    )
    spread = noise(shares(TWO), together, APART)
    # 4 corners × 5 seeds of independent coins, halved
    assert np.median(spread.variance) == pytest.approx(0.8 * 0.2 / 400 / 5, rel=0.2)


def test_nothing_seen_to_differ_is_not_nothing():
    still = exact_moments(Draw(np.ones((4, 3, 98), bool), np.ones((4, 98), bool)))
    spread = noise(np.vstack([shares(TWO), total(TWO)]), still, APART, floor=2 / 100**2)
    np.testing.assert_allclose(half_width(spread), 1.959964 * np.sqrt(2) / 100, rtol=1e-6)


def test_corners_with_the_same_bits_are_one_training():
    rng = np.random.default_rng(0)
    first, second = ([CornerOutcome(["a", "b"], judged(rng.random(2) < 0.5))] for _ in range(2))
    second[0].judged.probabilities[0] = 0.25
    asked = plan(("data", "model", "ruler"))
    outcomes = {corner: second if "data" in corner else first for corner in asked.corners}
    trained = trainings(asked, outcomes, "ruler")
    assert trained.members.shape == (2, 8)
    assert trained.pooled.shape == (2, 8)  # the mean of both, and their difference
    assert untrained(shares(asked), trained).tolist() == [False, True, True]


SETTINGS = {
    "seeds and samples": Simulated({"data": 0.25, "model": 0.0}, 400),
    "seeds rule": Simulated({"data": 0.25, "model": 0.0}, 400, shift=(0.0, 0.0, 0.2), flips=(0.0, 0.0, 0.2)),
    "paired": Simulated({"data": 0.25, "model": 0.0}, 400, shift=(0.02, 0.05, 0.05), flips=(0.1, 0.3, 0.35)),
    "ruler": Simulated({"data": 0.25, "ruler": 0.0}, 300, mislabelled=0.05, added=60),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("k", [2, 3])
def test_the_truth_is_held_and_null_is_rarely_told(name, k):
    """400 simulations only: `python -m benchmarks calibration` has thousands, of more settings."""
    one = SETTINGS[name]
    held, told = simulate(one.world(), k, one.n, 400, np.random.default_rng(k))
    assert 0.92 <= held.mean() <= 0.99
    if "model" in one.effects:
        assert told[:, 1].mean() <= 0.08
    assert told[:, 0].mean() > 0.1


def test_more_seeds_where_seeds_are_the_noise_and_more_samples_where_samples_are():
    by_seeds = needs(0.02, known(0.0004, 1e-8), seeds=3, samples=500)
    assert by_seeds.samples is None
    assert 3 < by_seeds.seeds < 30
    assert by_seeds.told == f"{by_seeds.seeds} seeds would suffice, if the effect is as large as estimated"
    by_samples = needs(0.02, known(1e-8, 0.0004), seeds=3, samples=500)
    assert by_samples.seeds is None
    # (1.96 + 0.84)² × 0.0004 / 0.02² = 7.8 times as many
    assert by_samples.samples == pytest.approx(7.85 * 500, rel=0.08)
    assert by_samples.told.startswith(f"{by_samples.samples:,} test samples would suffice")


def test_what_no_reasonable_number_tells_is_said_so():
    found = needs(1e-6, known(0.0004, 0.0004), seeds=3, samples=500)
    assert (found.seeds, found.samples, found.mix) == (None, None, None)
    assert f"not even {MOST_SEEDS} seeds with" in found.told


def test_where_neither_alone_tells_a_mix_of_both_does():
    found = needs(0.02, known(0.00015, 0.00015), seeds=3, samples=500)
    assert (found.seeds, found.samples) == (None, None)
    seeds, samples = found.mix
    assert found.told.startswith(f"{seeds} seeds and {samples:,} test samples would suffice")
    assert (3 < seeds < 50, 500 < samples < 50_000) == (True, True)


def test_the_mix_is_never_dearer_than_either_alone():
    found = needs(0.016, known(0.000005, 0.00003), seeds=3, samples=500)
    cost = found.mix[0] / 3 + found.mix[1] / 500
    assert cost <= min(found.seeds / 3 + 1, 1 + found.samples / 500)
