"""Sample selection: which images are worth labelling next.

A strategy is one file with

    NEEDS: tuple[str, ...]     the columns of Candidates that it reads:
                               embeddings      without it they have width 0 and no file is read, unless an option
                                               named in EMBEDDED_OPTIONS is on
                               doubt           of the champion, for any task
                               probabilities   of each class, of the champion: for tasks with classes
                               classes         `targets`, to fit a model of its own: for tasks with classes
    select(pool, budget, rng)  -> int64 rows, best first, unlabelled only, total cost within the budget

COLD_START replaces a strategy that needs doubt or probabilities until a model is promoted. One that fits a model of
its own says in its docstring what it does without labels. Keyword-only arguments of `select` are the options of the
strategy, set by `select.options`; each has a default. NESTED = False: the choice for a smaller budget is not the
beginning of that for a larger one. Optional:

    explain(pool, picks, categories) -> [(score, reason)]    one for each pick, in order; takes the same options
    evidence(pool, **options) -> dict                        decisions made beforehand, for selection.json and MLflow

Ties go to the earlier row. The stage sorts the rows by id, so the order of the tables does not matter; only strategies
that draw a number for each row depend on the set of rows.
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

OF_A_CHAMPION = frozenset({"doubt", "probabilities"})
OF_CLASSES = frozenset({"probabilities", "classes"})
"""Needs that only a task with classes serves."""
NEEDS = frozenset({"embeddings", *OF_A_CHAMPION, *OF_CLASSES})
COLD_START = "maxherding"
"""Replaces a strategy that needs a model while there is none. `benchmarks/README.md` has the areas under the learning
curves that it was chosen by."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Input of a strategy: n images, the labelled ones included, which count as covered.

    An image with infinite cost is never chosen.
    """

    embeddings: NDArray[np.float32]
    """(n, d)"""
    probabilities: NDArray[np.float32] | None
    """(n, classes) of the champion; rows of labelled images may be NaN."""
    labelled: NDArray[np.bool_]
    """(n,)"""
    costs: NDArray[np.float32]
    """(n,) > 0, in the unit of the budget."""
    targets: NDArray[np.int64] | None = None
    """(n,) class of each labelled row, −1 elsewhere; None: unknown. For strategies that fit a probe."""
    draws: NDArray[np.float64] | None = None
    """(n,) one random number in 0…1 for each image (`draws_of`); None: no control arm. For `auto`."""
    doubt: NDArray[np.float32] | None = None
    """(n,) in 0…1 of the champion, as the task defines it; of labelled images it may be NaN."""
    objects: NDArray[np.float64] | None = None
    """(n, classes) number of objects: annotated, or expected by the champion; NaN: neither. For `select.balance`."""

    def __post_init__(self) -> None:
        n = len(self.labelled)
        others = {
            "embeddings": self.embeddings,
            "probabilities": self.probabilities,
            "costs": self.costs,
            "targets": self.targets,
            "draws": self.draws,
            "doubt": self.doubt,
            "objects": self.objects,
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
        """`probabilities`; ValueError if there are none."""
        if self.probabilities is None:
            raise ValueError("this strategy needs the probabilities of a model")
        return self.probabilities


def draws_of(ids: Sequence[str], seed: int = 0) -> NDArray[np.float64]:
    """(n,) in 0…1, a hash of each id: the control arm grows in the order of these numbers.

    `seed` is for replays only. A project always uses 0, so that the set of random labels does not change with `seed`.
    """
    prefix = f"{seed}:control:".encode()
    first8 = b"".join(hashlib.sha256(prefix + sample.encode()).digest()[:8] for sample in ids)
    return np.frombuffer(first8, dtype=">u8").astype(np.float64) / 2**64


def options_of(strategy: ModuleType) -> dict[str, Any]:
    """Options of a strategy and their defaults, from the signature of `select`."""
    arguments = signature(strategy.select).parameters.values()
    return {
        argument.name: argument.default for argument in arguments if argument.kind is argument.KEYWORD_ONLY
    }


def needs_model(strategy: ModuleType) -> bool:
    """Whether the strategy asks a champion."""
    return not OF_A_CHAMPION.isdisjoint(strategy.NEEDS)


def needs_classes(strategy: ModuleType) -> bool:
    """Whether the strategy works with classes only."""
    return not OF_CLASSES.isdisjoint(strategy.NEEDS)


def needs_embeddings(strategy: ModuleType, options: Mapping[str, Any]) -> bool:
    """Whether the strategy reads the embeddings under these options."""
    embedded = getattr(strategy, "EMBEDDED_OPTIONS", ())
    return "embeddings" in strategy.NEEDS or any(options.get(name) for name in embedded)


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
    """Score and reason of each pick, from `explain` of the strategy; without one, a score of 0 and its name."""
    if not hasattr(strategy, "explain"):
        return [(0.0, f"chosen by {strategy.__name__.rpartition('.')[2]}")] * len(picks)
    takes = signature(strategy.explain).parameters
    told: Explanation = strategy.explain(
        pool, picks, categories, **{name: value for name, value in options.items() if name in takes}
    )
    return told


def best_first(pool: Candidates, scores: NDArray[np.floating], budget: float) -> NDArray[np.int64]:
    """The unlabelled rows with the highest `scores` (n,) within the budget, best first."""
    rows = pool.unlabelled
    return affordable(rows[np.argsort(-scores[rows], kind="stable")], pool.costs, budget)


def spend(
    ranking: Callable[[NDArray[np.bool_]], Iterable[int]], pool: Candidates, budget: float
) -> NDArray[np.int64]:
    """Take rows from `ranking` until no open row costs less than what is left of the budget.

    `ranking` gets a mask (n,) of the open rows and must read it before each row it yields: rows that have become too
    expensive are closed in place.
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
    """The rows of `order`, in order, that fit into what is left of the budget at their turn."""
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
    """(n, 2) classes, the likeliest first; (n, 1) if the model has one class only."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
