"""The contract of a strategy: see assay.strategies."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from assay.contracts import Check, require
from assay.strategies import NEEDS, Candidates, check_options

POOLS = 20


def candidates(seed: int, unit_costs: bool = True) -> Candidates:
    """Up to 30 images, some of them equal, some labelled, with a champion's probabilities."""
    rng = np.random.default_rng(seed)
    n, d, k = (int(rng.integers(1, most)) for most in (31, 6, 5))
    embeddings = rng.normal(size=(n, d)).astype(np.float32)
    embeddings[: rng.integers(0, n + 1)] = embeddings[0]  # ties
    labelled = rng.random(n) < rng.choice([0, 0.3, 1])
    probabilities = rng.dirichlet(np.ones(k), n).astype(np.float32)
    probabilities[labelled] = np.nan
    costs = np.ones(n) if unit_costs else rng.choice([0.5, 1, 1.25, 3, 40], n)
    targets = np.where(labelled, rng.integers(-1, k, n), -1) if seed % 2 else None
    doubt = np.where(labelled, np.nan, rng.random(n)).astype(np.float32)
    return Candidates(embeddings, probabilities, labelled, costs.astype(np.float32), targets, None, doubt)


def choose(plugin: ModuleType, pool: Candidates, budget: int, seed: int = 0) -> NDArray[np.int64]:
    """The picks of a strategy with its default options."""
    picks: NDArray[np.int64] = plugin.select(pool, budget, np.random.default_rng(seed))
    return picks


def spends_the_budget(plugin: ModuleType, pool: Candidates, budget: int) -> None:
    """Of images that cost 1 each it picks as many as the budget allows, each once, none of them labelled."""
    picks = choose(plugin, pool, budget)
    require(picks.dtype == np.int64, f"picks are {picks.dtype}, not int64")
    right = min(budget, int((~pool.labelled).sum()))
    require(len(picks) == right, f"{len(picks)} picks, the budget allows {right}")
    require(len(set(picks.tolist())) == len(picks), "an image is picked twice")
    require(not pool.labelled[picks].any(), "a labelled image is picked")


def honours_costs(plugin: ModuleType, pool: Candidates, budget: int) -> None:
    """It spends no more than the budget, until no image is affordable."""
    picks = choose(plugin, pool, budget)
    spent = pool.costs[picks].sum()
    require(spent <= budget, f"{spent} spent of {budget}: use assay.strategies' own walk over costs")
    rest = np.setdiff1d(np.flatnonzero(~pool.labelled), picks)
    require((pool.costs[rest] + spent > budget).all(), "an affordable image is not picked")


def repeats(plugin: ModuleType, pool: Candidates, budget: int, seed: int = 0) -> None:
    """The same seed gives the same picks; select does not change its arguments."""
    before = {
        k: None if v is None else v.copy() for k, v in vars(pool).items() if v is None or hasattr(v, "copy")
    }
    first = choose(plugin, pool, budget, seed).tolist()
    require(
        choose(plugin, pool, budget, seed).tolist() == first, "a second call with the seed gives other picks"
    )
    for field, value in before.items():
        same = value is None or np.array_equal(getattr(pool, field), value, equal_nan=value.dtype.kind == "f")
        require(same, f"select() has changed {field}")


def begins_alike(plugin: ModuleType, pool: Candidates, budget: int) -> None:
    """Unless NESTED is False, the picks of a smaller budget are the first ones of a larger budget."""
    if getattr(plugin, "NESTED", True):
        longer = choose(plugin, pool, budget).tolist()
        shorter = choose(plugin, pool, budget - 1).tolist()
        require(
            shorter == longer[: len(shorter)],
            "the picks of a smaller budget are not the first ones of a larger: set NESTED = False",
        )


def explains(plugin: ModuleType, pool: Candidates, budget: int) -> None:
    """`explain`, if defined, gives a finite score and a sentence for each pick."""
    if not hasattr(plugin, "explain") or pool.probabilities is None:
        return
    picks = choose(plugin, pool, budget)
    told = plugin.explain(pool, picks, [f"class {c}" for c in range(pool.probabilities.shape[1])])
    require(len(told) == len(picks), f"{len(told)} explanations of {len(picks)} picks")
    for score, sentence in told:
        require(
            isinstance(score, float) and np.isfinite(score) and sentence,
            f"({score!r}, {sentence!r}) is no finite float with a sentence",
        )


def says_what_it_needs(plugin: ModuleType) -> None:
    """NEEDS lists the columns of Candidates that it reads; it works without the others."""
    needs = getattr(plugin, "NEEDS", None)
    valid = isinstance(needs, tuple) and NEEDS.issuperset(needs)
    require(valid, f"NEEDS is {needs!r}, not a tuple of some of: {', '.join(sorted(NEEDS))}")
    width = 3 if "embeddings" in plugin.NEEDS else 0
    beliefs = np.full((5, 2), 0.5, np.float32) if "probabilities" in plugin.NEEDS else None
    doubt = np.full(5, 0.5, np.float32) if "doubt" in plugin.NEEDS else None
    pool = Candidates(
        np.ones((5, width), np.float32), beliefs, np.zeros(5, bool), np.ones(5, np.float32), doubt=doubt
    )
    require(
        len(choose(plugin, pool, 2)), "it picks none of five images without the columns that are not in NEEDS"
    )


def options_have_defaults(plugin: ModuleType) -> None:
    """The keyword-only arguments of select are its options, each with a type and a default."""
    check_options(plugin, {})


def _on_each_pool(rule: object, unit_costs: bool = True) -> Check:
    def check(plugin: ModuleType) -> None:
        for pool, budget in _pools(unit_costs):
            rule(plugin, pool, budget)  # type: ignore[operator]

    check.__name__, check.__doc__ = rule.__name__, rule.__doc__  # type: ignore[attr-defined]
    return check


def _pools(unit_costs: bool) -> Iterator[tuple[Candidates, int]]:
    for seed in range(POOLS):
        yield candidates(seed, unit_costs), 2 + seed * 2


CHECKS: tuple[Check, ...] = (
    says_what_it_needs,
    options_have_defaults,
    _on_each_pool(spends_the_budget),
    _on_each_pool(honours_costs, unit_costs=False),
    _on_each_pool(repeats),
    _on_each_pool(begins_alike),
    _on_each_pool(explains),
)
"""On fixed pools; assay's own strategies are also tested on pools generated by hypothesis."""
