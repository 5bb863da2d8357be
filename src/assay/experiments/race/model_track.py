"""The model track: each step is one trial of other params, proposed by Optuna, on the data of the baseline.

The sampler is TPE (J. Bergstra et al.: Algorithms for Hyper-Parameter Optimization. NeurIPS 2011), seeded, after a few
random trials. It gets the metric on val of each trial and of the baseline. Trials are not pruned: a trial that was
stopped early is not comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.experiments.race.space import Choices, is_whole, standing
from assay.params import Params, Range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

RANDOM = 3
"""Random trials before TPE, the baseline included."""
STREAM = 2
"""Number of the random stream of the search; the labels use another one of the same seed."""
DIGITS = 3
"""Significant digits of proposed numbers."""


class Search:
    """Search of one seed: `ask`, train, `tell`, in turn. The same seed and scores give the same proposals."""

    def __init__(self, choices: Mapping[str, Choices], baseline: Params, seed: int, maximise: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._spread = {key: _distribution(key, choice) for key, choice in choices.items()}
        self._own = standing(choices, baseline.train)
        own = int(np.random.SeedSequence([seed, STREAM]).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=own, n_startup_trials=RANDOM)
        self._study = optuna.create_study(sampler=sampler, direction="maximize" if maximise else "minimize")
        self._open: Trial | None = None

    def tell_baseline(self, score: float) -> None:
        """Report the metric of the baseline on val; ignored if its params lie outside the space."""
        if self._own is not None:
            self._study.add_trial(
                self._optuna.create_trial(params=self._own, distributions=self._spread, value=score)
            )

    def ask(self) -> dict[str, Any]:
        """The next proposal: {key of `train`: value}."""
        self._open = self._study.ask(self._spread)
        return {key: _short(value) for key, value in self._open.params.items()}

    def tell(self, score: float | None) -> None:
        """Report the metric on val of the last proposal; None: it failed."""
        assert self._open is not None
        failed = self._optuna.trial.TrialState.FAIL
        self._study.tell(self._open, score, state=failed if score is None else None)
        self._open = None


def _distribution(key: str, choice: Choices) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(choice, Range):
        return CategoricalDistribution(choice)
    if is_whole(key):
        return IntDistribution(int(choice.low), int(choice.high), log=choice.log)
    return FloatDistribution(choice.low, choice.high, log=choice.log)


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
