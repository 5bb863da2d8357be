"""Replay of one strategy with one seed: all labels are hidden and revealed when the strategy asks for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assay import plugins
from assay.errors import AssayError
from assay.experiments.simulation.replay_data import ReplayData
from assay.lineage.closure import import_closure
from assay.lineage.digests import canonical_digest, code_digest
from assay.plugins import RUNNING
from assay.strategies import COLD_START, Candidates, draws_of, needs_embeddings, needs_model
from assay.tasks import classification
from assay.training import linear_probe
from assay.training.linear_probe import LinearProbe

Ints = NDArray[np.int64]

OURS = "assay.strategies"
SHARE = 0.5
"""Part of the pool used by a seed. The variance between random halves is that of a sample (P. J. McCarthy 1969)."""
ONLOOKERS = ("errors.py", "params", "plugins.py")
"""Files and folders of the package without influence on the choice."""
LIBRARIES = ("numpy", "scikit-learn", "faiss-cpu")


@dataclass(frozen=True)
class Trajectory:
    """Arguments of a replay. `budgets`: total numbers of labels, ascending; `limit`: most images used by a seed."""

    strategy: str
    seed: int
    budgets: tuple[int, ...]
    limit: int
    options: Mapping[str, Any] = field(default_factory=dict)
    package: str = OURS
    """Package of the strategy; benchmarks have reference strategies in another one."""

    def load(self) -> ModuleType:
        if (
            self.package == OURS
        ):  # or of the project: this may be another process than the one that has read params
            return plugins.load("strategies", self.strategy)
        return import_module(f"{self.package}.{self.strategy}")


@dataclass(frozen=True)
class Step:
    """Result of one step."""

    picks: Ints
    """Rows of the pool in the order chosen."""
    correct: Mapping[str, NDArray[np.bool_]]
    """{split: (n,)} whether a probe on all labels so far predicts each image right; {} where labels are no classes."""
    choosing: float
    """Seconds that the strategy took."""
    fitting: float


class StepStore(Protocol):
    """Cache of steps by key."""

    def read(self, key: str) -> Step | None: ...
    def write(self, key: str, step: Step) -> None: ...


def pool_size(labelled: int, limit: int) -> int:
    """Number of images used by a seed."""
    return min(limit, max(1, int(labelled * SHARE)))


def drawn(labelled: int, limit: int, seed: int) -> Ints:
    """Sorted rows used by a seed, the same for every strategy."""
    order = np.random.default_rng([seed, labelled]).permutation(labelled)
    return np.sort(order[: pool_size(labelled, limit)]).astype(np.int64)


def keys(data: ReplayData, one: Trajectory) -> list[str]:
    """A fingerprint of each step, of all its inputs including the earlier steps."""
    said = ["simulate", data.digest, one.package, one.strategy, dict(one.options), one.seed, one.limit]
    mark = canonical_digest([*said, code_of(one), {name: version(name) for name in LIBRARIES}])
    return [canonical_digest([mark, list(one.budgets[: k + 1])]) for k in range(len(one.budgets))]


def code_of(one: Trajectory) -> list[str]:
    """Digests of the code of a replay: strategy, cold-start strategy, probe, and this file."""
    strategy = one.load()
    ours = ["assay.training.linear_probe", *([f"{OURS}.{COLD_START}"] if needs_model(strategy) else [])]
    ours += [strategy.__name__] if one.package == OURS else []
    files = {Path(__file__), *(file for name in ours for file in import_closure(name))}
    decides = code_digest({file for file in files if RUNNING.name(file).split("/")[0] not in ONLOOKERS})
    if one.package == OURS:
        return [decides]
    theirs = Path(str(strategy.__file__)).parent
    return [decides, *(hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(theirs.glob("*.py")))]


def replay(
    data: ReplayData, one: Trajectory, store: StepStore, on_step: Callable[[Step], None] = lambda _: None
) -> list[Step]:
    """All steps, from the cache where possible. AssayError if the strategy breaks its contract."""
    state = _State(data, one)
    steps = []
    for turn, key in enumerate(keys(data, one)):
        step = store.read(key)
        if step is None:
            step = state.step(turn)
            store.write(key, step)
        else:
            state.reveal(step.picks)
        steps.append(step)
        on_step(step)
    return steps


class _State:
    """Labels revealed so far, and the probe fitted to them."""

    def __init__(self, data: ReplayData, one: Trajectory) -> None:
        self._data, self._one = data, one
        self._rows = drawn(len(data.pool), one.limit, one.seed)
        self._known = np.zeros(len(self._rows), bool)
        self._probe: LinearProbe | None = None

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        return np.asarray(self._data.pool.vectors[self._rows])

    @cached_property
    def _targets(self) -> Ints:
        return np.asarray(self._data.pool.targets[self._rows])

    @cached_property
    def _draws(self) -> NDArray[np.float64]:
        """(n,) random numbers that define the control arm; others for each seed."""
        return draws_of([str(row) for row in self._rows.tolist()], self._one.seed)

    def step(self, turn: int) -> Step:
        started = perf_counter()
        picks = self._choose(turn)
        chosen = perf_counter()
        self.reveal(self._rows[picks])
        correct = {} if self._data.strength is None else self._measured()
        return Step(self._rows[picks], correct, chosen - started, perf_counter() - chosen)

    def _measured(self) -> dict[str, NDArray[np.bool_]]:
        probe = self._fitted()
        return {
            name: probe.probabilities(ruler.vectors).argmax(1) == ruler.targets
            for name, ruler in self._data.rulers.items()
        }

    def reveal(self, picks: Ints) -> None:
        self._known[np.searchsorted(self._rows, picks)] = True
        self._probe = None

    def _choose(self, turn: int) -> Ints:
        """Rows chosen in one step, of the images of this seed."""
        budget = self._one.budgets[turn] - (self._one.budgets[turn - 1] if turn else 0)
        strategy = self._one.load()
        options = dict(self._one.options)
        if needs_model(strategy) and len(np.unique(self._targets[self._known])) < 2:
            strategy, options = import_module(f"{OURS}.{COLD_START}"), {}
        rng = np.random.default_rng([self._one.seed, turn])
        picks = np.asarray(strategy.select(self._candidates(strategy), budget, rng, **options), np.int64)
        if len(picks) != budget or len(np.unique(picks)) != budget or self._known[picks].any():
            fresh = int((~self._known[np.unique(picks)]).sum())
            raise AssayError(
                f"strategy {self._one.strategy} was asked for {budget} unlabelled images and chose {fresh}",
                hint="`assay check-plugin FILE` checks a strategy against its contract",
            )
        return picks

    def _candidates(self, strategy: ModuleType) -> Candidates:
        n = len(self._rows)
        vectors = (
            self._vectors if needs_embeddings(strategy, self._one.options) else np.empty((n, 0), np.float32)
        )
        beliefs = self._fitted().probabilities(self._vectors) if needs_model(strategy) else None
        doubt = None if beliefs is None else classification.doubts(beliefs)
        targets = np.where(self._known, self._targets, -1)
        costs = np.ones(n, np.float32)
        return Candidates(vectors, beliefs, self._known.copy(), costs, targets, self._draws, doubt)

    def _fitted(self) -> LinearProbe:
        """A probe on all labels revealed so far."""
        if self._probe is None:
            known, classes, strength = self._known, self._data.classes, self._data.strength
            assert strength is not None, "the plan has no strategy that asks a probe"
            self._probe = linear_probe.fit(self._vectors[known], self._targets[known], classes, strength)
        return self._probe


def labelled_after(steps: Sequence[Step]) -> list[Ints]:
    """Rows of the pool that are labelled after each step."""
    return [np.concatenate([step.picks for step in steps[: k + 1]]) for k in range(len(steps))]
