"""The audit of masks on generated scenes: right ones, and the same with one error of each kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from assay.labels.masks.regions import Patch, Region, Unit, regions
from assay.labels.masks.shapes import holes, neck, pieces, solidity
from assay.labels.masks.suspicions import KINDS, Suspicion, of_images, slip, suspicions

SIDE, IMAGES, CLASSES = 96, 16, 2
MIDDLES = ((18, 18), (18, 66), (62, 18), (62, 66))
HERE, PLANTED = 3, 2
"""The image and the object that are wrong."""


def disc(middle, radius: float = 10, side: int = SIDE) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return (y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= radius**2


def seen_of(masks, classes, sharp: float = 0.95) -> np.ndarray:
    """What a good segmenter sees: the masks, blurred."""
    seen = np.full((CLASSES, SIDE, SIDE), 0.01)
    for mask, k in zip(masks, classes, strict=True):
        seen[k] = np.maximum(seen[k], sharp * ndimage.gaussian_filter(mask.astype(float), 1))
    return seen


def wrong_label(kind: str, masks, classes):
    """The label with one error; None: as it is."""
    right = masks[PLANTED]
    match kind:
        case "missed":
            return np.delete(masks, PLANTED, 0), np.delete(classes, PLANTED)
        case "spurious":
            return np.append(masks, disc((40, 42), 7)[None], 0), np.append(classes, 0)
        case "swapped":
            classes = classes.copy()
            classes[PLANTED] = 1 - classes[PLANTED]
        case "merged":
            joined = right | disc((62, 43), 10)
            joined[60:63, 18:50] = True
            return np.concatenate([masks[:PLANTED], joined[None], masks[PLANTED + 1 :]]), classes
        case "split":
            half = right & (np.arange(SIDE) < 18)
            made = np.concatenate([masks[:PLANTED], [half, right & ~half], masks[PLANTED + 1 :]])
            return made, np.insert(classes, PLANTED, classes[PLANTED])
        case "hole":
            masks[PLANTED] = right & ~disc((63, 18), 2)
        case "pieces":
            masks[PLANTED] = right | disc((84, 30), 1)
        case "redrawn":
            masks[PLANTED] = disc((62, 18), 14)
    return masks, classes


def scene(kind: str = "none") -> list[Region]:
    found = []
    rng = np.random.default_rng(0)
    for image in range(IMAGES):
        masks = np.array([disc(np.array(at) + rng.integers(-2, 3, 2)) for at in MIDDLES])
        if image == HERE:
            masks[PLANTED] = disc(MIDDLES[PLANTED])
        classes = np.array([0, 1, 0, 1])
        seen = seen_of(masks, classes)
        if kind == "merged" and image == HERE:
            seen = seen_of([*masks, disc((62, 43), 10)], [*classes, 0])
        if image == HERE:
            masks, classes = wrong_label(kind, masks, classes)
        units = [Unit(n, k, Patch.of(mask)) for n, (mask, k) in enumerate(zip(masks, classes, strict=True))]
        found += regions(image, units, seen)
    return found


def first(kind: str, why: str, found: list[Suspicion]) -> Suspicion:
    return next(one for one in found if (one.kind, one.why) == (kind, why))


@pytest.mark.parametrize(
    ("planted", "kind", "why"),
    [
        ("missed", "missed", "seen"),
        ("spurious", "spurious", "seen"),
        ("swapped", "swapped", "seen"),
        ("merged", "merged", "neck"),
        ("split", "split", "twin"),
        ("hole", "outline", "hole"),
        ("pieces", "outline", "pieces"),
        ("redrawn", "outline", "seen"),
    ],
)
def test_a_planted_error_is_the_first_of_its_kind_with_what_it_would_become(planted, kind, why):
    found = suspicions(scene(planted))
    one = first(kind, why, found)
    assert one.region.image == HERE
    assert of_images(found, IMAGES).argmax() == HERE
    whole = np.zeros((SIDE, SIDE), bool)
    better = [patch.on(whole) for patch in one.better]
    right = disc(MIDDLES[PLANTED])
    match planted:
        case "spurious":
            assert better == []
        case "merged":
            assert len(better) == 2
            assert ious(better[0], right) > 0.8 or ious(better[1], right) > 0.8
        case "swapped":
            assert one.category == 0
        case _:
            assert len(better) == 1
            assert ious(better[0], right) > 0.85


def ious(a, b) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_right_labels_are_suspected_with_a_half_at_most():
    found = suspicions(scene())
    assert max(one.probability for one in found) <= 0.5
    assert not {one.why for one in found} - {"seen"}


def test_neighbours_of_one_class_are_one_where_objects_are_regions():
    for planted in ("merged", "split"):
        assert not {"merged", "split"} & {one.kind for one in suspicions(scene(planted), apart=False)}


def test_what_many_objects_of_a_class_have_is_their_nature():
    ring = disc((20, 20)) & ~disc((20, 20), 4)
    units = [Unit(0, 0, Patch.of(ring))]
    seen = seen_of([ring], [0])
    found = [one for image in range(40) for one in regions(image, units, seen)]
    assert all(one.hole is not None for one in found if one.label >= 0)
    assert max((one.probability for one in suspicions(found) if one.why == "hole"), default=0) < 0.05


def test_few_defects_are_slips_and_many_are_none():
    assert slip(20, 1000) > 0.9
    assert slip(1, 50) > 0.5
    assert slip(300, 1000) < 0.01
    assert slip(0, 0) == pytest.approx(0.5)


def test_crowds_are_never_suspected_and_cover_what_is_seen():
    mask = disc((40, 40))
    found = regions(0, [Unit(0, 0, Patch.of(mask), crowd=True)], seen_of([mask], [0]))
    assert [one for one in found if one.label >= 0] == []
    assert [one for one in found if one.size > 0.2] == []


def test_a_neck_parts_a_mask_where_it_is_narrow():
    left, right = disc((40, 30)), disc((40, 55))
    bridge = np.zeros_like(left)
    bridge[39:42, 30:55] = True
    narrow, body = neck(left | right | bridge)
    assert narrow > 0.5
    assert ious(body, left) > 0.85 or ious(body, right) > 0.85
    assert neck(left) == (0.0, None)


def test_holes_that_belong_to_others_are_none():
    ring, inner = disc((40, 40)) & ~disc((40, 40), 3), disc((40, 40), 3)
    assert (holes(ring, np.zeros_like(ring)) == inner).all()
    assert not holes(ring, inner).any()
    assert solidity(disc((40, 40))) > 0.9
    assert [int(one.sum()) for one in pieces(inner | disc((70, 70), 1))] == [inner.sum(), 5]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(3, 20))
def test_any_masks_and_any_probabilities_give_probabilities(seed, count, side):
    rng = np.random.default_rng(seed)
    masks = [rng.random((side, side + 2)) < rng.random() for _ in range(count)]
    units = [Unit(n, int(rng.integers(2)), Patch.of(mask)) for n, mask in enumerate(masks) if mask.any()]
    seen = rng.dirichlet(np.ones(3), (side, side + 2)).transpose(2, 0, 1)[1:]
    found = regions(0, units, seen)
    covered = np.zeros((side, side + 2), bool)
    for unit in units:
        assert (unit.patch.on(covered)[unit.patch.window] >= unit.patch.pixels).all()
    said = suspicions(found)
    assert all(0 <= one.probability <= 1 and one.kind in KINDS for one in said)
    labels = [one.region.label for one in said if one.region.label >= 0]
    assert len(labels) == len(set(labels))


def test_a_hole_that_the_segmenter_sees_too_is_less_suspect():
    found = scene("hole")
    sure = first("outline", "hole", suspicions(found)).probability
    unsure = [replace(one, hole=0.02) if one.hole is not None else one for one in found]
    assert first("outline", "hole", suspicions(unsure)).probability < sure / 2
