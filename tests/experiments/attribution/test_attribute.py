"""From predictions to verdicts: exact sums, the ruler, what is left alone, and what is refused."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.experiments.attribution import GRID, CornerOutcome, attribute, plan
from assay.experiments.attribution.attribute import add_up
from assay.metrics.classification import METRICS, Classified
from assay.metrics.judged import measure

finite = st.floats(-20, 20, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=8), finite, st.randoms(use_true_random=False))
def test_shares_add_up_to_the_last_bit_in_any_order(values, total, random):
    total = round(total / GRID) * GRID
    found = [float(x) for x in add_up(np.array(values), total)]
    random.shuffle(found)
    assert sum(found) == total
    assert sum(found, start=-total) == 0


def test_a_and_the_shares_are_b_for_every_metric_and_class(experiment):
    players = {"data": 0.5, "model": -0.2, "code": 0.0}
    found = attribute(tuple(players), experiment(players), categories="wxyz", per_class=True, replicates=100)
    assert list(found.metrics) == list(METRICS)
    assert list(found.classes) == list("wxyz")
    assert [one.name for one in found.classes["w"].values()] == ["recall of w", "f1 of w"]
    for one in found.everything():
        for shares in itertools.permutations([share.value for share in one.shares]):
            assert one.a + sum(shares) == one.b
            assert sum(shares) == one.total.value


def test_effects_are_told_with_the_sense_of_the_metric(experiment):
    found = attribute(("data", "model"), experiment({"data": 1.0, "model": -0.7}, n=600), replicates=200)
    assert found.metrics["accuracy"].share("data").verdict == "helped"
    assert found.metrics["accuracy"].share("model").verdict == "hurt"
    loss = found.metrics["log_loss"].share("data")
    assert (loss.verdict, loss.value < 0, loss.high < 0, loss.p_value < 0.05) == ("helped", True, True, True)
    assert loss.needs is None


def test_an_interaction_says_what_each_does_with_the_other_from_a_and_from_b(experiment):
    held = attribute(("data", "model"), experiment({"data": 1.0, "model": 0.5}), replicates=100).metrics[
        "accuracy"
    ]
    (pair,) = held.interactions
    sides = [(one.player, one.other, one.other_from) for one in pair.conditional]
    assert sides == [(*p, side) for p in (("data", "model"), ("model", "data")) for side in "AB"]
    for name, (alone, after) in (("data", pair.conditional[:2]), ("model", pair.conditional[2:])):
        assert after.value - alone.value == pytest.approx(pair.value)
        assert (after.value + alone.value) / 2 == pytest.approx(held.share(name).value)
        assert alone.low < alone.value < alone.high


def test_values_are_those_of_the_metrics(experiment):
    outcomes = experiment({"data": 0.4}, k=2)
    found = attribute(("data",), outcomes, replicates=50)
    for name in METRICS:
        alone = [measure(one.judged, 20, 0)[name]["value"] for one in outcomes[frozenset({"data"})]]
        assert found.metrics[name].b == pytest.approx(np.mean(alone), abs=1e-6)


def test_the_order_of_samples_does_not_matter(experiment):
    outcomes = experiment({"data": 0.4, "model": 0.0})
    turned = {
        corner: [
            CornerOutcome(one.ids[::-1], one.judged.take(np.arange(len(one.ids))[::-1])) for one in seeds
        ]
        for corner, seeds in outcomes.items()
    }
    first, second = (attribute(("data", "model"), o, replicates=50) for o in (outcomes, turned))
    assert first.metrics["accuracy"] == second.metrics["accuracy"]
    assert first.metrics["log_loss"].total.high == pytest.approx(second.metrics["log_loss"].total.high)


def relabelled(one: CornerOutcome, rows: slice) -> CornerOutcome:
    targets = one.judged.targets.copy()
    targets[rows] = (targets[rows] + 1) % one.judged.classes
    return CornerOutcome(one.ids, Classified(one.judged.probabilities, targets))


def test_a_ruler_that_changed_alone_gets_everything(experiment):
    plain = experiment({"data": None, "model": None, "ruler": None})
    outcomes = {
        corner: [relabelled(one, slice(60)) for one in seeds] if "ruler" in corner else seeds
        for corner, seeds in plain.items()
    }
    found = attribute(("data", "model", "ruler"), outcomes, replicates=200)
    held = found.metrics["accuracy"]
    assert found.inert == ("data", "model")
    assert held.share("ruler").value == held.total.value < 0
    assert held.share("ruler").verdict == "hurt"
    for name in ("data", "model"):
        share = held.share(name)
        assert (share.value, share.p_value, share.verdict) == (0, 1, "can't tell")
        assert share.needs.told == "it made no difference that can be measured"
        assert -0.02 < share.low < 0 < share.high < 0.02  # not zero: other samples might show a difference


def test_a_ruler_can_be_told_with_one_seed_and_a_training_cannot(experiment):
    plain = experiment({"data": 2.0, "ruler": None}, k=1)
    outcomes = {c: [relabelled(one, slice(60)) for one in s] if "ruler" in c else s for c, s in plain.items()}
    held = attribute(("data", "ruler"), outcomes, replicates=200).metrics["accuracy"]
    assert held.share("ruler").verdict == "hurt"
    data = held.share("data")
    assert (data.verdict, data.seeds_sd, held.seed_noise) == ("can't tell", None, None)
    assert "at least 2" in data.needs.told


def test_rulers_with_other_samples_are_each_judged_on_their_own(experiment):
    plain = experiment({"data": 0.5, "ruler": None}, n=400)
    first = np.arange(300)
    outcomes = {
        corner: seeds
        if "ruler" in corner
        else [CornerOutcome(one.ids[:300], one.judged.take(first)) for one in seeds]
        for corner, seeds in plain.items()
    }
    found = attribute(("data", "ruler"), outcomes, replicates=200)
    held = found.metrics["accuracy"]
    assert found.samples == 400
    assert held.a == pytest.approx(np.mean([one.judged.correct.mean() for one in outcomes[frozenset()]]))
    # 300 samples are the same: the ruler's share is known better than from two test sets apart
    ruler = held.share("ruler")
    assert ruler.high - ruler.low < 0.07


def test_a_class_that_one_ruler_does_not_hold_is_left_out(experiment):
    outcomes = experiment({"data": 0.5})
    without = [np.flatnonzero(one.judged.targets != 2) for one in outcomes[frozenset()]]
    outcomes = {
        corner: [
            CornerOutcome(np.array(one.ids)[rows], one.judged.take(rows))
            for one, rows in zip(seeds, without, strict=True)
        ]
        for corner, seeds in outcomes.items()
    }
    found = attribute(("data",), outcomes, categories="wxyz", per_class=True, replicates=50)
    assert list(found.classes) == ["w", "x", "z"]


def test_drawn_orders_have_an_error_of_their_own_and_still_add_up(experiment):
    names = tuple(f"p{i}" for i in range(6))
    asked = plan(names, permutations=8)
    every = experiment(dict.fromkeys(names, 0.15), n=200, k=2)
    found = attribute(names, {c: every[c] for c in asked.corners}, orders=asked.orders, replicates=50)
    held = found.metrics["accuracy"]
    assert (found.orders, held.interactions) == (8, ())
    assert all(share.permutation_error > 0 for share in held.shares)
    assert sum(share.value for share in held.shares) == held.total.value
    assert (
        attribute(names[:2], experiment({"p0": 0.1, "p1": 0.1}), replicates=20)
        .metrics["accuracy"]
        .shares[0]
        .permutation_error
        is None
    )


def test_the_same_numbers_each_time_and_json(experiment):
    outcomes = experiment({"data": 0.3, "model": 0.0})
    first, second = (attribute(("data", "model"), outcomes, replicates=50).as_dict() for _ in range(2))
    assert json.loads(json.dumps(first, allow_nan=False)) == json.loads(json.dumps(second))


def three_classes(judged):
    return Classified(judged.probabilities[:, :3], judged.targets % 3)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda seeds: [], "0 seeds"),
        (lambda seeds: seeds[:2], "2 seeds; 3 are needed"),
        (lambda seeds: [CornerOutcome([*seeds[0].ids[:-1], "else"], seeds[0].judged), *seeds[1:]], "same test samples"),
        (lambda seeds: [CornerOutcome([s.ids[0], *s.ids[:-1]], s.judged) for s in seeds], "twice"),
        (lambda seeds: [CornerOutcome([], s.judged.take(np.arange(0))) for s in seeds], "no test samples"),
        (lambda seeds: [CornerOutcome(s.ids, three_classes(s.judged)) for s in seeds],
         "different numbers of classes"),
    ],
)  # fmt: skip
def test_outcomes_that_do_not_fit_are_refused(experiment, broken, said):
    outcomes = experiment({"data": 0.3, "model": 0.0})
    outcomes[frozenset({"data", "model"})] = broken(outcomes[frozenset({"data", "model"})])
    with pytest.raises(AssayError, match=said):
        attribute(("data", "model"), outcomes, replicates=20)


def test_players_are_different_and_some():
    for players in ((), ("data", "data")):
        with pytest.raises(AssayError, match="players"):
            attribute(players, {})
