from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.errors import SourceError
from assay.formats import coco
from assay.formats._objects import Counts
from assay.params import Source

CATS = [{"id": 7, "name": "cat"}, {"id": 9, "name": " dog "}]
SQUARE = [0, 0, 4, 0, 4, 4, 0, 4]


def image(n: int = 1, **said) -> dict:
    return {"id": n, "file_name": f"{n}.png", "width": 20, "height": 10, **said}


def note(n: int = 1, **said) -> dict:
    return {"id": n, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], **said}


@pytest.fixture
def read(tmp_path, draw_image):
    """Read a JSON of these images (1.png … are there) and annotations."""

    def read(images, annotations=(), categories=CATS, name="a.json", **options):
        for n in (1, 2):
            draw_image(f"{n}.png")
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
        return list(coco.read(Source(name="s", format="coco", path="a.json", options=options), tmp_path))

    return read


def only(records):
    (record,) = records
    return record


def test_all_of_an_object_is_taken(read):
    rle = {"size": [10, 20], "counts": [3, 5, 192]}
    said = [
        note(1, segmentation=[SQUARE, [5, 5, 9, 5, 9, 9]], attributes={"far": True, "list": [1]}),
        note(2, category_id=9, segmentation=rle, iscrowd=1, bbox=[0, 3, 1, 5]),
        note(3, bbox=None, segmentation=rle),
    ]
    record = only(read([image()], said))
    assert record.annotations == [
        Annotation(
            category="cat", bbox=(1, 2, 3, 4), segmentation=said[0]["segmentation"], attributes={"far": True}
        ),
        Annotation(category="dog", bbox=(0, 3, 1, 5), segmentation=rle, iscrowd=True),
        Annotation(category="cat", segmentation=rle),
    ]
    assert record.issues == []


def test_nothing_on_it_and_nobody_looked(read, tmp_path):
    first = only(read([image(1)]))
    assert (first.path, first.annotations) == ("1.png", [])


@pytest.mark.parametrize(
    ("said", "outcome", "why"),
    [
        ({"bbox": [1, 2, 0, 4]}, "refused", "no area"),
        ({"bbox": [1, 2, float("nan"), 4]}, "refused", "no area"),
        ({"bbox": [1, float("nan"), 3, 4]}, "refused", "finite"),
        ({"bbox": [1, 2, 3]}, "refused", "not x, y, width, height"),
        ({"bbox": [40, 2, 3, 4]}, "refused", "outside the image of 20 × 10 px"),
        ({"bbox": [18, 2, 3, 4]}, None, ""),
        ({"bbox": [17, 2, 5, 4]}, "fixed", "clipped"),
        ({"bbox": [], "segmentation": []}, "refused", "neither a box nor an outline"),
        ({"category_id": 8}, "refused", "category_id 8: no category"),
        ({"bbox": [1, 2, 0, 4], "segmentation": [SQUARE]}, "fixed", "box .* left out"),
        ({"segmentation": [[], SQUARE]}, "fixed", "1 of 2 polygons without an area, left out"),
        ({"segmentation": [[1, 1, 2, 2]]}, "fixed", "1 of 1 polygons"),
        ({"bbox": None, "segmentation": [[]]}, "refused", "1 of 1 polygons"),
        ({"segmentation": {"size": [20, 10], "counts": [0, 200]}}, "refused", "10 × 20 px on an image of 20 × 10"),
        ({"segmentation": {"size": [10, 20], "counts": "~~"}}, "refused", "compressed text"),
    ],
)  # fmt: skip
def test_a_bad_object_is_taken_fixed_or_refused_by_row(read, said, outcome, why):
    record = only(read([image()], [note(5, bbox=[0, 0, 2, 2]), note(6, **said)]))
    assert len(record.annotations) == (1 if outcome == "refused" else 2)
    if outcome is None:
        assert record.issues == []
        return
    (issue,) = record.issues
    assert (issue.where, issue.outcome) == ("a.json, annotations[1] (id 6)", outcome)
    assert re.search(why, issue.what)


def test_two_annotations_of_one_id_are_two(read):
    assert len(only(read([image()], [note(1), note(1, bbox=[5, 5, 2, 2])])).annotations) == 2


def test_what_belongs_to_no_image_is_listed(read):
    there, missing, stray = read([image(), image(3)], [note(image_id=99), note(2, image_id=3), note(3)])
    assert stray.path == "a.json#image_id=99"
    assert stray.skip.startswith("no image")
    assert (missing.path, missing.skip) == ("3.png", "missing: named in a.json")
    assert [len(record.issues) for record in (stray, there, missing)] == [1, 0, 1]
    assert len(there.annotations) == 1


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ("[]", "not in COCO's format"),
        ("{", "no JSON"),
        ('{"images": [], "annotations": []}', "no list of objects categories"),
        ({"images": [image(1), image(1)]}, "1 ids of images occur twice: 1"),
        ({"categories": [*CATS, CATS[0]]}, "1 ids of categories occur twice: 7"),
        ({"images": [{"file_name": "1.png"}]}, r"images\[0\] and 0 more have no id"),
    ],
)
def test_a_file_that_can_mean_two_things_is_refused_whole(tmp_path, draw_image, held, why):
    text = held if isinstance(held, str) else json.dumps({k: [] for k in coco.KEYS} | held)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SourceError, match=why):
        list(coco.read(Source(name="s", format="coco", path="a.json"), tmp_path))


