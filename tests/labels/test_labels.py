from __future__ import annotations

import pyarrow as pa

from assay.labels.labels import group_numbers


def test_images_of_one_group_have_one_number_and_others_one_each():
    groups = ["left", None, "", "left", "rechts ä"]
    samples = pa.table({"id": ["a", "b", "c", "d", "e"], "group": pa.array(groups, pa.string())})
    numbers = group_numbers(samples, ["e", "d", "c", "b", "a"])
    assert numbers.tolist() == [1, 0, 3, 2, 0]  # named groups first, then images, each by name
    assert group_numbers(samples, ["x", "b", "x"]).tolist() == [1, 0, 1]
    assert group_numbers(samples, []).tolist() == []
