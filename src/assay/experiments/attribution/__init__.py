"""Why a metric changed from A to B: the share of each factor that differs, with honest error bars.

    plan(players)                 the corners to train and evaluate, each once for every seed
    attribute(players, outcomes)  their predictions -> shares, interactions, intervals, verdicts
    waterfall.waterfall(…)        a picture of it (imports matplotlib)

Arrays in, numbers out: git, DVC and files are elsewhere.
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
from assay.experiments.corner_metrics import Outcome
from assay.experiments.corners import MOST_EXACT, PERMUTATIONS, Corner, Design, plan
from assay.experiments.needs import Needs

__all__ = [
    "GRID",
    "MOST_EXACT",
    "PERMUTATIONS",
    "RULER",
    "Attribution",
    "Corner",
    "Decomposition",
    "Design",
    "Effect",
    "Interaction",
    "Needs",
    "Outcome",
    "Share",
    "Verdict",
    "attribute",
    "plan",
]