def test_ids_with_gaps_and_from_zero_are_kept(read):
    categories = [{"id": 91, "name": "cat"}, {"id": 0, "name": "dog"}]
    record = only(read([image()], [note(1, category_id=0), note(2, category_id=91)], categories))
    assert [one.category for one in record.annotations] == ["dog", "cat"]


def test_two_categories_of_one_name_are_refused_if_both_are_used(read):
    categories = [{"id": 0, "name": "cat"}, {"id": 7, "name": "cat"}]
    assert len(only(read([image()], [note()], categories)).annotations) == 1
    with pytest.raises(SourceError, match="several categories have one name: 'cat' has the ids 7, 0"):
        read([image()], [note(1), note(2, category_id=0)], categories)


def test_annotations_with_equal_ids_are_both_read_and_listed(read):
    record = only(read([image()], [note(), note(bbox=[5, 5, 3, 3])]))
    assert len(record.annotations) == 2
    assert str(record.issues[0]) == "a.json, annotations[1] (id 1): the id of annotations[0] too: both: taken"


def test_one_image_named_twice_is_refused(read):
    with pytest.raises(SourceError, match="1 images are named twice"):
        read([image(1), image(2, file_name="1.png")])


@pytest.mark.parametrize(
    ("told", "file"),
    [
        ("a%20b.png", "a b.png"),
        ("a%20b.png", "a%20b.png"),
        ("e\u0301.png", "\u00e9.png"),
        ("\u00e9.png", "e\u0301.png"),
        (r"..\..\a.png", "a.png"),
    ],
)
def test_a_name_in_another_form_is_found_inside_the_folder(read, draw_image, told, file):
    draw_image(file)
    assert only(read([image(file_name=told)], [note()])).path == file


def test_equal_names_in_different_folders_are_different_images(read, draw_image):
    for name in ("x/1.png", "y/1.png"):
        draw_image(name)
    first, second = read([image(1, file_name="x/1.png"), image(2, file_name=r"y\1.png")], [note()])
    assert [first.path, second.path] == ["x/1.png", "y/1.png"]
    assert [len(first.annotations), len(second.annotations)] == [1, 0]


@pytest.mark.parametrize(
    ("size", "box"), [((10, 20), (1, 2, 3, 4)), ((20, 10), (4, 1, 4, 3)), ((30, 30), None)]
)
def test_the_stated_size_tells_which_way_up_boxes_are(read, draw_image, size, box):
    draw_image("turned.jpg", orientation=6)  # stored 20 × 10, upright 10 × 20
    said = image(file_name="turned.jpg", width=size[0], height=size[1])
    record = only(read([said], [note()]))
    if box is None:
        assert record.annotations is None
        assert "the source says 30 × 30 px, the image has 10 × 20 px" in str(record.issues[0])
    else:
        assert record.annotations == [Annotation(category="cat", bbox=box)]


@pytest.mark.parametrize(
    ("name", "where", "split"),
    [
        ("annotations/instances_val2017.json", "val2017", "val"),
        ("train/_annotations.coco.json", "train", "train"),
        ("valid/_annotations.coco.json", "valid", "val"),
        ("annotations/instances.json", "images", None),
    ],
)
def test_a_folder_is_searched_for_files_and_their_images(tmp_path, draw_image, name, where, split):
    draw_image(f"{where}/1.png")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(
        json.dumps({"images": [image()], "annotations": [note()], "categories": CATS})
    )
    record = only(coco.read(Source(name="s", format="coco", path="."), tmp_path))
    assert (record.path, record.split, len(record.annotations)) == (f"{where}/1.png", split, 1)
    assert str(tmp_path / name) in record.beside


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 40) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
KEYS = ["id", "image_id", "category_id", "bbox", "segmentation", "iscrowd", "attributes", "size", "counts"]


@settings(max_examples=80)
@given(
    st.dictionaries(st.sampled_from(KEYS), odd), st.dictionaries(st.sampled_from(["file_name", "width"]), odd)
)
def test_whatever_stands_in_a_field_is_taken_or_refused(read, of_note, of_image):
    whole = {"size": [10, 20], "counts": [3, 5, 192]} if "counts" not in of_note else {**of_note}
    try:
        records = read([image(), image(2, **of_image)], [note(**of_note), note(2, segmentation=whole)])
    except SourceError:  # two images of one name
        return
    counts = Counts()
    for record in records:
        counts.meet(record)
    assert sum(counts.numbers[kind] for kind in ("taken", "fixed", "refused")) == 2
