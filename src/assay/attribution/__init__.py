"""Why a metric changed from A to B: the share of each factor that differs, with honest error bars.

    plan(players)                 the corners to train and evaluate, each once for every seed
    attribute(players, outcomes)  their predictions -> shares, interactions, intervals, verdicts
    waterfall.waterfall(…)        a picture of it (imports matplotlib)

Arrays in, numbers out: git, DVC and files are elsewhere.
"""

from assay.attribution.attribute import GRID, RULER, attribute
from assay.attribution.corners import MOST_EXACT, PERMUTATIONS, Corner, Plan, plan
from assay.attribution.effects import Attribution, Decomposition, Effect, Interaction, Needs, Share, Verdict
from assay.attribution.measured import Outcome

__all__ = [
    "GRID",
    "MOST_EXACT",
    "PERMUTATIONS",
    "RULER",
    "Attribution",
    "Corner",
    "Decomposition",
    "Effect",
    "Interaction",
    "Needs",
    "Outcome",
    "Plan",
    "Share",
    "Verdict",
    "attribute",
    "plan",
]
