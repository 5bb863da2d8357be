"""Near-duplicates: copies of one picture, saved, brightened, scaled or compressed again.

Two images are compared by 16×16 grey thumbnails, each normalised to mean 0 and standard deviation 1. With d their
difference, ½·mean(d²) is 1 − their correlation. For copies of one picture, d is noise in all cells. For two similar
pictures (two trousers, or two plates under one camera, one of them scratched) d has a peak. The maximum of noise over
256 cells is about 3 standard deviations, so a peak p limits the similarity to 1 − p²/18:

    similarity = 1 − max(½·mean(d²), max(d²) / 18)

At the default threshold, 0.99, correlation alone finds 13,532 pairs among the 60,000 images of Fashion-MNIST, 219 of
them of two classes; with the peak 345 are left, 2 of them of two classes. Among 5,000 digits, correlation finds 10, and
with the peak none is left. Nine of ten digits saved as JPEG of quality 30 are still found. A rotation, a crop, a mirror
image or a shift by a thirtieth is no near-duplicate: frames of a video and pictures of a series need a `group`.

Splits depend on the result, so it is equal on every machine: sums are of integers that a float represents exactly, in
any order of addition; the few divisions and roots are those of IEEE 754; similarities are rounded to millionths. The
search for candidates, where processors may round differently, has a tolerance (SLACK).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, product

import numpy as np

SIDE = 16
CELLS = SIDE * SIDE
FLOOR = 0.97
"""Least similarity of stored pairs: the lower bound of `curate.near_duplicate`."""
FLAT = 2.0
"""Standard deviation, in grey levels, below which a thumbnail counts as flat and has no duplicates."""
PEAK = 18.0
KEPT = 16
"""Number of most similar pairs kept for each image; the oldest at every threshold is kept as well."""
FREQUENCIES = 9
SLACK = 1e-4
DECIMALS = 6
EXACT_IN_FLOAT32 = 2**24 // 255
"""Largest number of uint8 pixels whose sum float32 represents exactly."""
BLOCK = (1024, 8192)
PIECE = 1024


def thumbnails(luma: np.ndarray) -> np.ndarray:
    """(n, 256) int8 of grey images (n, h, w) uint8: area averages of the cells, mean 0, scaled to ±127; 0 if flat."""
    n, (h, w) = len(luma), luma.shape[1:]
    cells = area_sums(luma, SIDE, SIDE).reshape(n, CELLS).astype(np.int64)
    cells = CELLS * cells - cells.sum(axis=1, keepdims=True)
    levels = np.rint(cells * (64 / (CELLS * h * w))).astype(np.int64)  # 64ths of a grey level
    cells[(levels**2).sum(axis=1) < CELLS * (64 * FLAT) ** 2] = 0
    largest = np.abs(cells).max(axis=1, keepdims=True, initial=1)
    return np.asarray(np.rint(127 * cells / largest), np.int8)


def area_sums(luma: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(n, rows, columns) of grey images (n, h, w) uint8: h·w times the mean of each cell; exact integers."""
    h, w = luma.shape[1:]
    kind = np.float32 if h * w <= EXACT_IN_FLOAT32 else np.float64
    return np.asarray(
        overlaps(h, rows).astype(kind) @ luma.astype(kind) @ overlaps(w, columns).T.astype(kind)
    )


@lru_cache(maxsize=256)
def overlaps(n: int, m: int) -> np.ndarray:
    """(m, n) float32: how many m-ths of each of n pixels fall into each of m cells of equal size; rows sum to n."""
    cell, pixel = n * np.arange(m)[:, None], m * np.arange(n)[None, :]
    shared = np.minimum(cell + n, pixel + m) - np.maximum(cell, pixel)
    return np.asarray(np.clip(shared, 0, None), np.float32)


