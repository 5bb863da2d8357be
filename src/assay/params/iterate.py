"""The section `iterate` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from assay.params.bounds import Count, Hours, Rounds, Section, within


class Iterate(Section):
    """`assay iterate`: no stage of dvc.yaml."""

    rounds: Rounds = 3
    """Total number of rounds of a branch."""
    budget: Count | None = None
    """Total number of answers; the last queue is cut to the rest. null: no limit."""
    target: float | None = None
    """Stop once the whole 95 % interval of track.primary on test is at least this (log_loss, ece: at most)."""
    plateau_rounds: Rounds = 2
    """Number of rounds whose common gain is compared with `plateau_gain`."""
    plateau_gain: Annotated[float, within(0, 1000, above=True)] | None = 0.005
    """Stop if the whole paired 95 % interval of the gain of the last `plateau_rounds` is below it; null: never."""
    random_wins: bool = True
    """Stop if the random control arm of strategy `auto` is significantly better than its choice."""
    promote: bool = True
    """Promote the model of each round unless it is significantly worse than the champion."""
    enough: Annotated[float, within(0, 1, above=True)] = 1.0
    """Share of the images sent that must be answered before a round goes on; the others are not used."""
    deadline: Hours | None = None
    """Hours after which a round goes on with the answers that there are, at least one; null: it waits."""
