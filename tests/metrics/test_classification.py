from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from assay.metrics.classification import METRICS, Classified, confusion, per_class
from assay.metrics.estimates import bonett_price, f1_estimate, mcnemar_p, proportion, wilson
from assay.metrics.judged import compare, measure


def draw(n: int, k: int = 4, skill: float = 1.5, seed: int = 0) -> Classified:
    """Samples of k classes and a model that is right more often than not."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, k, n)
    logits = rng.normal(0, 1, (n, k)) + skill * np.eye(k)[targets]
    odds = np.exp(logits)
    return Classified((odds / odds.sum(1, keepdims=True)).astype(np.float32), targets)


def ece_of_the_paper(judged: Classified, bins: int = 15) -> float:
    """Naeini et al. 2015, written down bin by bin."""
    edges, total = np.linspace(0, 1, bins + 1), 0.0
    for low, high in pairwise(edges):
        inside = (judged.confidence > low) & (judged.confidence <= high)
        if inside.any():
            total += inside.mean() * abs(judged.correct[inside].mean() - judged.confidence[inside].mean())
    return total


def test_values_are_those_of_the_references() -> None:
    judged = draw(300)
    found = {name: row["value"] for name, row in measure(judged, 100, 0).items()}
    y, p = judged.targets, judged.predicted
    expected = {
        "accuracy": reference.accuracy_score(y, p),
        "balanced_accuracy": reference.balanced_accuracy_score(y, p),
        "macro_f1": reference.f1_score(y, p, average="macro"),
        "ece": ece_of_the_paper(judged),
        "log_loss": reference.log_loss(y, judged.probabilities, labels=range(4)),
    }
    assert found == pytest.approx(expected, abs=2e-5)


def test_each_class_as_in_scikit_learn() -> None:
    judged = draw(200)
    precision, recall, f1, n = reference.precision_recall_fscore_support(judged.targets, judged.predicted)
    for k, row in enumerate(per_class(judged, "abcd").values()):
        values = [row[name]["value"] for name in ("precision", "recall", "f1")]
        assert values == pytest.approx([precision[k], recall[k], f1[k]], abs=1e-6)
        assert (row["recall"]["n"], row["precision"]["n"]) == (n[k], (judged.predicted == k).sum())


def test_what_is_not_defined_is_null() -> None:
    probabilities = np.tile(np.array([[0.8, 0.2, 0.0]], np.float32), (5, 1))
    judged = Classified(probabilities, np.array([0, 0, 0, 1, 0]))
    rows = per_class(judged, "abc")
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    assert rows["b"]["precision"] == nothing
    assert rows["b"]["recall"]["value"] == 0
    assert rows["c"] == {"precision": nothing, "recall": nothing, "f1": nothing}
    overall = measure(judged, 100, 0)
    assert overall["macro_f1"]["value"] == pytest.approx((8 / 9) / 2, abs=1e-6)
    assert all(row["low"] <= row["value"] <= row["high"] for row in overall.values())


def test_no_samples_measure_nothing() -> None:
    none = Classified(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    assert all(
        row == {"value": None, "low": None, "high": None, "n": 0} for row in measure(none, 100, 0).values()
    )
    assert compare(none, none, 100, 0)["difference"]["accuracy"]["p_value"] is None


def test_perfection_on_few_samples_stays_uncertain() -> None:
    judged = Classified(np.eye(3, dtype=np.float32)[np.arange(20) % 3] * 0.98 + 0.01, np.arange(20) % 3)
    found = measure(judged, 200, 0)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert found[name]["value"] == 1
        assert 0.6 < found[name]["low"] < 0.95
    assert proportion(20, 20)["low"] == pytest.approx(0.838875, abs=1e-5)


def test_wilson_is_that_of_scipy() -> None:
    for hits, n in ((0, 7), (3, 10), (95, 100)):
        expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits, n) == pytest.approx((expected.low, expected.high))


def test_a_seed_repeats_and_another_differs() -> None:
    judged = draw(150)
    assert measure(judged, 200, 1) == measure(judged, 200, 1)
    assert measure(judged, 200, 1) != measure(judged, 200, 2)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = draw(150)
    whole = measure(judged, 200, 1)
    monkeypatch.setattr("assay.metrics.bootstrap.BLOCK", 150 * 7)
    assert measure(judged, 200, 1) == whole


def truth(skill: float, k: int = 4) -> dict[str, float]:
    return {name: row["value"] for name, row in measure(draw(100_000, k, skill, seed=99), 100, 0).items()}


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    expected = truth(skill=2.0)
    trials = 120
    covered = dict.fromkeys(METRICS, 0)
    for seed in range(trials):
        for name, row in measure(draw(80, 4, 2.0, seed), 200, seed).items():
            covered[name] += row["low"] <= expected[name] <= row["high"]
    rates = {name: count / trials for name, count in covered.items()}
    assert all(0.88 <= rate <= 1 for rate in rates.values()), rates


def test_the_interval_of_f1_covers() -> None:
    """A class that is 1 sample in 4, on rulers of 60 images."""
    big = draw(100_000, seed=5)
    table = confusion(big)
    expected = 2 * table[0, 0] / (table[0].sum() + table[:, 0].sum())
    covered = 0
    for seed in range(200):
        row = per_class(draw(60, seed=seed), "abcd")["a"]["f1"]
        covered += row["low"] <= expected <= row["high"]
    assert 0.9 <= covered / 200 <= 0.99
    assert f1_estimate(5, 5, 5)["low"] < 0.8


def pair(n: int, gain: float, seed: int) -> tuple[Classified, Classified]:
    """Two models that see the same samples and share most of their mistakes."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    shared = rng.normal(0, 1, (n, 3)) + 1.2 * np.eye(3)[targets]

    def model(skill: float) -> Classified:
        odds = np.exp(shared + rng.normal(0, 0.4, (n, 3)) + skill * np.eye(3)[targets])
        return Classified((odds / odds.sum(1, keepdims=True)).astype(np.float32), targets)

    return model(gain), model(0.0)


