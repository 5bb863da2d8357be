from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import masks
from assay.data.annotations import Annotation
from assay.errors import SourceError
from assay.formats import cvat
from assay.formats._objects import Counts
from assay.params import Source

BOX = '<box label="cat" occluded="0" xtl="1" ytl="2" xbr="4" ybr="6"/>'
META = """<meta><task><labels><label><name>cat</name><attributes>
<attribute><name>far</name><input_type>checkbox</input_type></attribute>
<attribute><name>n</name><input_type>number</input_type></attribute>
<attribute><name>is_crowd</name><input_type>checkbox</input_type></attribute>
</attributes></label></labels>{more}</task></meta>"""


@pytest.fixture
def read(tmp_path, draw_image):
    """Read an XML of these elements, with images/1.png (20 × 10 px)."""

    def read(body, meta="", images=("images/1.png",), **options):
        for name in images:
            draw_image(name)
        (tmp_path / "annotations.xml").write_text(f"<annotations>{meta}{body}</annotations>")
        return list(cvat.read(Source(name="s", format="cvat", path=".", options=options), tmp_path))

    return read


def on_image(*shapes, **said) -> str:
    about = {"id": 0, "name": "1.png", "width": 20, "height": 10} | said
    told = " ".join(f'{key}="{value}"' for key, value in about.items())
    return f"<image {told}>{''.join(shapes)}</image>"


def test_all_of_an_object_is_taken(read):
    attributes = "".join(
        f'<attribute name="{name}">{value}</attribute>'
        for name, value in (("far", "false"), ("n", "3"), ("note", "3"), ("is_crowd", "true"))
    )
    polygon = f'<polygon label="cat" occluded="1" points="0,0;4,0;4,4.5">{attributes}</polygon>'
    mask = '<mask label="dog" rle="1, 2, 3" left="2" top="1" width="3" height="2"/>'
    (record,) = read(
        on_image(BOX, polygon, mask, '<tag label="day"/>', subset="Validation"), META.format(more="")
    )
    pixels = np.zeros((10, 20), bool)
    pixels[1, 3:5] = True
    said = {"far": False, "n": 3, "note": "3", "occluded": True}
    assert record.annotations == [
        Annotation(category="cat", bbox=(1, 2, 3, 4)),
        Annotation(category="cat", segmentation=[[0, 0, 4, 0, 4, 4.5]], iscrowd=True, attributes=said),
        Annotation(category="dog", segmentation=masks.encode(pixels)),
        Annotation(category="day"),
    ]
    assert (record.path, record.split, record.issues) == ("images/1.png", "val", [])


def test_a_rotated_box_turns_about_its_centre(read):
    square = '<box label="cat" xtl="4" ytl="2" xbr="10" ybr="8" rotation="45.0"/>'
    (record,) = read(on_image(square, square.replace("45.0", "90.0")))
    ring = np.reshape(record.annotations[0].segmentation[0][0], (-1, 2))
    assert np.allclose(ring[0], [7, 5 - 3 * np.sqrt(2)])
    assert np.allclose(ring.mean(axis=0), [7, 5])
    assert record.annotations[1].bbox == (4, 2, 6, 6)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ('<polyline label="cat" points="0,0;1,1"/>', "polyline is none of box, polygon, mask, tag"),
        ('<ellipse label="cat" cx="1" cy="1" rx="1" ry="1"/>', "ellipse is none of"),
        (BOX.replace('"4"', '"x"'), "no numbers"),
        (BOX.replace('xbr="4"', ""), "no numbers"),
        (BOX.replace('xbr="4"', 'xbr="1"'), "greater than 0"),
        (BOX.replace("/>", ' rotation="nan"/>'), "no angle"),
        (BOX.replace("cat", " "), "category"),
        ('<polygon label="cat" points="0,0;4,0"/>', "three corners"),
        ('<polygon label="cat" points="0,0;4"/>', "no pairs"),
        ('<mask label="cat" rle="1, 2" left="0" top="0" width="2" height="2"/>', "comes to 3 px"),
        ('<mask label="cat" rle="0, 4" left="19" top="0" width="2" height="2"/>', "not inside the image"),
        ('<mask label="cat" rle="a" left="0" top="0" width="2" height="2"/>', "no list"),
        ('<mask label="cat" rle="4" left="0" top="0" width="2" height="2"/>', "without a pixel"),
    ],
)
def test_a_bad_shape_is_refused_by_its_place(read, shape, why):
    (record,) = read(on_image(BOX, shape))
    assert len(record.annotations) == 1
    assert record.issues[0].where.startswith("annotations.xml, image 0, ")
    assert record.issues[0].where.endswith(" 2")
    assert why in record.issues[0].what


def test_names_without_a_suffix_in_folders_and_missing(read):
    images = ("images/a/1.png", "images/b/1.png", "images/train/c d.png")
    body = (
        on_image(BOX, name="a/1")
        + on_image(name=r"b\1.png", id=1)
        + on_image(name="c d.png", subset="train", id=2)
    )
    first, second, third, lost = sorted(
        read(body + on_image(BOX, name="no.png"), images=images), key=lambda r: bool(r.skip)
    )
    assert [(r.path, len(r.annotations)) for r in (first, second, third)] == [
        ("images/a/1.png", 1),
        ("images/b/1.png", 0),
        ("images/train/c d.png", 0),
    ]
    assert (lost.skip, len(lost.issues)) == ("missing: named in annotations.xml", 1)


