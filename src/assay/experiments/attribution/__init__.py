"""Attribution: the share of each factor that differs in the change of a metric from A to B, with intervals.

    plan(players)                 the corners to train and evaluate, each once for every seed
    attribute(players, outcomes)  predictions of the corners -> shares, interactions, intervals, verdicts
    waterfall.waterfall(…)        plot (imports matplotlib)

Functions of arrays: no git, DVC or files.
"""

from assay.experiments.attribution.attribute import GRID, RULER, attribute
from assay.experiments.attribution.effects import (
    Attribution,
    Decomposition,
    Effect,
    Interaction,
    Share,
    Verdict,
)
from assay.experiments.corner_metrics import CornerOutcome
from assay.experiments.corners import MOST_EXACT, PERMUTATIONS, Corner, Design, plan
from assay.experiments.needs import Needs

__all__ = [
    "GRID",
    "MOST_EXACT",
    "PERMUTATIONS",
    "RULER",
    "Attribution",
    "Corner",
    "CornerOutcome",
    "Decomposition",
    "Design",
    "Effect",
    "Interaction",
    "Needs",
    "Share",
    "Verdict",
    "attribute",
    "plan",
]
