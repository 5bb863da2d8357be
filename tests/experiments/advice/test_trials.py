from __future__ import annotations

import numpy as np
import pytest

from assay.experiments.advice.trials import best_of


def posterior(gains, error, further=0, headroom=0.3, seed=0):
    gains = np.asarray(gains, float)
    rng = np.random.default_rng(seed)
    return best_of(gains, error**2 * np.eye(len(gains)), further, error, headroom, rng)


def test_differences_that_are_noise_promise_little():
    rng = np.random.default_rng(0)
    promised = [posterior(0.01 * rng.standard_normal(6), 0.01, seed=k).mean() for k in range(30)]
    luck = np.mean([max(0, (0.01 * rng.standard_normal(6)).max()) for _ in range(2000)])
    assert np.mean(promised) < luck / 2
    draws = posterior([0.012, -0.01, 0.004, -0.003, 0.006, -0.012], 0.01)
    assert np.percentile(draws, 2.5) <= 0.0


def test_a_gain_far_beyond_the_noise_is_kept():
    draws = posterior([0.10, 0.0, 0.01, -0.01], 0.01)
    assert draws.mean() == pytest.approx(0.10, abs=0.015)
    assert np.percentile(draws, 2.5) > 0.05


def test_what_is_promised_of_the_winner_is_on_average_what_it_is_worth():
    rng, promised, worth = np.random.default_rng(1), [], []
    for k in range(100):
        theta = 0.015 * rng.standard_normal(5)
        seen = theta + 0.015 * rng.standard_normal(5)
        promised.append(posterior(seen, 0.015, seed=k).mean())
        worth.append(theta[seen.argmax()] if seen.max() > 0 else 0.0)
    assert np.mean(promised) == pytest.approx(np.mean(worth), abs=0.005)


def test_a_setting_that_fails_does_not_make_others_promising():
    calm = posterior([0.002, -0.003, 0.001, -0.60], 0.004, further=20)
    assert calm.mean() < 0.02


def test_more_trials_promise_more_but_never_more_than_there_is():
    few, many = (posterior([0.02, -0.02, 0.01, -0.01, 0.03], 0.002, further) for further in (0, 30))
    assert many.mean() > few.mean()
    assert posterior([0.04, 0.03], 0.01, 16, headroom=0.05).max() <= 0.05
