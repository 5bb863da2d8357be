from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assay.data.annotations import Annotation
from assay.errors import SourceError
from assay.formats import yolo
from assay.params import Source

YAML = "path: /content/elsewhere\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"


@pytest.fixture
def read(tmp_path, draw_image):
    """Read a YAML, with images/train/1.png (20 × 10 px) and the text of its labels."""

    def read(text=None, said=YAML, **options):
        draw_image("images/train/1.png")
        if text is not None:
            (tmp_path / "labels/train").mkdir(parents=True, exist_ok=True)
            (tmp_path / "labels/train/1.txt").write_text(text)
        if said:
            (tmp_path / "data.yaml").write_text(said)
        return list(yolo.read(Source(name="s", format="yolo", path=".", options=options), tmp_path))

    return read


def test_boxes_and_polygons_in_pixels(read):
    (record,) = read("1 0.5 0.5 0.2 0.4\n0 0.1 0.2 0.5 0.2 0.5 0.9\n")
    assert record.annotations == [
        Annotation(category="dog", bbox=(8, 3, 4, 4)),
        Annotation(category="cat", segmentation=[[2, 2, 10, 2, 10, 9]]),
    ]
    assert (record.path, record.split, record.issues) == ("images/train/1.png", "train", [])


def test_lines_of_different_lengths_are_read_each_by_its_own(read):
    """Five numbers are a box, nine the corners of a rotated one, seven and more a polygon; blank lines are none."""
    (record,) = read("0 0.5 0.5 0.2 0.4\n\n1 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5\n")
    assert record.annotations == [
        Annotation(category="cat", bbox=(8, 3, 4, 4)),
        Annotation(category="dog", segmentation=[[2, 1, 6, 1, 6, 5, 2, 5]]),
    ]


def test_a_folder_above_that_is_called_images_has_no_meaning(tmp_path):
    home = tmp_path / "images" / "set"
    home.mkdir(parents=True)
    Image.new("L", (20, 10)).save(home / "1.png")
    (home / "1.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (home / "data.yaml").write_text("train: .\nnames: [cat]\n")
    (record,) = yolo.read(Source(name="s", format="yolo", path="images/set"), tmp_path)
    assert len(record.annotations) == 1


def test_a_list_with_backslashes(read, tmp_path):
    (tmp_path / "list.txt").write_text("images\\train\\1.png\n")
    (record,) = read("", "train: list.txt\nnames: [cat]\n")
    assert record.path == "images/train/1.png"


def test_an_empty_text_is_not_a_missing_one(read):
    assert read()[0].annotations is None
    assert read(without_text="nothing")[0].annotations == []
    assert read("\n")[0].annotations == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.5 0.5 0 0.1", "greater than 0"),
        ("0 0.5 nan 0.1 0.1", "finite"),
        ("0 1.5 0.5 0.1 0.1", "outside the image"),
        ("2 0.5 0.5 0.1 0.1", "class 2: the last name is that of 1"),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5"),
        ("0 10 5 4 4", "in pixels"),
        ("0 0.5 0.5 0.1 0.1 0.9", "6 numbers are neither"),
        ("cat 0.5 0.5 0.1 0.1", "not a class and numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3", "encloses no area"),
        ("1 0.5 0.5 0.2 0.4", "the same as line 1"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(read, line, why):
    (record,) = read(f"1 0.5 0.5 0.2 0.4\n{line}\n")
    assert len(record.annotations) == 1
    (issue,) = record.issues
    assert (issue.where, issue.outcome) == ("labels/train/1.txt, line 2", "refused")
    assert why in issue.what


@pytest.mark.parametrize(
    ("said", "split"),
    [
        ("train: ../images/train\nnc: 2\nnames: {0: cat, 1: dog}\n", "train"),
        ("path: .\ntest: [images/train]\nnames: [cat, dog]\n", "test"),
        ("val: list.txt\nnames: [cat, dog]\n", "val"),
        ("train: images/train\nnames: {0: cat, 1: dog, 7: cow}\n", "train"),
        ("train: images/train\nval: images/train\nnames: [cat, dog]\n", None),
    ],
)
def test_the_variants_of_the_yaml(read, tmp_path, said, split):
    (tmp_path / "list.txt").write_text("\n./images/train/1.png\n\n")
    (record,) = read("1 0.5 0.5 0.2 0.4\n", said)
    assert (record.split, record.annotations[0].category) == (split, "dog")


def test_without_a_yaml_the_options_name_the_classes(read):
    (record,) = read("0 0.5 0.5 0.2 0.4\n", said=None, names=["cat"])
    assert (record.split, record.annotations[0].category) == (None, "cat")
    with pytest.raises(SourceError, match=r"no data\.yaml"):
        read(said=None)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("train: nowhere\nnames: [cat]\n", "no image in train, val or test: nowhere"),
        ("train: images/train\n", "names: neither a list"),
        ("- a\n", "no keys"),
        ("train: images/train\nnames: [cat, dog, cat]\n", "several numbers have one name: 'cat' is 0 and 2"),
        ("a: [\n", "no YAML"),
    ],
)
def test_a_yaml_that_leads_nowhere_is_refused(read, said, why):
    with pytest.raises(SourceError, match=why):
        read("", said)


def test_texts_and_lists_without_images_are_listed(read, tmp_path):
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/9.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    stray = {record.path: record.skip for record in read("")}
    assert stray == {
        "images/train/1.png": None,
        "labels/train/9.txt": "no image: a text whose image is not there",
    }
    (tmp_path / "list.txt").write_text("images/train/7.png\n")
    (record,) = [r for r in read("", "train: list.txt\nnames: [cat]\n") if r.path.endswith("7.png")]
    assert record.skip == "missing: named in a list of images"


def test_shares_are_those_of_the_upright_image(read, draw_image):
    draw_image("images/train/2.jpg", orientation=6)  # upright 10 × 20
    records = read("0 0.5 0.5 0.2 0.4\n")
    assert records[1].annotations is None
    file = records[1].file
    (file.parent.parent.parent / "labels/train/2.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert read("")[1].annotations == [Annotation(category="cat", bbox=(4, 6, 2, 8))]


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="01. -enaif\t", max_size=30), max_size=4))
def test_whatever_stands_in_a_text_is_taken_or_refused(read, lines):
    (record,) = read("\n".join(lines))
    rows = [line for text in lines for line in text.split("\n") if line.split()]
    assert len(record.annotations) + sum(issue.outcome == "refused" for issue in record.issues) == len(rows)