def find_pairs(new: np.ndarray, earlier: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs within a shard and with earlier shards: rows (p, 2) newer and older, and similarity (p,) float32.

    `new`, `earlier`: thumbnails (n, 256) int8 in order of arrival. The newer row is one of `new`; the older one is
    counted over all of `earlier`, then `new`. Sorted by newer, then older; KEPT pairs and a few more for each newer
    image: see `_keep`.
    """
    found: list[tuple[np.ndarray, np.ndarray]] = []
    offset = 0
    for old in chain(earlier, [new]):
        found.extend(_confirm(new, old, rows, offset) for rows in _candidates(new, old, old is new))
        offset += len(old)
    pairs = np.concatenate([p for p, _ in found] or [np.empty((0, 2), np.int64)])
    scores = np.concatenate([s for _, s in found] or [np.empty(0, np.float32)])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, scores = pairs[order], scores[order]
    kept = _keep(pairs[:, 0], scores)
    return pairs[kept], scores[kept]


def _candidates(new: np.ndarray, old: np.ndarray, itself: bool) -> Iterator[np.ndarray]:
    """Blocks of rows (c, 2) of `new` and `old` that hold every pair whose correlation is at least FLOOR.

    By Cauchy-Schwarz u·v ≤ u_low·v_low + |u_rest|·|v_rest|: a product of vectors of 55 numbers instead of 256.
    """
    ours, theirs = _signatures(new), _signatures(old)
    for top, left in product(range(0, len(new), BLOCK[0]), range(0, len(old), BLOCK[1])):
        if itself and left >= top + BLOCK[0]:
            continue
        bound = ours[top : top + BLOCK[0]] @ theirs[left : left + BLOCK[1]].T
        newer, older = np.divmod(np.flatnonzero(bound >= FLOOR - SLACK), bound.shape[1])
        rows = np.stack([newer + top, older + left], axis=1)
        yield rows[rows[:, 1] < rows[:, 0]] if itself else rows


def _signatures(thumbs: np.ndarray) -> np.ndarray:
    """(n, 55) float32: the low frequencies of each thumbnail at unit norm, and the norm of the rest; 0 if flat."""
    basis = _low_frequencies()
    signature = np.empty((len(thumbs), basis.shape[1] + 1), np.float32)
    for start in range(0, len(thumbs), BLOCK[1]):
        z = _standardised(thumbs[start : start + BLOCK[1]]) / SIDE
        low = z @ basis
        rest = np.sqrt(np.clip((z**2).sum(axis=1) - (low**2).sum(axis=1), 0, None))
        signature[start : start + BLOCK[1]] = np.column_stack([low, rest])
    return signature


@lru_cache(maxsize=1)
def _low_frequencies() -> np.ndarray:
    """(256, 54) float32: the orthonormal cosines of a 16×16 image whose two frequencies sum to 1…9."""
    k, x = np.arange(SIDE)[:, None], np.arange(SIDE)[None, :]
    cosines = np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE)) * np.sqrt(np.where(k == 0, 1, 2) / SIDE)
    two = np.einsum("ax,by->abxy", cosines, cosines).reshape(CELLS, CELLS)
    total = (k + x).ravel()
    return np.ascontiguousarray(two[(total > 0) & (total <= FREQUENCIES)].T, dtype=np.float32)


def _standardised(thumbs: np.ndarray) -> np.ndarray:
    """(n, 256) float32 with mean 0 and deviation 1; 0 where flat."""
    z = thumbs.astype(np.float32)
    z -= z.mean(axis=1, keepdims=True)
    deviation = z.std(axis=1, keepdims=True)
    return np.asarray(np.divide(z, deviation, out=np.zeros_like(z), where=deviation > 0))


def _confirm(
    new: np.ndarray, old: np.ndarray, rows: np.ndarray, offset: int
) -> tuple[np.ndarray, np.ndarray]:
    """The candidates (c, 2) that are pairs, and their similarity. The correlation, cheaper, is tested first."""
    rows = rows[_correlation(new, old, rows) >= FLOOR]
    pieces = (rows[start : start + PIECE] for start in range(0, len(rows), PIECE))
    parts = [similarity(new[r[:, 0]], old[r[:, 1]]) for r in pieces]
    scores = np.concatenate([np.empty(0, np.float32), *parts])
    is_pair = scores >= FLOOR
    return rows[is_pair] + np.array([0, offset]), scores[is_pair]


def _correlation(new: np.ndarray, old: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(c,) correlation of rows (c, 2) of two shards; exact, as all sums are integers below 2^24."""
    product = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), PIECE):  # pieces that fit the processor's cache
        r = rows[start : start + PIECE]
        a, b = new.take(r[:, 0], axis=0), old.take(r[:, 1], axis=0)
        product[start : start + PIECE] = np.einsum("ij,ij->i", a.astype(np.float32), b.astype(np.float32))
    (sum_new, norm_new), (sum_old, norm_old) = _moments(new), _moments(old)
    covariance = CELLS * product - sum_new[rows[:, 0]] * sum_old[rows[:, 1]]
    norm = norm_new[rows[:, 0]] * norm_old[rows[:, 1]]
    return np.asarray(np.divide(covariance, norm, out=np.zeros_like(norm), where=norm > 0))


def _moments(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σx and √(256 Σx² − (Σx)²) of each thumbnail: (n,) float64 both."""
    x = thumbs.astype(np.float32)
    total = x.sum(axis=1).astype(np.float64)
    return total, np.sqrt(CELLS * np.einsum("ij,ij->i", x, x).astype(np.float64) - total**2)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) float32 similarity of thumbnails a and b (n, 256) int8, row by row, rounded to millionths; 0 if flat."""
    apart = 1 - _correlation(a, b, np.tile(np.arange(len(a))[:, None], 2))
    peak = np.abs(_exactly(a) - _exactly(b)).max(axis=1, initial=0) ** 2 / PEAK
    return np.asarray(np.round(1 - np.maximum(apart, peak), DECIMALS), np.float32)


def _exactly(thumbs: np.ndarray) -> np.ndarray:
    """(n, 256) float64 with mean 0 and deviation 1, each value one division of integers; 0 where flat."""
    total, norm = _moments(thumbs)
    whole = CELLS * thumbs.astype(np.float64) - total[:, None]
    return np.asarray(np.divide(whole, norm[:, None], out=np.zeros_like(whole), where=norm[:, None] > 0))


def _keep(newer: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(p,) True for the KEPT best pairs of each newer image, and for its oldest match at every threshold.

    `newer`, `scores` (p,): sorted by newer, then older. The oldest match at some threshold is one more similar than
    every older match. With these, "the oldest sample that it duplicates" is right at every threshold, even if there are
    more than KEPT duplicates.
    """
    starts = np.flatnonzero(np.r_[True, newer[1:] != newer[:-1]])
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(newer)]))
    by_score = np.lexsort((-scores, group))
    rank = np.empty(len(newer), np.int64)
    rank[by_score] = np.arange(len(newer)) - starts[group]
    lifted = scores.astype(np.float64) + 2.0 * group
    record = lifted >= np.maximum.accumulate(lifted)
    record[1:] &= lifted[1:] > np.maximum.accumulate(lifted)[:-1]
    return (rank < KEPT) | record
