"""The page of suspected objects in a browser: pictures with what would change, keys, and the file that is saved."""

from __future__ import annotations

import csv
import io
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.commands.label_objects import COLUMNS
from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.images.decode import ImageInfo
from assay.data.pool import PoolWriter, content_id
from assay.labels.objects.page import page
from assay.reports.crops import LEAST, window

NASTY = "<b>owl</b></script>"
OUTLINE = masks.encode(np.pad(np.ones((30, 30), bool), ((60, 70), (50, 120)))).model_dump_json()
SUSPECTED = (
    ("missed", None, "cat", None, [60.0, 10.0, 40.0, 30.0], []),
    ("spurious", NASTY, None, [-0.5, 5.0, 20.0, 20.0], None, []),
    ("swapped", "cat", "dog", [100.0, 100.0, 30.0, 30.0], [100.0, 100.0, 30.0, 30.0], []),
    ("moved", "dog", "dog", [40.0, 60.0, 30.0, 30.0], [50.0, 60.0, 30.0, 30.0], []),
    ("moved", "cat", "cat", [40.0, 60.0, 30.0, 30.0], [50.0, 60.0, 30.0, 30.0], [OUTLINE]),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (160, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    sample = content_id(stream.getvalue())
    with PoolWriter(folder / "pool", 8, 1 << 20) as writer:
        writer.add(sample, stream.getvalue(), ImageInfo(200, 160, "RGB", "PNG"))
    rows = [
        {
            "id": sample, "path": "s:a.png", "split": "val", "kind": kind, "given": given, "suggested": suggested,
            "probability": 0.5 - n / 10, "box": box, "suggested_box": new, "outline": None,
            "suggested_outlines": outlines, "reason": "the model sees it",
        }
        for n, (kind, given, suggested, box, new, outlines) in enumerate(SUSPECTED)
    ]  # fmt: skip
    there = {sample: [Annotation(category="cat", bbox=(0, 0, 50, 50))]}
    result = {
        "objects": 9,
        "images": 1,
        "splits": ["val"],
        "trained": None,
        "by": "models",
        "above": 0.1,
        "settled": 0,
    }
    made = folder / "audit.html"
    made.write_text(page(result, rows, there, folder / "pool", 10), encoding="utf-8")
    return made


def test_what_would_change_is_drawn_over_its_surroundings(fresh):
    said = fresh.texts(".sample .what")
    moved = ["dog, badly placed", "cat, badly placed"]
    assert said == ["not labelled: cat", f"nothing here: {NASTY}", "cat → dog", *moved]
    drawn = fresh.run(
        "[...document.querySelectorAll('.sample svg')].map(e => [...e.children].map(p => p.classList[0]))"
    )
    assert drawn == [
        ["beside", "come"],
        ["beside", "gone"],
        ["beside", "was"],
        *[["beside", "was", "now"]] * 2,
    ]
    views = fresh.run("[...document.querySelectorAll('.sample svg')].map(e => e.getAttribute('viewBox'))")
    assert views[0] == "30 0 100 100"
    shapes = fresh.run(
        "[...document.querySelectorAll('.sample img')].map(e => e.naturalWidth / e.naturalHeight)"
    )
    sides = [tuple(map(int, view.split()[2:])) for view in views]
    assert shapes == pytest.approx([width / height for width, height in sides], rel=0.02)
    assert fresh.troubles == []


def test_keys_answer_and_the_file_is_one_for_assay_label(fresh):
    for key in ("ArrowRight", "t", "k", "x"):
        fresh.press(key)
    assert fresh.texts(".tally") == ["3 of 5 judged: 1 taken, 1 kept, 1 image excluded"]
    fresh.reload()
    rows = list(csv.DictReader(StringIO(fresh.saved())))
    assert set(COLUMNS) <= set(rows[0])
    assert [(row["take"], row["exclude"]) for row in rows] == [("yes", ""), ("no", ""), ("", "yes")]
    assert (rows[0]["suggested_box"], rows[1]["box"]) == ("60 10 40 30", "'-0.5 5 20 20")
    assert fresh.troubles == []


def test_kinds_are_filtered_and_it_fits_a_phone(fresh):
    fresh.click('[data-kind="moved"]')
    assert fresh.texts(".sample .what") == ["dog, badly placed", "cat, badly placed"]
    assert fresh.texts(".acts button:first-child") == ["take the box", "take the outline"]
    fresh.emulate("dark", 360)
    try:
        assert fresh.run("document.documentElement.scrollWidth") <= 360
    finally:
        fresh.emulate("light", 1200)


@pytest.mark.parametrize("box", [(0, 0, 4, 4), (180, 150, 20, 10), (0, 0, 200, 160), (90, 70, 1, 60)])
def test_the_window_has_the_box_and_stays_inside_the_image(box):
    x, y, width, height = window(box, 200, 160)
    assert x >= 0
    assert y >= 0
    assert x + width <= 200
    assert y + height <= 160
    assert x <= box[0]
    assert y <= box[1]
    assert x + width >= box[0] + box[2]
    assert y + height >= box[1] + box[3]
    assert min(width, height) >= min(LEAST, 160)
