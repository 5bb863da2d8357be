"""What a model predicts as annotations; with a real champion: tests/stages/test_detection.py."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.annotators._predicted_objects import objects_in
from assay.data import masks


def test_of_detections_those_that_are_worth_showing():
    said = pa.table(
        {
            "boxes": [[[1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 0.0, 4.0], [7.0, 7.0, 2.0, 2.0]], []],
            "scores": [[0.9, 0.8, 0.01], []],
            "classes": [[1, 0, 0], []],
        }
    )
    (first, expected), (second, nothing) = objects_in(said, ["a", "b"])
    assert [(one.category, one.bbox) for one in first] == [("b", (1, 2, 3, 4))], "the second has no width"
    assert 0.9 < expected <= 1
    assert (second, nothing) == ([], 1.0)


def test_of_regions_all():
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    outline = masks.encode(mask)
    said = pa.table({"classes": [[0]], "masks": [[outline.counts]], "height": [4], "width": [6]})
    ((found, expected),) = objects_in(said, ["a"])
    assert expected is None
    assert np.array_equal(masks.decode(found[0].segmentation), mask)
