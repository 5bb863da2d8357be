"""From the regions of all images to the probability of each error of a mask, and what its label would become.

A *defect* is what the mask shows without the image: a hole, loose pieces, a neck between two bodies, half of a convex
whole. In some classes the objects have it by nature, at a rate that may be any; in others it is a slip of the
annotator, at a rate near SLIPS. The number of objects of the class with the defect gives the probability of a slip
(two beta-binomials): few of many are slips, a large share is nature. That probability is multiplied by
`Defect.mended`, the share of such slips that people mended. In a hole, what the segmenter sees multiplies the odds.

Elsewhere only the segmenter speaks against the mask, and it may be wrong itself. With f, the share of the labels of the
class that look as bad or worse, at most a share f are errors. The error rate has an exponential prior with the mean
SELDOM, cut off at f (`cannot_tell`). The probability is at most ½.

The score of an image is the highest probability of its regions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from assay.labels.masks.regions import Patch, Region
from assay.labels.objects.suspicions import EDGE, FAINT, cannot_tell

Floats = NDArray[np.float64]

KINDS = ("missed", "spurious", "swapped", "merged", "split", "outline")
SLIPS = 0.02
"""Mean of the prior rate of a slip."""
NATURE = 0.5
"""Prior probability that the objects of a class have a defect by nature."""
NARROW = 0.5
"""From here on a neck is a defect."""
SELDOM = {"missed": 0.0005, "spurious": 0.001, "swapped": 0.001, "outline": 0.0002}
"""Mean of the prior rate of errors that a segmenter speaks of, of all labels of a class."""


@dataclass(frozen=True)
class Defect:
    """What a mask shows without the image."""

    kind: str
    """One of KINDS."""
    better: str
    """The entry of `Region.better` that mends it."""
    has: Callable[[Region], bool]
    mended: float
    """Share of such slips that people mended: of every other image of DSB 2018, (mended + 1) / (found + 2)."""


DEFECTS = {
    "hole": Defect("outline", "mended", lambda one: one.hole is not None, 0.98),
    "pieces": Defect("outline", "mended", lambda one: one.parts > 1, 0.83),
    "neck": Defect("merged", "parted", lambda one: one.neck >= NARROW, 0.08),
    "twin": Defect("split", "joined", lambda one: one.twin >= 0, 0.06),
}
APART = ("merged", "split")
"""Kinds that mean something only where neighbours of one class are different objects."""


@dataclass(frozen=True)
class Suspicion:
    """An error of a label, or a label that is missing."""

    kind: str
    """One of KINDS."""
    why: str
    """The defect; `seen`: what the segmenter sees speaks against the label."""
    region: Region
    category: int
    """The class that the label would have."""
    better: tuple[Patch, ...]
    """The masks that the label would become; none: it would go."""
    probability: float


def suspicions(found: Sequence[Region], apart: bool = True) -> list[Suspicion]:
    """The strongest suspicion of each label, and what is seen beside the labels; the most probable first.

    `apart`: neighbours of one class are different objects.
    """
    made: list[Suspicion] = []
    for k in sorted({one.category for one in found}):
        labelled = [one for one in found if one.category == k and one.label >= 0]
        beside = [one for one in found if one.category == k and one.label < 0]
        parts = (_defects(labelled), _unseen(labelled), _swapped(labelled, k), _elsewhere(labelled))
        made += [one for part in parts for one in part if apart or one.kind not in APART]
        made += _missed(beside, len(labelled))
    made.sort(key=lambda one: (-one.probability, one.region.image, one.region.label))
    return _strongest(one for one in made if one.probability >= FAINT)


def _strongest(made: Iterable[Suspicion]) -> list[Suspicion]:
    """The first of each label, and all that have none; of two that make one, the first names both."""
    kept: list[Suspicion] = []
    taken: set[tuple[int, int]] = set()
    for one in made:
        image, label = one.region.image, one.region.label
        if label >= 0 and (image, label) in taken:
            continue
        taken.add((image, label))
        if one.kind == "split":
            taken.add((image, one.region.twin))
        kept.append(one)
    return kept


def of_images(found: Iterable[Suspicion], count: int) -> Floats:
    """(count,) the score of each image: its most probable error."""
    scores = np.zeros(count)
    for one in found:
        scores[one.region.image] = max(scores[one.region.image], one.probability)
    return scores


def slip(count: int, among: int) -> float:
    """Probability that a defect of `count` of `among` objects of a class is a slip, and not their nature."""
    slips = (1 - NATURE) * float(betabinom.pmf(count, among, 1, 1 / SLIPS - 1))
    return slips / (slips + NATURE / (among + 1))


def _defects(labelled: Sequence[Region]) -> list[Suspicion]:
    made = []
    for why, defect in DEFECTS.items():
        those = [one for one in labelled if defect.has(one)]
        chance = slip(len(those), len(labelled))
        for one in those:
            wrong = defect.mended * (chance if one.hole is None or why != "hole" else _odds(chance, one.hole))
            made.append(Suspicion(defect.kind, why, one, one.category, one.better[defect.better], wrong))
    return made


def _odds(chance: float, seen: float) -> float:
    """A probability whose odds are multiplied by those of another."""
    cut = float(np.clip(seen, EDGE, 1 - EDGE))
    return chance * cut / (chance * cut + (1 - chance) * (1 - cut))


def _unseen(labelled: Sequence[Region]) -> list[Suspicion]:
    """Labels at whose pixels no class is seen."""
    core = np.array([one.core for one in labelled])
    chances = (1 - core) * _chances(-core, len(labelled), "spurious")
    rows = zip(labelled, chances.tolist(), strict=True)
    return [Suspicion("spurious", "seen", one, one.category, (), chance) for one, chance in rows]


def _swapped(labelled: Sequence[Region], own: int) -> list[Suspicion]:
    """Labels at whose pixels another class is seen."""
    if not labelled or len(labelled[0].classes) < 2:
        return []
    seen = np.array([one.classes for one in labelled])
    others = np.where(np.arange(seen.shape[1]) == own, -1, seen)
    most = others.max(1)
    chances = most * _chances(most - seen[:, own], len(labelled), "swapped")
    rows = zip(labelled, others.argmax(1).tolist(), chances.tolist(), strict=True)
    return [Suspicion("swapped", "seen", one, k, (one.patch,), chance) for one, k, chance in rows]


def _elsewhere(labelled: Sequence[Region]) -> list[Suspicion]:
    """Labels that are seen, with another outline."""
    off, core = (np.array([getattr(one, name) for one in labelled]) for name in ("off", "core"))
    chances = core * _chances(off, len(labelled), "outline")
    rows = (
        (one, chance) for one, chance in zip(labelled, chances.tolist(), strict=True) if one.better["redrawn"]
    )
    return [Suspicion("outline", "seen", one, one.category, one.better["redrawn"], p) for one, p in rows]


def _missed(beside: Sequence[Region], labelled: int) -> list[Suspicion]:
    """What is seen beside the labels: the more, the larger it is for its class and the less it touches labels."""
    support = np.array([one.support for one in beside])
    free = np.array([one.size * (1 - one.touching) for one in beside])
    chances = support * _chances(support * free, labelled, "missed")
    rows = zip(beside, chances.tolist(), strict=True)
    return [Suspicion("missed", "seen", one, one.category, one.better["added"], p) for one, p in rows]


def _chances(badness: Floats, labelled: int, kind: str) -> Floats:
    """(m,) probabilities, ½ at most, of regions with some badness (m,) among so many labels of their class."""
    as_bad = len(badness) - np.searchsorted(np.sort(badness), badness, "left")
    return cannot_tell(as_bad / max(labelled, 1) / SELDOM[kind])