def test_the_stated_size_tells_which_way_up_shapes_are(read, draw_image):
    draw_image("images/turned.jpg", orientation=6)  # stored 20 × 10, upright 10 × 20
    (record,) = read(on_image(BOX, name="turned.jpg"))
    assert record.annotations == [Annotation(category="cat", bbox=(4, 1, 4, 3))]
    (record,) = read(on_image(BOX, name="turned.jpg", width=10, height=20))
    assert record.annotations == [Annotation(category="cat", bbox=(1, 2, 3, 4))]


def track(*shapes, label="cat") -> str:
    return f'<track id="3" label="{label}">{"".join(shapes)}</track>'


def shape(frame, left, outside=0, tag="box", key=1) -> str:
    place = f'xtl="{left}" ytl="2" xbr="{left + 3}" ybr="6"' if tag == "box" else 'points="0,0;4,0;4,4"'
    return f'<{tag} frame="{frame}" outside="{outside}" keyframe="{key}" {place}/>'


def lefts(records) -> dict[str, list[float]]:
    return {r.path: [one.box[0] for one in r.annotations] for r in records if r.skip is None}


FRAMES = tuple(f"images/frame_{n:06d}.png" for n in range(5))


def test_tracks_are_shapes_of_frames(read):
    """Boxes move between keyframes; what is outside, or after the end of a track, is not there."""
    body = track(shape(0, 1), shape(2, 5), shape(3, 5, outside=1)) + track(shape(4, 9), label="dog")
    records = read(body, images=FRAMES)
    assert list(lefts(records).values()) == [[1], [3], [5], [], [9]]
    assert records[4].annotations[0].category == "dog"


def test_a_deleted_frame_leaves_no_phantom(read):
    body = track(shape(0, 1), shape(1, 2), shape(2, 3, outside=1))
    *records, lost = sorted(read(body, images=(FRAMES[0], FRAMES[2])), key=lambda record: bool(record.skip))
    assert lefts(records) == {FRAMES[0]: [1], FRAMES[2]: []}
    assert lost.skip == "no image: 1 frames with shapes, the first is 1"
    assert [issue.where for issue in lost.issues] == ["annotations.xml, track 3, frame 1"]


@pytest.mark.parametrize("names", [("0", "5", "10"), ("0", "1", "2")])
def test_a_frame_step_with_names_by_frame_or_by_place(read, names):
    images = tuple(f"images/frame_{int(name):06d}.png" for name in names)
    meta = META.format(more="<frame_filter>step=5</frame_filter>")
    records = read(track(shape(0, 1), shape(10, 3), shape(15, 3, outside=1)), meta, images)
    assert list(lefts(records).values()) == [[1], [2], [3]]


@pytest.mark.parametrize(
    "frame",
    [
        "9" * 5000,
        "1000000000",
        "-1",
        "1e5",
        "\u0663\u0663\u0663\u0663\u0663\u0663\u0663\u0663\u0663\u0663",
        "",
    ],
)
def test_a_frame_that_is_none_or_far_away_is_refused_at_once(read, frame):
    with pytest.raises(SourceError, match="is no number up to 1,000,000"):
        read(track(shape(0, 1), shape(frame, 1)), images=FRAMES)


def test_sizes_and_starts_that_are_no_numbers_are_as_if_not_told(read):
    meta = META.format(
        more=f"<start_frame>x</start_frame><original_size><width>{'9' * 5000}</width></original_size>"
    )
    records = read(track(shape(0, 1), shape(1, 1, outside=1)), meta, FRAMES)
    assert list(lefts(records).values())[:2] == [[1], []]


def test_other_shapes_between_keyframes_are_listed(read):
    records = read(track(shape(0, 1, tag="polygon"), shape(2, 1, tag="polygon")), images=FRAMES[:3])
    assert [len(record.annotations) for record in records] == [1, 0, 1]
    assert str(records[1].issues[0]) == (
        "annotations.xml, track 3, frame 1: polygon between keyframes: it is not in the XML: refused"
    )


def test_what_is_no_xml_of_cvat_is_refused(read, tmp_path):
    with pytest.raises(SourceError, match="frame 'x' is no number"):
        read(track('<box frame="x"/>'))
    with pytest.raises(SourceError, match="two images of frame 0"):
        read(track(shape(0, 1)), images=("images/a/0.png", "images/b/0.png"))
    (tmp_path / "annotations.xml").write_text("<annotation/>")
    with pytest.raises(SourceError, match="no XML of CVAT"):
        list(cvat.read(Source(name="s", format="cvat", path="."), tmp_path))
    (tmp_path / "annotations.xml").write_text("<annotations>")
    with pytest.raises(SourceError, match=r"annotations\.xml: no XML"):
        list(cvat.read(Source(name="s", format="cvat", path="."), tmp_path))


KEYS = ["label", "xtl", "ytl", "xbr", "ybr", "rotation", "points", "rle", "left", "top", "width", "height"]
odd = st.text(alphabet="01.,;- naife", max_size=8)


@settings(max_examples=40)
@given(st.sampled_from(["box", "polygon", "mask"]), st.dictionaries(st.sampled_from(KEYS), odd))
def test_whatever_stands_in_an_attribute_is_taken_or_refused(read, tag, said):
    told = " ".join(f'{key}="{value}"' for key, value in said.items())
    counts = Counts()
    for record in read(on_image(BOX, f"<{tag} {told}/>")):
        counts.meet(record)
    assert sum(counts.numbers[kind] for kind in ("taken", "fixed", "refused")) == 2
