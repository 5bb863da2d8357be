"""The quick learner from tags: a linear probe of each class on pooled feature maps, and where its evidence lies.

B. Zhou et al.: Learning Deep Features for Discriminative Localization. CVPR 2016. The pooled score of a class is the
mean of its scores at all positions, so a probe that was trained on whole images scores each position too. Its map, from
FLOOR of the maximum on, is the region of a class that the image is predicted to show; connected regions are objects.

Also the learner of `presence`, whatever was drawn: pooled features say no more than which classes an image shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.experiments.effort import box_head, decoder
from assay.experiments.effort.features import StudyFeatures
from assay.experiments.effort.study_data import StudyData
from assay.metrics.judged import Judged
from assay.metrics.multilabel import Tagged, shown_at
from assay.models._lite0 import doubled
from assay.tasks import multilabel
from assay.training import linear_probe
from assay.training.frozen import FeatureMaps
from assay.training.linear_probe import LinearProbe

Floats = NDArray[np.float32]
Shown = NDArray[np.bool_]

FLOOR = 0.5
"""Share of the maximum of a map from which on a position belongs to the class. Zhou et al. take .2 for one large object
an image; on 41 generated images of discs and squares Dice is .48, .62 and .73 with .2, .35 and .5."""
STRENGTH = 12.8
"""C = STRENGTH / d of scikit-learn, as in the probes of the strategies."""


@dataclass(frozen=True)
class Tagger:
    """A probe of each class, trained on pooled feature maps."""

    probes: tuple[LinearProbe, ...]

    def probabilities(self, pooled: Floats) -> Floats:
        """(n, d) -> (n, classes) probability that an image shows each class."""
        return np.stack([probe.probabilities(pooled)[:, 1] for probe in self.probes], axis=1)

    def activations(self, maps: FeatureMaps, row: int) -> tuple[Floats, Floats]:
        """Of an image: probabilities (classes,); scores (classes, *canvas), shares of the maximum, 0 if not shown."""
        positions = _positions(maps, np.array([row]))[0]
        said = self.probabilities(positions.mean((0, 1))[None])[0]
        scores = np.stack([probe.standardised(positions) @ probe.weights[:, 1] for probe in self.probes])
        scores = np.maximum(scores, 0) * shown_at(said)[:, None, None]
        shares = scores / np.maximum(scores.max((1, 2), keepdims=True), 1e-6)
        stretched = F.interpolate(torch.from_numpy(shares)[None], maps.where.canvas, mode="bilinear")
        return said, stretched[0].numpy()


def target(data: StudyData, features: StudyFeatures, row: int, taught: Sequence[Annotation]) -> Shown:
    """(classes,) which classes the image shows."""
    shown: Shown = multilabel.targets([multilabel.label(taught)], data.categories)[0]
    return shown


def fit(
    data: StudyData, features: StudyFeatures, rows: Sequence[int], targets: Sequence[Shown], seed: int
) -> Judged:
    """Probes trained on rows of the pool, judged on the test images. Convex: the seed changes nothing."""
    if not rows:
        return JUDGED[data.target](data, features.test, None)
    pooled, shown = _pooled(features.pool, np.array(rows)), np.stack(targets).astype(np.int64)
    strength = STRENGTH / pooled.shape[1]
    probes = tuple(linear_probe.fit(pooled, of_class, 2, strength) for of_class in shown.T)
    return JUDGED[data.target](data, features.test, Tagger(probes))


def _positions(maps: FeatureMaps, rows: NDArray[np.int64]) -> Floats:
    """(n, h, w, d): the maps of strides 8 and 16, at stride 8. That of stride 32 sees most of a small image at once."""
    found = maps.batch(rows)
    joined: Floats = torch.cat([found[8], doubled(found[16])], 1).permute(0, 2, 3, 1).numpy()
    return joined


def _pooled(maps: FeatureMaps, rows: NDArray[np.int64]) -> Floats:
    """(n, d) means over all positions."""
    return np.stack([_positions(maps, rows[k : k + 1])[0].mean((0, 1)) for k in range(len(rows))])


# --- on the ruler of each target


def _presence(data: StudyData, test: FeatureMaps, tagger: Tagger | None) -> Judged:
    truth = multilabel.targets([multilabel.label(objects) for objects in data.test.objects], data.categories)
    said = np.zeros(truth.shape, np.float32)
    if tagger is not None:
        said = tagger.probabilities(_pooled(test, np.arange(len(truth)))).astype(np.float32)
    return Tagged(said, truth, data.categories)


def _masks(data: StudyData, test: FeatureMaps, tagger: Tagger | None) -> Judged:
    def found(row: int) -> NDArray[np.int64]:
        assert tagger is not None
        shares = test.where.restored(row, tagger.activations(test, row)[1])
        floor = np.full((1, *shares.shape[1:]), FLOOR, np.float32)
        numbers: NDArray[np.int64] = np.concatenate([floor, shares]).argmax(0)
        return numbers

    return decoder.judged(data, found if tagger else None)


def _boxes(data: StudyData, test: FeatureMaps, tagger: Tagger | None) -> Judged:
    def found(row: int) -> box_head.Found:
        assert tagger is not None
        return objects_of(*tagger.activations(test, row))

    return box_head.judged(data, test, found if tagger else None)


def objects_of(said: Floats, shares: Floats) -> box_head.Found:
    """Boxes around connected regions of maps (classes, h, w); score: probability of the class × peak of the region."""
    from scipy.ndimage import find_objects, label  # a tenth of a second to import

    boxes, scores, classes = [], [], []
    for k, of_class in enumerate(shares):
        regions, _ = label(of_class > FLOOR)
        for number, (down, across) in enumerate(find_objects(regions), 1):
            inside = regions[down, across] == number
            boxes.append([across.start, down.start, across.stop, down.stop])
            scores.append(said[k] * of_class[down, across][inside].max())
            classes.append(k)
    return box_head.as_found(boxes, scores, classes)


JUDGED = {"presence": _presence, "masks": _masks, "boxes": _boxes}
