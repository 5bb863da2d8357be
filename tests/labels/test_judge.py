from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from assay.labels.judge import judge
from tests.labels.conftest import CLASSES, alike, to_the_next


def found(planted, groups=None, **settings):
    groups = np.arange(len(planted.given)) if groups is None else groups
    return judge(planted.vectors, planted.given, groups, CLASSES, 0, **settings)


def calibration_error(probability: np.ndarray, happened: np.ndarray, bins: int = 10) -> float:
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [abs((probability[bin_of == b] - happened[bin_of == b]).sum()) for b in range(bins)]
    return sum(gaps) / len(happened)


@pytest.mark.parametrize(("flip", "share"), [(alike, 0.0), (alike, 0.1), (alike, 0.4), (to_the_next, 0.2)])
def test_the_probability_holds_what_it_says_and_the_wrong_come_first(plant, flip, share):
    planted = plant(share, flip)
    said = found(planted)
    assert said.rate == pytest.approx(planted.wrong.mean(), abs=0.05)
    assert calibration_error(said.wrong, planted.wrong) < 0.05
    if share:
        own = said.beliefs[np.arange(len(planted.given)), planted.given]
        by_this = average_precision_score(planted.wrong, said.wrong)
        assert by_this > average_precision_score(planted.wrong, 1 - own) - 0.005
        sure = planted.wrong & (said.wrong > 0.9)
        assert (said.suggested == planted.right)[sure].mean() > 0.9
        assert planted.wrong[said.flagged].mean() > 3 * planted.wrong.mean() or share == 0.4


def test_the_same_labels_are_judged_alike_bit_by_bit(plant):
    planted = plant(0.1, n=400)
    one, other = found(planted), found(planted)
    assert one.wrong.tobytes() == other.wrong.tobytes()
    assert one.probe.tobytes() == other.probe.tobytes()


def test_all_are_judged_even_if_few_are_learnt_from(plant):
    planted = plant(0.1)
    said = found(planted, most=300)
    assert average_precision_score(planted.wrong, said.wrong) > 0.7
    assert len(said.wrong) == len(planted.given)


def test_images_of_one_group_do_not_vouch_for_each_other(plant):
    """A part photographed eight times, every time with the same wrong label: its twins would confirm it."""
    planted = plant(0.0, n=600)
    part = np.flatnonzero(planted.right == 0)[:8]
    planted.vectors[part] = 2.2 * np.eye(CLASSES, 16)[0]
    planted.given[part] = 1
    groups = np.arange(600)
    groups = np.unique(np.where(np.isin(groups, part), part[0], groups), return_inverse=True)[1]
    apart, together = found(planted), found(planted, groups)
    assert set(part) <= set(together.order[:16])
    assert together.wrong[part].mean() > apart.wrong[part].mean()


def test_what_another_model_says_counts(plant):
    planted = plant(0.3, n=600)
    truth = 0.9 * np.eye(CLASSES)[planted.right] + 0.1 / CLASSES
    alone, helped = found(planted), found(planted, model=truth)
    score = [average_precision_score(planted.wrong, said.wrong) for said in (alone, helped)]
    assert score[1] > score[0]


def test_two_classes_and_a_class_of_one(plant):
    planted = plant(0.1, n=200)
    given = np.minimum(planted.given, 1)
    given[7] = 2
    said = judge(planted.vectors, given, np.arange(200), 3, 0)
    assert np.isfinite(said.wrong).all()
    assert ((said.wrong >= 0) & (said.wrong <= 1)).all()
    assert (said.suggested != given).all()
