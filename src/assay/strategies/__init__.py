"""Sample selection: which images are worth labelling next.

A strategy is one file with

    NEEDS_MODEL: bool          as long as no model was promoted, COLD_START stands in
    NEEDS_EMBEDDINGS: bool     False: it is handed embeddings of width 0, and none are read, unless one of the options
                               that it names in EMBEDDED_OPTIONS is on
    select(pool, budget, rng)  -> int64 indices, best first, unlabelled only, total cost within the budget

Keyword-only arguments of `select` are the strategy's options, set by `select.options`; each has a default. A strategy
may bring a model of its own, fitted on `pool.targets`: then NEEDS_MODEL is False, and it says what it does without
labels. Where the choice for a smaller budget is not the beginning of that for a larger one, NESTED = False says so.
So that people see why, optionally

    explain(pool, picks, categories) -> [(score, sentence)]     one for each pick, in their order

with those of the options that it has as keyword-only arguments too; `explained` hands them over. A strategy that
decides something beforehand may say so: evidence(pool, **options) -> what goes into selection.json and to MLflow.

Ties go to the earlier row; the stage sorts the rows by id, so the order of the tables does not matter. Only those
that draw something for each row depend on that order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from types import ModuleType
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError, create_model

from assay.errors import ParamsError
from assay.params.bounds import Section, complaints

Explanation = list[tuple[float, str]]

COLD_START = "maxherding"
"""Stands in for a strategy that needs a model while there is none: areas under the learning curves of all strategies
are in `benchmarks/README.md`."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The images a strategy looks at: those to choose from, and the labelled ones that count as covered.

    What shall not be chosen costs infinitely much.
    """

    embeddings: NDArray[np.float32]
    """(n, d)"""
    probabilities: NDArray[np.float32] | None
    """(n, classes) of the champion; rows of labelled images may be NaN."""
    labelled: NDArray[np.bool_]
    """(n,)"""
    costs: NDArray[np.float32]
    """(n,) above 0, in the unit of the budget."""
    targets: NDArray[np.int64] | None = None
    """(n,) the class of each labelled row, −1 elsewhere; None: unknown. For strategies that fit a probe."""
    draws: NDArray[np.float64] | None = None
    """(n,) in 0…1, of each image's own, see `draws_of`; None: there is no control arm. For `auto`."""

    def __post_init__(self) -> None:
        n = len(self.labelled)
        others = {
            "embeddings": self.embeddings,
            "probabilities": self.probabilities,
            "costs": self.costs,
            "targets": self.targets,
            "draws": self.draws,
        }
        if wrong := [name for name, rows in others.items() if rows is not None and len(rows) != n]:
            raise ValueError(f"{', '.join(wrong)}: not as many rows as `labelled` ({n})")
        if not (self.costs > 0).all():
            raise ValueError("every cost must be above 0")

    @property
    def unlabelled(self) -> NDArray[np.int64]:
        """Rows to choose from."""
        return np.flatnonzero(~self.labelled)

    @property
    def beliefs(self) -> NDArray[np.float32]:
        """`probabilities`, for strategies that cannot do without. ValueError if there are none."""
        if self.probabilities is None:
            raise ValueError("this strategy needs the probabilities of a model")
        return self.probabilities


def draws_of(ids: Sequence[str], seed: int = 0) -> NDArray[np.float64]:
    """(n,) in 0…1, drawn once for each id: their order is that in which the control arm grows.

    `seed` is for replays. A project has one order, whatever its `seed`: which labels were random is not forgotten.
    """
    prefix = f"{seed}:control:".encode()
    first8 = b"".join(hashlib.sha256(prefix + sample.encode()).digest()[:8] for sample in ids)
    return np.frombuffer(first8, dtype=">u8").astype(np.float64) / 2**64


def options_of(strategy: ModuleType) -> dict[str, Any]:
    """The options of a strategy and their defaults, read off the signature of its `select`."""
    arguments = signature(strategy.select).parameters.values()
    return {
        argument.name: argument.default for argument in arguments if argument.kind is argument.KEYWORD_ONLY
    }


def needs_embeddings(strategy: ModuleType, options: Mapping[str, Any]) -> bool:
    """Whether the strategy looks at the embeddings, with these options."""
    embedded = getattr(strategy, "EMBEDDED_OPTIONS", ())
    return strategy.NEEDS_EMBEDDINGS or any(options.get(name) for name in embedded)


def check_options(strategy: ModuleType, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, if the strategy has such options and they may have such values; ParamsError otherwise.

    The annotations of `select` say which: `radius: Annotated[float, within(0, 2, above=True)] = 1.0`.
    """
    valid, name = options_of(strategy), strategy.__name__.rpartition(".")[2]
    kinds = get_type_hints(strategy.select, include_extras=True)
    fields: Any = {key: (kinds.get(key, type(default)), default) for key, default in valid.items()}
    try:
        create_model("Options", __base__=Section, **fields).model_validate(dict(given))
    except ValidationError as error:
        listed = ", ".join(f"{key} ({default})" for key, default in valid.items())
        raise ParamsError(
            f"select.options of strategy {name}: {'; '.join(complaints(error))}",
            hint=f"valid: {listed or 'it has none'}",
        ) from None
    return dict(given)


def explained(
    strategy: ModuleType,
    pool: Candidates,
    picks: NDArray[np.int64],
    categories: Sequence[str],
    options: Mapping[str, Any],
) -> Explanation:
    """The strategy's own words on each pick, or that it was the one to choose."""
    if not hasattr(strategy, "explain"):
        return [(0.0, f"chosen by {strategy.__name__.rpartition('.')[2]}")] * len(picks)
    takes = signature(strategy.explain).parameters
    told: Explanation = strategy.explain(
        pool, picks, categories, **{name: value for name, value in options.items() if name in takes}
    )
    return told


def best_first(pool: Candidates, scores: NDArray[np.floating], budget: float) -> NDArray[np.int64]:
    """The unlabelled rows with the highest of `scores` (n,) that the budget pays for, best first."""
    rows = pool.unlabelled
    return affordable(rows[np.argsort(-scores[rows], kind="stable")], pool.costs, budget)


def spend(
    ranking: Callable[[NDArray[np.bool_]], Iterable[int]], pool: Candidates, budget: float
) -> NDArray[np.int64]:
    """Follow a ranking that depends on what is still open, until nothing is that the rest of the budget pays for.

    `ranking` gets (n,) the rows it may give next, and has to look at it again for each: it changes as money is spent.
    """
    costs = pool.costs.astype(np.float64)
    open_ = ~pool.labelled & (costs <= budget)
    picks: list[int] = []
    spent = 0.0
    for row in ranking(open_):
        picks.append(row)
        spent += costs[row]
        open_ &= spent + costs <= budget
    return np.array(picks, np.int64)


def affordable(order: NDArray[np.int64], costs: NDArray[np.float32], budget: float) -> NDArray[np.int64]:
    """Walk down `order` and keep what still fits: no row left out would have fitted at its turn."""
    picks, spent = [], 0.0
    cheapest = float(costs[order].min(initial=np.inf))
    for row in order:
        if spent + cheapest > budget:
            break
        if spent + float(costs[row]) <= budget:
            picks.append(row)
            spent += float(costs[row])
    return np.array(picks, dtype=np.int64)


def two_likeliest(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n, 2) classes, the likeliest first; (n, 1) where the model knows one class only."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
