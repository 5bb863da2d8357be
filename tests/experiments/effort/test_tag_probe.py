"""Tags alone: which classes images show, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.data.annotations import Annotation, annotations_json
from assay.experiments.effort import schemes, tag_probe
from assay.experiments.effort.features import feature_maps
from assay.experiments.effort.study_data import StudyData, open_data
from assay.metrics.judged import Judged
from assay.progress import silent
from tests.experiments.effort.conftest import SIDE, Shapes


def learnt(data: StudyData, features, drawing=schemes.TAGS) -> Judged:
    teach, rows = schemes.teacher(data, 8), range(len(data.pool))
    targets = [tag_probe.target(data, features, row, teach(drawing, row)) for row in rows]
    return tag_probe.fit(data, features, rows, targets, 0)


@pytest.fixture(scope="module")
def study(shapes: Shapes):
    data = open_data(shapes.layout, "masks")
    return data, feature_maps(data, SIDE, silent)


def test_tags_teach_where_a_class_is(study):
    found = learnt(*study).of_classes()["dice"][0]
    assert found.min() > 0.3, "far above what the whole image would get"
    everywhere = [2 * share / (1 + share) for share in _shares(study[0])]
    assert (found > np.array(everywhere)).all()


def _shares(data: StudyData) -> list[float]:
    """The part of the pixels of the test images that each class has."""
    areas = [
        sum(one.box[2] * one.box[3] for image in data.test.objects for one in image if one.category == name)
        for name in data.categories
    ]
    return [area / (len(data.test) * SIDE**2) for area in areas]


def test_every_drawing_says_the_same_of_what_is_there(study):
    data, features = replace(study[0], target="presence"), study[1]
    judged = [learnt(data, features, drawing) for drawing in schemes.PRESENCE_RULES]
    assert all(one.content == judged[0].content for one in judged)
    assert judged[0].values()["macro_f1"][0] > 0.9


def test_a_class_on_every_image_and_one_on_none_are_learnt_as_such_and_found_nowhere(study):
    data, features = study
    always = annotations_json([Annotation(category="disc")])
    pool = replace(data.pool, labels=(always,) * len(data.pool))
    said = learnt(replace(data, pool=pool, target="presence"), features)
    assert said.probabilities.tolist() == [[1.0, 0.0]] * len(data.test)
    assert learnt(replace(data, pool=pool), features).pixels[..., 1].sum() == 0


def test_connected_regions_become_boxes_with_the_probability_of_the_class_times_their_peak():
    maps = np.zeros((2, 6, 8), np.float32)
    maps[0, 1:3, 2:5], maps[0, 2, 3], maps[0, 5, 7] = 0.6, 1.0, 0.7
    maps[1, 0, 0] = tag_probe.FLOOR / 2
    found = tag_probe.objects_of(np.array([0.8, 0.9], np.float32), maps)
    assert found["boxes"].tolist() == [[2, 1, 5, 3], [7, 5, 8, 6]]
    assert found["scores"].tolist() == pytest.approx([0.8, 0.56])
    assert found["labels"].tolist() == [0, 0]
    nothing = tag_probe.objects_of(np.zeros(2, np.float32), np.zeros_like(maps))
    assert [len(part) for part in nothing.values()] == [0, 0, 0]
