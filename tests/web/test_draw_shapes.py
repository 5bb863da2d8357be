"""Run lengths, filling and outlines in the browser against pycocotools and `assay.data`, on random masks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as coco

from assay.data import masks, runs
from assay.data.annotations import Annotation
from assay.data.contours import polygons_of
from tests.web.drawing import Drawing, served


@pytest.fixture(scope="module")
def page(browser):
    with served({}) as address:
        yield Drawing(browser, address)


def calculated(page, module, body, cases):
    """What `body`, a function of a case and a module of the editor, gives for each case."""
    program = f"import('/draw/{module}.js').then(m => {json.dumps(cases)}.map(one => ({body})(one, m)))"
    return page.run(program)


@pytest.fixture(scope="module")
def random_masks():
    """Masks of 1 to 40 px a side: noise of every density, blocks, full ones, single pixels, and the last pixel."""
    rng = np.random.default_rng(7)
    found = []
    for n in range(240):
        height, width = rng.integers(1, 41, 2)
        mask = rng.random((height, width)) < rng.random()
        if n % 3 == 0:  # blocks: long runs and runs over several columns
            coarse = rng.random((height // 4 + 1, width // 4 + 1)) < rng.random()
            mask = np.kron(coarse, np.ones((4, 4), bool))[:height, :width]
        if n % 10 == 1:
            mask = np.ones((height, width), bool)
        if n % 10 == 2:
            mask = np.arange(height * width).reshape(height, width) == height * width - 1
        found.append(mask)
    return [mask for mask in found if mask.any()]


def test_run_lengths_are_those_of_pycocotools(page, random_masks):
    encoded = [coco.encode(np.asfortranarray(mask, np.uint8)) for mask in random_masks]
    cases = [{"size": list(one["size"]), "counts": one["counts"].decode()} for one in encoded]
    found = calculated(
        page,
        "mask",
        "(rle, {Mask}) => { const m = Mask.ofRLE(rle), box = [m.x, m.y, m.width, m.height]; "
        "return [m.toRLE(...rle.size), m.area(), box]; }",
        cases,
    )
    for case, one, (rle, area, box) in zip(cases, encoded, found, strict=True):
        assert rle == case
        assert area == coco.area(one)
        assert box == coco.toBbox(one).tolist()


def test_numbers_of_any_size_are_written_as_coco_writes_them(page):
    rng = np.random.default_rng(8)
    lengths = [rng.integers(0, 2 ** rng.integers(1, 26), rng.integers(1, 12)).tolist() for _ in range(200)]
    found = calculated(page, "runs", "(r, m) => [m.compressed(r), m.uncompressed(m.compressed(r))]", lengths)
    for given, (text, back) in zip(lengths, found, strict=True):
        assert text == runs.compressed(np.array(given), 1, sum(given))
        assert back == given


@pytest.mark.parametrize("text", ["p", "\x00", "0é", "ooooooooo0"])
def test_what_is_no_text_of_run_lengths_is_an_error(page, text):
    body = "(t, m) => { try { return m.uncompressed(t); } catch (error) { return error.message; } }"
    assert calculated(page, "runs", body, [text]) == ["counts are not COCO's compressed text"]


def test_polygons_are_filled_as_by_pycocotools(page):
    rng = np.random.default_rng(9)
    cases, expected = [], []
    while len(cases) < 200:
        height, width = rng.integers(2, 50, 2).tolist()
        ring = lambda: (rng.random(2 * rng.integers(3, 9)) * 60 - 5).round(rng.integers(0, 4)).tolist()  # noqa: E731
        parts = [[ring() for _ in range(rng.integers(1, 3))] for _ in range(rng.integers(1, 3))]
        outline = Annotation(category="a", segmentation=parts).segmentation
        filled = masks.rasterized(outline, height, width)
        expected.append(masks.encode(filled).model_dump(mode="json") if filled.any() else None)
        cases.append([parts, height, width])
    found = calculated(page, "mask", "([p, h, w], {Mask}) => Mask.ofParts(p, h, w).toRLE(h, w)", cases)
    assert found == expected


def test_outlines_of_masks_are_those_of_the_package(page, random_masks):
    cases = [masks.encode(mask).model_dump(mode="json") for mask in random_masks]
    found = calculated(page, "mask", "(rle, {Mask, partsOfMask}) => partsOfMask(Mask.ofRLE(rle))", cases)
    for mask, parts in zip(random_masks, found, strict=True):
        assert [[rotated(ring) for ring in part] for part in parts] == [
            [rotated(ring) for ring in part] for part in polygons_of(mask)
        ]


def rotated(ring):
    """The corners from the smallest one on: a ring begins anywhere."""
    corners = [tuple(corner) for corner in np.reshape(ring, (-1, 2)).tolist()]
    first = corners.index(min(corners))
    return corners[first:] + corners[:first]


def test_a_simplified_ring_stays_within_its_tolerance(page):
    rows, columns = np.mgrid[:60, :80]
    round_ = (columns - 40) ** 2 / 900 + (rows - 30) ** 2 / 400 < 1
    ((ring,),) = polygons_of(round_)
    body = "(ring, {simplified}) => simplified(ring, 0.75)"
    (short,) = calculated(page, "rings", body, [list(ring)])
    assert len(short) < len(ring) / 2
    again = masks.rasterized(((tuple(short),),), 60, 80)
    assert (again & round_).sum() / (again | round_).sum() > 0.97
