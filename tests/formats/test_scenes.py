"""Generated scenes: what the options promise, and that one option leaves the rest alone."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from assay.data.annotations import box_of
from assay.data.images.decode import decode
from assay.data.masks import area, as_box
from assay.errors import ParamsError
from assay.formats import scenes
from assay.params import Source


def source(**options):
    return Source(name="scenes", format="scenes", options=options)


def read(**options):
    return list(scenes.read(source(**options), Path()))


@pytest.fixture(scope="module")
def clean():
    return read(images=120)


def test_boxes_are_tight_apart_and_inside(clean):
    for record in clean:
        boxes = [note.bbox for note in record.truth]
        assert all(x >= 0 and y >= 0 and x + w <= 96 and y + h <= 96 for x, y, w, h in boxes)
        for (ax, ay, aw, ah), (bx, by, bw, bh) in combinations(boxes, 2):
            assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay
    seen = [(decode(r.data, "gray"), note.bbox) for r in clean for note in r.truth]
    inside = [
        image[int(y) : int(y + h), int(x) : int(x + w)].max() - np.median(image)
        for image, (x, y, w, h) in seen
    ]
    assert np.mean(np.array(inside) > 3 * scenes.NOISE) > 0.95


def test_there_are_as_many_objects_as_asked_for_and_scenes_without_any(clean):
    counts = [len(record.truth) for record in clean]
    assert 3.2 < np.mean(counts) <= 4.5
    assert 0 in counts
    assert all(record.annotations == record.truth for record in clean)
    assert {note.category for record in clean for note in record.truth} == {"0", "1", "2"}
    assert {record.metadata["contrast"] for record in clean} == set(scenes.CONTRASTS)


def test_trouble_and_more_scenes_leave_the_others_alone(clean):
    troubled = read(images=150, missing=0.3, wrong_labels=0.2, hidden=0.4)
    assert [r.data for r in troubled[:120]] == [r.data for r in clean]
    assert [r.truth for r in troubled[:120]] == [r.truth for r in clean]
    shown = [record for record in troubled if record.annotations is not None]
    assert 0.5 < len(shown) / len(troubled) < 0.7
    boxes = sum(len(record.truth) for record in shown)
    assert 0.6 < sum(len(record.annotations) for record in shown) / boxes < 0.8
    wrong = sum(note not in record.truth for record in shown for note in record.annotations)
    assert 0.08 < wrong / boxes < 0.22


def test_the_seed_and_the_options_are_all_there_is_to_it():
    assert read(images=5) == read(images=5)
    assert read(images=5)[0].data != read(images=5, seed=1)[0].data
    assert scenes.fingerprint(source(images=5)) == scenes.fingerprint(source(images=5))
    assert scenes.fingerprint(source(images=5)) != scenes.fingerprint(source(images=6))


def test_one_class_has_no_wrong_labels_and_a_crowd_fits_as_far_as_it_does():
    (crowd,) = read(images=1, size=48, objects=100, classes=1, wrong_labels=1.0)
    assert crowd.annotations == crowd.truth
    assert 0 < len(crowd.truth) < 30


@pytest.mark.parametrize("options", [{"size": 8}, {"missing": 1.5}, {"classes": 11}, {"images": 0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ParamsError, match="source 'scenes'"):
        read(**options)
    with pytest.raises(ParamsError, match="are generated"):
        scenes.read(Source(name="scenes", format="scenes", path="x"), Path())


def test_outlines_are_the_pixels_of_the_digits_and_change_nothing_else(clean):
    outlined = read(images=20, outlines=True)
    assert [r.data for r in outlined] == [r.data for r in clean[:20]]
    for record, without in zip(outlined, clean, strict=False):
        assert [as_box(note) for note in record.truth] == without.truth
        for note in record.truth:
            (x, y, w, h), (left, top, across, down) = note.bbox, box_of(note.segmentation)
            assert x <= left < left + across <= x + w
            assert y <= top < top + down <= y + h
            assert 0.1 * w * h < area(note.segmentation) < w * h