def test_a_comparison_is_paired() -> None:
    new, old = pair(400, 0.6, 0)
    found = compare(new, old, 400, 0)
    row = found["difference"]["accuracy"]
    alone = measure(new, 400, 0)["accuracy"]
    assert row["value"] == pytest.approx(new.correct.mean() - old.correct.mean(), abs=1e-6)
    apart = np.hypot(*(m["high"] - m["low"] for m in (alone, measure(old, 400, 0)["accuracy"])))
    assert row["high"] - row["low"] < 0.85 * apart
    only_new = int((new.correct & ~old.correct).sum())
    assert found["mcnemar"]["only_challenger"] == only_new
    assert found["difference"]["log_loss"]["high"] < 0 < row["low"]
    assert found["difference"]["log_loss"]["p_value"] < 0.05


def test_a_model_against_itself_is_no_gain() -> None:
    judged = draw(100)
    found = compare(judged, judged, 200, 0)
    assert found["mcnemar"] == {"only_challenger": 0, "only_champion": 0, "p_value": 1.0}
    for row in found["difference"].values():
        assert (row["value"], row["p_value"]) == (0, 1)
    assert found["difference"]["accuracy"]["low"] < 0 < found["difference"]["accuracy"]["high"]


def test_mcnemar_is_the_binomial_test() -> None:
    assert mcnemar_p(2, 10) == pytest.approx(stats.binomtest(2, 12).pvalue)
    assert mcnemar_p(0, 0) == 1


def test_intervals_of_differences_cover() -> None:
    big = pair(100_000, 0.3, 77)
    expected = {name: row["value"] for name, row in compare(*big, 100, 0)["difference"].items()}
    covered = dict.fromkeys(METRICS, 0)
    for seed in range(100):
        for name, row in compare(*pair(100, 0.3, seed), 150, seed)["difference"].items():
            covered[name] += row["low"] <= expected[name] <= row["high"]
    assert all(count >= 87 for count in covered.values()), covered


def test_bonett_price_knows_that_agreement_proves_little() -> None:
    low, high = bonett_price(0, 0, 20)
    assert low == pytest.approx(-high)
    assert 0.05 < high < 0.2
