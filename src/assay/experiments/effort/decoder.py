"""The quick learner of masks (`assay.training.mask_decoder`): taught what a scheme draws, judged on the test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.experiments.effort.features import StudyFeatures
from assay.experiments.effort.study_data import StudyData
from assay.metrics.semantic_segmentation import TERMS, VOID, PixelsClassified, SegmentedImage, true_pixels
from assay.tasks.semantic_segmentation import ImageRegions
from assay.training.mask_decoder import logits, trained


def target(
    data: StudyData, features: StudyFeatures, row: int, taught: Sequence[Annotation]
) -> NDArray[np.int16]:
    """The training target of a row of the pool, for each pixel of the canvas: 0, 1 + number of the class, or VOID."""
    place = {name: k for k, name in enumerate(data.categories)}
    numbers = ImageRegions(taught, place).numbers(data.pool.heights[row], data.pool.widths[row])
    return features.pool.where.masks(row, numbers.astype(np.int16), VOID)


def fit(
    data: StudyData,
    features: StudyFeatures,
    rows: Sequence[int],
    targets: Sequence[NDArray[np.int16]],
    seed: int,
) -> PixelsClassified:
    """A decoder trained on rows of the pool with these targets, judged on the test images."""
    if not rows:
        return judged(data, None)
    numbers = np.array(rows, np.int64)
    model = trained(len(data.categories), features.pool, numbers, np.stack(targets), seed)
    return judged(data, lambda row: logits(model, features.test, row).argmax(0))


def judged(data: StudyData, find: Callable[[int], NDArray[np.int64]] | None) -> PixelsClassified:
    """Shared, found and true pixels of each test image and class, in px of the image.

    `find`: row of the test images -> (height, width), 0 or 1 + number of the class; None: nothing is found.
    """
    images, place = data.test, {name: k for k, name in enumerate(data.categories)}
    pixels = np.zeros((len(images), len(place), len(TERMS)))
    for row in range(len(images)):
        there, void = true_pixels(images.objects[row], place, images.heights[row], images.widths[row])
        found = np.zeros_like(void, np.int64) if find is None else find(row)
        for k in place.values():
            ours, theirs = (found == k + 1) & ~void, there.get(k, np.zeros_like(void)) & ~void
            pixels[row, k, :3] = (ours & theirs).sum(), ours.sum(), theirs.sum()
    # only the sums are used: the masks that were found are not kept
    rows = zip(images.heights, images.widths, images.labels, strict=True)
    return PixelsClassified(pixels, tuple(SegmentedImage(h, w, "", (), label) for h, w, label in rows), place)
