from __future__ import annotations

import json

import numpy as np
import pytest

from assay.labels.slices import holm, wilson, worse_slices


def measured(worse: float, n: int = 600):
    """A model that is right on 90 %, and on 90 % − `worse` of the images of the left camera."""
    rng = np.random.default_rng(0)
    left = np.arange(n) % 4 == 0
    right = rng.random(n) < 0.9 - worse * left
    metadata = [
        json.dumps({"camera": "left" if here else "right", "light": float(rng.random())}) for here in left
    ]
    return right, metadata


def test_a_slice_on_which_the_model_is_worse_is_named_with_its_interval():
    right, metadata = measured(0.3)
    found = worse_slices(right, metadata, ["camera", "light"], None, 0)
    (row,) = found["rows"]
    assert (row["name"], row["n"]) == ("camera = left", 150)
    assert row["low"] < row["accuracy"] < row["high"] < row["rest"]
    assert found["tested"] == 6, "two cameras, four quarters of the light"


def test_nothing_is_said_where_there_is_nothing():
    right, metadata = measured(0.0)
    assert worse_slices(right, metadata, ["camera", "light"], None, 0)["rows"] == []


def test_clusters_of_images_are_slices_too():
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 1, (600, 4)).astype(np.float32)
    vectors[:60] += 20
    right = rng.random(600) < np.where(np.arange(600) < 60, 0.4, 0.95)
    found = worse_slices(right, [None] * 600, [], vectors, 0)
    assert sum(row["n"] for row in found["rows"]) == 60
    assert all(row["name"].startswith("images like cluster") for row in found["rows"])


def test_the_corrections_and_intervals_are_the_known_ones():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
