"""Seconds of people: medians of labels and reviews, and the cost of an object."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.annotations import Annotation
from assay.data.edits import Judgement
from assay.data.ledger import Batch, SentImage
from assay.data.spent import ENOUGH, median, per_label, per_object, slope


def label(sample: str, seconds: float | None, by: str = "ann", why: str = "", boxes: int = 0) -> Judgement:
    notes = [Annotation(category="c", bbox=(n, 0, 5, 5)) for n in range(boxes)] or [Annotation(category="c")]
    return Judgement(id=sample, op="label", annotations=notes, by=by, at="2026", why=why, seconds=seconds)


def test_labels_and_reviews_are_told_apart_and_few_judgements_say_nothing():
    sent = [Batch("b", "people", "2026", tuple(SentImage(id=f"r{n}", strategy="review") for n in range(20)))]
    labels = [label(f"n{n}", 10 + n % 3) for n in range(ENOUGH)]
    reviews = [label(f"r{n}", 4) for n in range(20)] + [
        label(f"s{n}", 6, why="settles: a 1") for n in range(10)
    ]
    programs = [label(f"p{n}", 1000, by="consensus") for n in range(100)]
    silent = [label(f"q{n}", None) for n in range(100)]
    found = per_label([("1", [*labels, *reviews, *programs, *silent])], sent)
    assert {act: (one.seconds, one.n) for act, one in found.items()} == {"label": (11, 30), "review": (4, 30)}
    assert per_label([("1", labels[1:])], []) == {}


def test_the_interval_of_the_median_holds_it():
    rng = np.random.default_rng(0)
    held = [median(rng.lognormal(2, 1, 100)) for _ in range(200)]
    assert 0.91 < np.mean([one.low <= np.exp(2) <= one.high for one in held]) < 0.99


def test_an_object_and_an_image_are_told_apart_whatever_the_breaks():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 8, 80)
    seconds = 5 + 3 * counts + rng.normal(0, 1, 80) + np.where(rng.random(80) < 0.1, 600, 0)
    rows = [label(str(n), s, boxes=int(k)) for n, (k, s) in enumerate(zip(counts, seconds, strict=True))]
    box = per_object([("1", rows)])["box"]
    assert box.low < 3 < box.high
    assert box.seconds == pytest.approx(3, abs=0.3)
    assert box.image == pytest.approx(5, abs=1)


def test_images_with_equal_numbers_of_objects_do_not_tell_the_cost_of_one():
    assert slope(np.column_stack([np.full(50, 3.0), np.linspace(5, 9, 50)])) is None
    assert per_object([("1", [label(str(n), 5, boxes=2) for n in range(50)])]) == {}
