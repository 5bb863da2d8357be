"""Replays: what a step follows from, what a strategy is shown, and who is refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from assay import plugins
from assay.errors import AssayError
from assay.experiments.simulation.replay import Trajectory, drawn, keys, replay
from assay.experiments.simulation.replay_data import EmbeddedImages, ReplayData
from assay.experiments.simulation.step_store import StepFolder
from assay.experiments.simulation.workers import REPLAY, replay_all
from assay.progress import silent

ONE = Trajectory("margin", 0, (5, 10, 20), 1000)


@pytest.fixture(scope="module")
def replay_data() -> ReplayData:
    """Three clouds in four dimensions."""
    rng = np.random.default_rng(0)

    def cloud(n: int) -> EmbeddedImages:
        targets = np.arange(n) % 3
        return EmbeddedImages((rng.normal(size=(n, 4)) + 2 * np.eye(4)[targets]).astype(np.float32), targets)

    return ReplayData(cloud(90), {"val": cloud(40), "test": cloud(30)}, 3, 0.1)


@pytest.mark.parametrize("strategy", plugins.names("strategies"))
def test_every_strategy_there_is_can_be_replayed(replay_data, strategy, tmp_path):
    steps = replay(replay_data, replace(ONE, strategy=strategy), StepFolder(tmp_path))
    assert [len(step.picks) for step in steps] == [5, 5, 10]
    chosen = np.concatenate([step.picks for step in steps])
    assert len(np.unique(chosen)) == 20
    assert np.isin(chosen, drawn(90, 1000, 0)).all(), "from this seed's half"
    assert steps[-1].correct["val"].shape == (40,)
    assert steps[-1].correct["val"].mean() > 0.5


def test_a_seed_is_another_half_of_the_pool_and_the_same_for_all(replay_data):
    first, second = drawn(90, 1000, 0), drawn(90, 1000, 1)
    assert len(first) == len(second) == 45
    assert not np.array_equal(first, second)
    assert len(drawn(90, 30, 0)) == 30


def test_labels_are_shown_once_they_were_asked_for(replay_data, monkeypatch, tmp_path):
    seen = []

    def select(pool, budget, rng):
        seen.append((pool.labelled.copy(), pool.targets.copy(), pool.probabilities, pool.embeddings.shape))
        return pool.unlabelled[:budget]

    spy = SimpleNamespace(__name__="assay.strategies.margin", select=select, NEEDS=())
    monkeypatch.setattr(Trajectory, "load", lambda one: spy)
    replay(replay_data, ONE, StepFolder(tmp_path))
    for labelled, targets, probabilities, shape in seen:
        assert (targets[~labelled] == -1).all()
        assert (targets[labelled] >= 0).all()
        assert probabilities is None
        assert shape == (45, 0)
    assert [int(labelled.sum()) for labelled, *_ in seen] == [0, 5, 10]


def test_a_strategy_that_needs_a_model_begins_as_the_cold_start_does(replay_data, tmp_path):
    begun = replay(replay_data, ONE, StepFolder(tmp_path))[0]
    cold = replay(replay_data, replace(ONE, strategy="maxherding"), StepFolder(tmp_path))[0]
    assert np.array_equal(begun.picks, cold.picks)


def test_a_strategy_that_chooses_too_few_is_named(replay_data, monkeypatch, tmp_path):
    lazy = SimpleNamespace(
        __name__="assay.strategies.margin",
        select=lambda pool, budget, rng: pool.unlabelled[:1],
        NEEDS=(),
    )
    monkeypatch.setattr(Trajectory, "load", lambda one: lazy)
    with pytest.raises(AssayError, match="strategy margin was asked for 5 unlabelled images and chose 1"):
        replay(replay_data, ONE, StepFolder(tmp_path))


def test_every_change_is_another_step_and_a_longer_replay_begins_alike(replay_data):
    base = keys(replay_data, ONE)
    assert len(set(base)) == 3
    assert keys(replay_data, replace(ONE, budgets=(5, 10, 20, 40)))[:3] == base
    other = [
        keys(replay_data, replace(ONE, seed=1)),
        keys(replay_data, replace(ONE, strategy="entropy")),
        keys(replay_data, replace(ONE, limit=40)),
        keys(replay_data, replace(ONE, budgets=(6, 10, 20))),
        keys(replay_data, replace(ONE, options={"x": 1})),
        keys(replace(replay_data, strength=0.2), ONE),
        keys(
            replace(
                replay_data, pool=EmbeddedImages(replay_data.pool.vectors, replay_data.pool.targets[::-1])
            ),
            ONE,
        ),
    ]
    assert not set(base) & {key for row in other for key in row}


def test_a_killed_replay_carries_on_and_comes_out_the_same(replay_data, tmp_path):
    whole = replay(replay_data, ONE, StepFolder(tmp_path / "whole"))

    def killed(step):
        if len(step.correct["val"]) and len(list((tmp_path / "cut").glob("*.npz"))) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(replay_data, ONE, StepFolder(tmp_path / "cut"), killed)
    (damaged,) = [f for f in (tmp_path / "cut").glob("*.npz") if f.stem == keys(replay_data, ONE)[1]]
    damaged.write_bytes(damaged.read_bytes()[:50])
    again = replay(replay_data, ONE, StepFolder(tmp_path / "cut"))
    for mine, theirs in zip(again, whole, strict=True):
        assert np.array_equal(mine.picks, theirs.picks)
        assert all(np.array_equal(mine.correct[name], theirs.correct[name]) for name in ("val", "test"))


def test_processes_side_by_side_give_what_one_gives(replay_data, tmp_path):
    ways = [replace(ONE, strategy=name, seed=seed) for name in ("margin", "random") for seed in (0, 1)]
    alone, computed = replay_all(replay_data, ways, tmp_path / "alone", silent, workers=1)
    together, also = replay_all(replay_data, ways, tmp_path / "together", silent, workers=2)
    assert computed == also == 12
    assert not (tmp_path / "together" / REPLAY).exists()
    for mine, theirs in zip(together, alone, strict=True):
        assert [step.picks.tolist() for step in mine] == [step.picks.tolist() for step in theirs]
    assert replay_all(replay_data, ways, tmp_path / "together", silent)[1] == 0


def test_a_strategy_of_the_project_is_replayed_though_nothing_has_loaded_it(
    replay_data, tmp_path, monkeypatch
):
    """As in a process that was started for replays."""
    own = tmp_path / "plugins" / "strategies" / "mine.py"
    own.parent.mkdir(parents=True)
    own.write_text((plugins.PACKAGE / "strategies" / "margin.py").read_text())
    monkeypatch.chdir(tmp_path)
    mine, margin = (
        replay(replay_data, replace(ONE, strategy=name), StepFolder(tmp_path / name))
        for name in ("mine", "margin")
    )
    assert [step.picks.tolist() for step in mine] == [step.picks.tolist() for step in margin]
