"""What suspected objects would become, as the editor gets it."""

from __future__ import annotations

import json

import numpy as np

from assay.data.annotations import Annotation
from assay.data.masks import decode, encode
from assay.data.outlines import RLE
from assay.web.suggested import corrections, in_words

CAT, DOG = {"category": "cat", "bbox": [4, 4, 36, 36]}, {"category": "dog", "bbox": [52, 4, 36, 36]}


def row(kind, given, suggested, box, new_box, outlines=(), also=None, focus=None):
    boxes = {"box": box, "suggested_box": new_box, "also": also, "focus": focus}
    said = {"kind": kind, "given": given, "suggested": suggested, "probability": 0.82, "reason": "it is so"}
    return said | boxes | {"suggested_outlines": list(outlines)}


def outline(pixels):
    return encode(pixels).model_dump(mode="json")


def test_each_kind_of_box():
    swapped = row("swapped", "dog", "cat", DOG["bbox"], DOG["bbox"])
    moved = row("moved", "cat", "cat", CAT["bbox"], [6, 4, 36, 36])
    missed = row("missed", None, "dog", None, [4, 52, 36, 36])
    spurious = row("spurious", "cat", None, CAT["bbox"], None)
    assert corrections([CAT, DOG], [swapped]) == [
        {"category": "cat", "bbox": [52, 4, 36, 36], "instead": [1]}
    ]
    assert corrections([CAT, DOG], [moved]) == [{"category": "cat", "bbox": [6, 4, 36, 36], "instead": [0]}]
    assert corrections([CAT], [missed]) == [{"category": "dog", "bbox": [4, 52, 36, 36], "instead": []}]
    assert corrections([CAT, DOG], [spurious]) == []
    assert (
        len(corrections([CAT, DOG], [swapped, moved, missed, spurious])) == 3 - 1
    )  # moved, and it goes: no box of it


def test_an_object_that_changed_since_has_no_suggestion():
    assert corrections([CAT], [row("swapped", "dog", "cat", DOG["bbox"], DOG["bbox"])]) == []


def test_two_holes_of_an_outline_are_one_suggestion_and_a_cut_is_two():
    pixels = np.zeros((30, 40), bool)
    pixels[5:25, 5:35] = True
    holed = pixels.copy()
    holed[10, 10] = holed[20, 30] = False
    note = {"category": "cat", "segmentation": outline(holed)}
    box = list(Annotation.model_validate(note).box)
    without = [holed | (np.arange(40) == x) & (np.arange(30) == y)[:, None] for y, x in ((10, 10), (20, 30))]
    filled = [row("outline", "cat", "cat", box, box, [json.dumps(outline(one))]) for one in without]
    (one,) = corrections([note], filled)
    assert one["instead"] == [0]
    assert np.array_equal(decode(RLE.model_validate(one["segmentation"])), pixels)
    halves = [pixels & (np.arange(40) < 20), pixels & (np.arange(40) >= 20)]
    cut = row("merged", "cat", "cat", box, box, [json.dumps(outline(one)) for one in halves])
    assert [one["instead"] for one in corrections([note], [cut])] == [[0], [0]]


def test_a_suspicion_in_words():
    said = in_words(row("swapped", "dog", "cat", DOG["bbox"], DOG["bbox"]))
    assert said["text"] == "swapped dog → cat, 82%: it is so"
    assert said["boxes"] == [DOG["bbox"], DOG["bbox"]]
    missed = in_words(row("missed", None, "dog", None, CAT["bbox"], focus=[1, 2, 3, 4]))
    assert (missed["text"], missed["focus"]) == ("missed dog, 82%: it is so", [1, 2, 3, 4])
