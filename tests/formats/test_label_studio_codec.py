"""Results of Label Studio: read by stated rules, and the inverse of what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.images.frames import Frame
from assay.formats import _brush
from assay.formats._label_studio import annotations_of, answer_of, answers_of
from assay.formats._label_studio_written import attributes_of, config, result_of

FRAME = Frame(200, 100)


def region(kind="rectanglelabels", names=("cat",), **said) -> dict:
    box = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
    value = (box if kind.startswith("rectangle") else {}) | said
    held = {} if names is None else {kind: list(names)}
    return {"id": "a1", "type": kind, "from_name": "label", "to_name": "image", "value": value | held}


def read(*items, frame=FRAME, **how):
    return annotations_of(list(items), frame, **how)


def test_percent_are_pixels_of_each_axis():
    found = read(region(), region("polygonlabels", points=[[0, 0], [50, 0], [50, 50]], closed=True))
    assert found.annotations == [
        Annotation(category="cat", bbox=(20, 20, 60, 40)),
        Annotation(category="cat", segmentation=[[0, 0, 100, 0, 100, 50]]),
    ]
    assert found.issues == []


def test_a_rotated_rectangle_turns_in_pixels_about_its_corner():
    """On an image that is not square, turning percents would change angles and sides."""
    (one,) = read(region(x=50, y=50, width=20, height=10, rotation=30)).annotations
    ring = np.reshape(one.segmentation[0][0], (-1, 2))
    assert ring[0].tolist() == [100, 50]
    assert np.allclose(np.linalg.norm(np.diff([*ring, ring[0]], axis=0), axis=1), [40, 10, 40, 10])
    assert np.allclose(ring[1] - ring[0], [40 * np.cos(np.pi / 6), 20])


def test_a_quarter_turn_is_a_box_again():
    found = read(region(x=50, y=50, width=20, height=10, rotation=90), region(rotation=360)).annotations
    assert [one.bbox for one in found] == [(90, 50, 10, 40), (20, 20, 60, 40)]


def test_a_brush_is_a_mask():
    mask = np.zeros((100, 200), bool)
    mask[3:9, 5:100] = True
    (one,) = read(region("brushlabels", format="rle", rle=_brush.encoded(mask))).annotations
    assert np.array_equal(masks.decode(one.segmentation), mask)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (region("keypointlabels", x=1, y=1), "keypointlabels is none of rectanglelabels, polygonlabels"),
        (region("ellipselabels", x=1, y=1), "ellipselabels is none of"),
        (region(names=()), "has no class"),
        (region(names=("cat", "dog")), "has several classes: cat, dog"),
        (region() | {"image_rotation": 90}, "rotated by 90°"),
        (region(x="1"), "'1' is no percentage"),
        (region(x=1e400), "no percentage"),
        (region(width=0), "greater than 0"),
        (region(rotation="half"), "is no angle"),
        (region(x=150), "outside the image of 200 × 100 px"),
        (region("polygonlabels", points=[[1, 2], [3]]), "not pairs"),
        (region("polygonlabels", points=[[0, 0], [1, 1], [2, 2]]), "no area"),
        (region("brushlabels", rle="no"), "no list of bytes"),
        (region("brushlabels", rle=[0, 0]), "ends too early"),
        (region("brushlabels", rle=[0, 0, 0, 4, *[0] * 9]), "a brush of 1 px on an image of 200 × 100 px"),
        (region() | {"original_width": 9, "original_height": 9}, "the source says 9 × 9 px"),
        ({"type": "rectanglelabels"}, "has no class"),
    ],
)
def test_what_is_no_object_is_refused_by_name_and_place(item, why):
    (issue,) = read(item, where="task 7").issues
    assert issue.outcome == "refused"
    assert issue.where.startswith("task 7, result[0] (id ")
    assert why in issue.what


def test_a_region_beyond_the_image_is_clipped_like_that_of_any_format():
    found = read(region(x=-5))
    assert found.annotations == [Annotation(category="cat", bbox=(0, 20, 50, 40))]
    assert [issue.outcome for issue in found.issues] == ["fixed"]


@pytest.mark.parametrize(
    ("size", "box"),
    [((None, None), (10, 40, 30, 80)), ((100, 200), (10, 40, 30, 80)), ((200, 100), (40, 20, 40, 60))],
)
def test_the_stated_size_tells_whether_percents_are_of_the_stored_image(size, box):
    item = region() | {"original_width": size[0], "original_height": size[1]}
    assert read(item, frame=Frame(200, 100, 6)).annotations == [Annotation(category="cat", bbox=box)]


def test_items_of_one_id_are_one_object():
    parts = [
        region("rectangle", names=None),
        region("labels", names=("dog",)),
        region("choices", names=("true",)) | {"from_name": "far"},
        region("choices", names=("true",)) | {"from_name": "iscrowd"},
        region("number", names=None, number=3) | {"from_name": "n"},
        region("textarea", names=None, text=["ab", "c"]) | {"from_name": "note"},
        {"type": "relation", "from_id": "a1", "to_id": "a2"},
    ]
    found = read(*parts)
    attributes = {"far": True, "n": 3, "note": "ab\nc"}
    assert found.annotations == [
        Annotation(category="dog", bbox=(20, 20, 60, 40), iscrowd=True, attributes=attributes)
    ]
    assert [(issue.what, issue.objects) for issue in found.issues] == [("relation is not kept", 0)]


def test_choices_of_the_image_are_tags_or_metadata():
    items = [
        region("choices", names=("cat", "dog")) | {"id": "1", "from_name": "animal"},
        region("choices", names=("blurred",)) | {"id": "2", "from_name": "quality"},
        region("textarea", names=None, text=["why"]) | {"id": "3", "from_name": "note"},
    ]
    found = read(*items, controls=("animal",))
    assert found.annotations == [Annotation(category="cat"), Annotation(category="dog")]
    assert found.metadata == {"quality": "blurred", "note": "why"}
    assert [one.category for one in read(*items).annotations] == ["cat", "dog", "blurred"]


def test_nothing_on_it_an_unreadable_image_and_no_result():
    assert read().annotations == []
    assert read(region(), frame=None).annotations is None
    assert annotations_of(None, FRAME).issues[0].what == "result is no list of objects"


def test_the_answer_of_a_task():
    def answer(number, day, **said):
        return {"id": number, "updated_at": f"2024-05-{day:02d}T12:00:00.5Z", "result": [], **said}

    skipped = answer(1, 9, was_cancelled=True)
    assert (
        answer_of({"annotations": [skipped], "drafts": [answer(2, 9)], "predictions": [answer(3, 9)]}) is None
    )
    assert answer_of({}) is None
    early, late = answer(9, 1), answer(4, 2)
    assert answers_of({"annotations": [late, skipped, early]}) == [early, late]
    assert answer_of({"annotations": [early | {"ground_truth": True}, late]})["id"] == 9
    dateless = answer(7, 1, updated_at=None)
    assert answer_of({"annotations": [early, dateless]}) == early


@st.composite
def drawn(draw) -> Annotation:
    name = draw(st.sampled_from(["cat", "dög & <co>"]))
    attributes = draw(
        st.dictionaries(st.sampled_from(["a", "b"]), st.text() | st.booleans() | st.integers(0, 9))
    )
    kind = draw(st.sampled_from(["box", "polygon", "mask"]))
    said: dict = {"category": name, "attributes": attributes, "iscrowd": draw(st.booleans())}
    x, y, w, h = (draw(st.integers(1, 90)) for _ in range(4))
    if kind == "box":
        said["bbox"] = (x, y / 2, w, h / 8)
    elif kind == "polygon":
        said["segmentation"] = [[x, y, x + w, y, x, y + 1]]
    else:
        mask = np.zeros((100, 200), bool)
        mask[y : y + h, x : x + w] = (
            draw(st.booleans()) or np.random.default_rng(x).random((100, 200))[y : y + h, x : x + w] < 0.5
        )
        mask[0, 0] = True
        said["segmentation"] = masks.encode(mask)
    return Annotation.model_validate(said)


@settings(max_examples=25)
@given(st.lists(drawn(), max_size=4), st.sets(st.sampled_from(["x", "y"])))
def test_what_is_written_reads_as_it_was(objects, tags):
    notes = [Annotation(category=name) for name in sorted(tags)] + objects
    result, lost = result_of(notes, 200, 100)
    found = annotations_of(json.loads(json.dumps(result)), FRAME)
    assert found.issues == []
    assert not lost
    assert found.annotations == notes


def test_what_label_studio_has_no_form_for_is_counted():
    notes = [
        Annotation(category="a", segmentation=[[[0, 0, 9, 0, 9, 9], [4, 1, 8, 1, 8, 5]]]),
        Annotation(category="a", segmentation=[[0, 0, 9, 0, 9, 9], [20, 0, 29, 0, 29, 9]]),
        Annotation(category="a", bbox=(0, 0, 99, 99), segmentation=[[0, 0, 9, 0, 9, 9]]),
        Annotation(category="a", attributes={"far": True}),
    ]
    result, lost = result_of(notes, 200, 100)
    assert lost == {
        "parts and holes: their pixels instead": 2,
        "boxes other than that of their outline": 1,
        "attributes of tags": 1,
    }
    found = annotations_of(result, FRAME).annotations
    pixels = [masks.rasterized(one.segmentation, 100, 200) for one in notes[:2]]
    assert all(
        np.array_equal(masks.decode(one.segmentation), px) for one, px in zip(found[1:], pixels, strict=False)
    )


def test_the_config_has_the_controls_that_are_written():
    notes = [
        Annotation(
            category="a", bbox=(1, 1, 2, 2), iscrowd=True, attributes={"n": 1, "note": "x", "box": True}
        ),
        Annotation(category="a", bbox=(1, 1, 2, 2), attributes={"n": 2.5, "far": False}),
    ]
    attributes = attributes_of(notes)
    assert attributes == {"far": bool, "iscrowd": bool, "n": float, "note": str}
    text = config(['<a> & "b"'], ["rectangle", "choices"], attributes, several=False)
    for part in ('<Label value="&lt;a&gt; &amp; &quot;b&quot;"', '<RectangleLabels name="box"', '<Number name="n"',
                 '<TextArea name="note"', '<Choices name="iscrowd" toName="image" choice="single" perRegion="true"',
                 'value="$image"'):  # fmt: skip
        assert part in text


def bits(*fields) -> list[int]:
    text = "".join(f"{value:0{size}b}" for value, size in fields)
    text += "0" * (-len(text) % 8)
    return [int(text[n : n + 8], 2) for n in range(0, len(text), 8)]


def test_a_brush_with_literal_values_and_other_size_classes():
    """2 × 1 px, alphas 0 and 128: a run of 4, then 4 literal values, in classes of 1 and 2 bits."""
    head = [(8, 32), (7, 5), (0, 4), (1, 4), (2, 4), (3, 4)]
    run, literal = (
        [(1, 1), (1, 2), (3, 2), (0, 8)],
        [(0, 1), (2, 2), (3, 3), (9, 8), (8, 8), (7, 8), (128, 8)],
    )
    assert _brush.decoded(bits(*head, *run, *literal), 2, 1).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="more values"):
        _brush.decoded(bits(*head, *run, (1, 1), (3, 2), (8, 4), (0, 8)), 2, 1)


def test_runs_longer_than_the_largest_class_are_split():
    mask = np.zeros((300, 400), bool)
    mask[100:] = True
    assert np.array_equal(_brush.decoded(_brush.encoded(mask), 400, 300), mask)


def test_a_brush_as_label_studio_s_own_library_writes_it():
    """`mask2rle` of label-studio-sdk 2.1.2; it also reads what `encoded` writes."""
    rle = [0, 0, 0, 24, 57, 27, 252, 96, 17, 255, 198, 1, 111, 252]
    mask = [[False, True, False], [True, True, True]]
    assert _brush.decoded(rle, 3, 2).tolist() == mask
    assert _brush.decoded(_brush.encoded(np.array(mask)), 3, 2).tolist() == mask
