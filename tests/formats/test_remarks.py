from __future__ import annotations

import pytest

from assay.formats import imagefolder
from assay.formats._remarks import ClassRemarks
from assay.intake import unchanged
from assay.layout import Layout
from assay.params import Source, parse_params
from assay.progress import silent
from assay.stages import ingest


def remarks(root, *files, **options):
    for name in files:
        (root / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "raw" / name).touch()
    classes = ClassRemarks()
    source = Source(name="raw", format="imagefolder", path="raw", options=options)
    for record in imagefolder.read(source, root):
        classes.meet(record)
    return classes.remarks(options)


@pytest.mark.parametrize("names", [("training", "testing"), ("dev", "eval"), ("Training", "TEST_SET")])
def test_classes_that_look_like_splits_are_told(tmp_path, names):
    (said,) = remarks(tmp_path, *(f"{name}/{kind}/1.png" for name in names for kind in ("cat", "dog")))[:1]
    assert all(repr(name) in said for name in names)


def test_a_folder_above_the_splits_is_told(tmp_path):
    found = remarks(tmp_path, "data/train/cat/1.png", "data/test/cat/2.png")
    assert [line.partition(":")[0] for line in found] == [
        "folder 'data' was read as a class, but contains 'test', 'train'"
    ]


def test_nothing_is_said_of_what_is_as_it_should_be(tmp_path):
    assert remarks(tmp_path, "train/cat/1.png", "test/dog/a/2.png", "cat/train.png", "3.png") == []
    assert remarks(tmp_path / "b", "train/cat/1.png", "test/cat/2.png", splits=False)[1:] == []


def test_classes_that_may_be_one_are_told(tmp_path):
    found = remarks(tmp_path, "3/1.png", "3.0/1.png", "03/1.png", "Cat/1.png", "cat/1.png", "dog/1.png")
    assert found == ["classes '03', '3', '3.0' may be one", "classes 'Cat', 'cat' may be one"]


def test_the_books_say_it_at_every_look(tmp_path, images):
    for n, name in enumerate(("training", "testing")):
        (tmp_path / "raw" / name).mkdir(parents=True)
        (tmp_path / "raw" / name / "1.png").write_bytes(images[n])
    params = parse_params({"ingest": {"sources": [{"name": "raw", "format": "imagefolder", "path": "raw"}]}})
    for _ in range(2):
        said = "\n".join(unchanged.books(ingest.run(params, Layout(tmp_path), silent)))
        assert "check: classes 'testing', 'training' may be meant as splits" in said
