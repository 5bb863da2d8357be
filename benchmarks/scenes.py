"""Scenes of `whole.py` with boxes and masks on images, and the predictions of trainings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from assay.metrics.detected import Detected
from assay.metrics.objects import Detections, Truth, offsets_of
from assay.metrics.semantic_segmentation import METRICS, TERMS, PixelsClassified, SegmentedImage
from benchmarks.whole import Scene

Floats = NDArray[np.float64]

SHARES = (0.6, 0.3, 0.1)
"""Shares of the classes of the objects."""
OBJECTS, DECOYS = 5.0, 3.0
"""Mean numbers of objects, and of decoys (candidates of false detections), per image."""
AHEAD, SHIFT, FLIPS = 0.35, 0.05, 0.6
"""The effect of the new data, the noise of a seed as a whole and that of single objects, in standard normal units."""
SEEN = -0.6
"""Threshold of detection, in standard normal units."""
OFF = 0.11
"""Relative error of the sides of a box, for an object of mean difficulty."""


@dataclass(frozen=True)
class Pictures:
    """Objects on images; `ease` and `off`: parts of detection and of placement error common to all trainings."""

    truth: Truth
    decoys: Truth
    ease: Floats
    tempting: Floats
    off: Floats


def pictures(n: int, rng: np.random.Generator) -> Pictures:
    truth, decoys = (_objects(rng.poisson(mean, n), rng) for mean in (OBJECTS, DECOYS))
    image = 0.4 * rng.standard_normal(n)
    ease = image[truth.images] + rng.standard_normal(len(truth.classes))
    tempting = rng.standard_normal(len(decoys.classes)) - 0.5
    return Pictures(truth, decoys, ease, tempting, rng.standard_normal((len(ease), 4)))


def _objects(counts: NDArray[np.int64], rng: np.random.Generator) -> Truth:
    m = int(counts.sum())
    boxes = np.concatenate([1000 * rng.random((m, 2)), np.exp(rng.normal(4, 0.6, (m, 2)))], axis=1)
    classes = rng.choice(len(SHARES), m, p=SHARES)
    return Truth(offsets_of(counts), classes, boxes, boxes[:, 2] * boxes[:, 3], crowd=np.zeros(m, bool))


def detected(better: bool, test: Pictures, rng: np.random.Generator) -> Detected:
    """One training: easy objects are detected with high scores and small errors; so are some decoys."""
    ahead = AHEAD * better + SHIFT * rng.standard_normal()
    objects = test.ease + ahead + FLIPS * rng.standard_normal(len(test.ease))
    decoys = test.tempting - ahead / 2 + FLIPS * rng.standard_normal(len(test.tempting))
    off = (test.off + rng.standard_normal(test.off.shape)) / np.sqrt(2)
    sides = test.truth.boxes[:, [2, 3, 2, 3]] * OFF * np.exp(-0.3 * objects)[:, None]
    boxes = np.concatenate([test.truth.boxes + sides * off, test.decoys.boxes])
    latent = np.concatenate([objects, decoys])
    images = np.concatenate([test.truth.images, test.decoys.images])
    order = np.argsort(images, kind="stable")
    order = order[latent[order] > SEEN]
    found = Detections(
        offsets_of(np.bincount(images[order], minlength=len(test.truth))),
        np.concatenate([test.truth.classes, test.decoys.classes])[order],
        boxes[order],
        boxes[order, 2] * boxes[order, 3],
        scores=ndtr(latent[order]),
    )
    return Detected(test.truth.by_class(), found.best(100), len(SHARES))


@dataclass(frozen=True)
class Areas:
    """(n, classes) pixels of each class on each image, 0 if absent, and how easy they are to segment."""

    there: Floats
    ease: Floats


def areas(n: int, rng: np.random.Generator) -> Areas:
    shape = (n, len(SHARES))
    there = np.exp(rng.normal(6.5, 1.0, shape)).round().astype(np.float64)
    there[rng.random(shape) >= np.array(SHARES) + 0.3] = 0
    return Areas(there, rng.standard_normal((n, 1)) + 0.5 * rng.standard_normal(shape))


def labelled(better: bool, test: Areas, rng: np.random.Generator) -> PixelsClassified:
    """One training: harder areas have more missed pixels, and as many false ones."""
    ahead = AHEAD * better + SHIFT * rng.standard_normal()
    right = expit(1.5 + ahead + test.ease + FLIPS * rng.standard_normal(test.ease.shape))
    more = (1 - right) * np.exp(0.3 * rng.standard_normal(test.ease.shape))
    there, edges = test.there, 4 * np.sqrt(test.there)
    columns = {
        "shared": there * right,
        "found": there * (right + more),
        "there": there,
        "found_near": edges * right,
        "found_edge": edges * np.sqrt(right + more),
        "there_near": edges * right,
        "there_edge": edges,
    }
    pixels = np.stack([columns[name] for name in TERMS], axis=-1)
    return PixelsClassified(pixels, (SegmentedImage(1, 1, "", (), "[]"),) * len(there), {})


BOXES = Scene("three classes of boxes, one of 10 %", Detected.METRICS, 100, pictures, detected, (100, 4_000))
MASKS = Scene("three classes of pixels", METRICS, 100, areas, labelled, (300, 20_000))
