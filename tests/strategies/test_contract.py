"""What every strategy on disk promises."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import contracts, plugins
from assay.contracts import strategies as contract
from assay.errors import ParamsError
from assay.strategies import Candidates, check_options, options_of

NAMES = plugins.names("strategies")
DRAW = {"random", "badge", "dropquery", "auto", "typiclust", "probcover"}
"""Those that draw something for each row: the same ids come out because the stage sorts the rows by id."""
NESTED = [name for name in NAMES if getattr(plugins.load("strategies", name), "NESTED", True)]


@st.composite
def pools(draw, unit_costs=True) -> Candidates:
    n, d, k = draw(st.integers(1, 30)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    embeddings = rng.normal(size=(n, d)).astype(np.float32)
    copies = draw(st.integers(0, n))
    embeddings[:copies] = embeddings[0]  # ties
    labelled = rng.random(n) < draw(st.sampled_from([0, 0.3, 1]))
    probabilities = rng.dirichlet(np.ones(k), n).astype(np.float32)
    probabilities[labelled] = np.nan
    costs = np.ones(n) if unit_costs else rng.choice([0.5, 1, 1.25, 3, 40], n)
    targets = np.where(labelled, rng.integers(-1, k, n), -1) if draw(st.booleans()) else None
    draws = rng.random(n) if draw(st.booleans()) else None
    doubt = np.where(labelled, np.nan, rng.random(n)).astype(np.float32)
    return Candidates(embeddings, probabilities, labelled, costs.astype(np.float32), targets, draws, doubt)


def choose(name: str, pool: Candidates, budget: int, seed: int = 0) -> np.ndarray:
    return contract.choose(plugins.load("strategies", name), pool, budget, seed)


@pytest.mark.parametrize("check", contracts.of_kind("strategies"), ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_contract(name, check):
    check(plugins.load("strategies", name))


@pytest.mark.parametrize("name", NAMES)
@given(pool=pools(), budget=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_it_spends_the_whole_budget_on_different_unlabelled_images(name, pool, budget):
    contract.spends_the_budget(plugins.load("strategies", name), pool, budget)


@pytest.mark.parametrize("name", NAMES)
@given(pool=pools(unit_costs=False), budget=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_it_honours_costs_and_leaves_nothing_that_could_still_be_paid(name, pool, budget):
    contract.honours_costs(plugins.load("strategies", name), pool, budget)


@pytest.mark.parametrize("name", NAMES)
@given(pool=pools(), budget=st.integers(1, 10), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_chooses_the_same_and_leaves_its_inputs_alone(name, pool, budget, seed):
    contract.repeats(plugins.load("strategies", name), pool, budget, seed)


@pytest.mark.parametrize("name", NESTED)
@given(pool=pools(), budget=st.integers(2, 40))
@settings(max_examples=20, deadline=None)
def test_a_smaller_budget_is_the_beginning_of_a_larger_one(name, pool, budget):
    contract.begins_alike(plugins.load("strategies", name), pool, budget)


def shuffled(pool: Candidates, order: np.ndarray) -> Candidates:
    rows = {field: value for field, value in dataclasses.asdict(pool).items() if value is not None}
    return Candidates(**{"probabilities": None} | {field: value[order] for field, value in rows.items()})


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DRAW])
@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_rows_does_not_matter_where_none_is_drawn(name, seed):
    rng = np.random.default_rng(seed)
    n, labelled = 60, rng.random(60) < 0.3
    pool = Candidates(
        rng.normal(size=(n, 6)).astype(np.float32),
        rng.dirichlet(np.ones(3), n).astype(np.float32),
        labelled,
        rng.uniform(0.9, 1.1, n).astype(np.float32),  # no ties, where the cost counts
        np.where(labelled, rng.integers(0, 3, n), -1),
        doubt=rng.random(n).astype(np.float32),
    )
    order = rng.permutation(n)
    picks = order[choose(name, shuffled(pool, order), 15, seed)]
    assert picks.tolist() == choose(name, pool, 15, seed).tolist()


@pytest.mark.parametrize("name", NAMES)
@given(pool=pools(), budget=st.integers(1, 10))
@settings(max_examples=20, deadline=None)
def test_it_has_a_finite_score_and_a_sentence_for_each_pick(name, pool, budget):
    assert hasattr(plugins.load("strategies", name), "explain")
    contract.explains(plugins.load("strategies", name), pool, budget)


def test_an_unknown_name_is_refused_with_the_valid_ones():
    with pytest.raises(plugins.PluginError, match="nonsense") as error:
        plugins.load("strategies", "nonsense")
    assert "kcenter" in error.value.hint


@pytest.mark.parametrize("wrong", [{"costs": np.ones(2, np.float32)}, {"costs": np.zeros(3, np.float32)}])
def test_candidates_that_do_not_fit_together_are_refused(wrong):
    right = {
        "embeddings": np.ones((3, 2), np.float32),
        "probabilities": None,
        "labelled": np.zeros(3, bool),
        "costs": np.ones(3, np.float32),
    }
    with pytest.raises(ValueError, match="cost"):
        Candidates(**right | wrong)


ABSURD = [0, -1, 10**10, 10**400, 0.0, -0.5, 1e300, 1e-200, math.inf, math.nan, "1", None]
OPTIONS = [(name, key) for name in NAMES for key in options_of(plugins.load("strategies", name))]


@pytest.mark.parametrize(("name", "key"), OPTIONS)
def test_an_option_is_refused_with_what_is_valid_or_can_be_chosen_by(name, key):
    strategy = plugins.load("strategies", name)
    default = options_of(strategy)[key]
    assert check_options(strategy, {key: default}) == {key: default}
    rng = np.random.default_rng(0)
    pool = Candidates(
        rng.normal(size=(40, 4)).astype(np.float32),
        rng.dirichlet(np.ones(3), 40).astype(np.float32),
        np.arange(40) < 12,
        np.ones(40, np.float32),
        np.where(np.arange(40) < 12, np.arange(40) % 3, -1),
        rng.random(40),
    )
    refused = []
    for value in [*ABSURD, 1, 0.001, 0.5, 0.999, 1000, 100_000, 1_000_000_000]:
        try:
            options = check_options(strategy, {key: value})
        except ParamsError as error:
            refused.append(str(error))
        else:
            assert len(strategy.select(pool, 5, rng, **options)) == 5
    assert len(refused) >= 5
    assert all(f"strategy {name}: {key}: " in said and len(said) < 200 for said in refused)
