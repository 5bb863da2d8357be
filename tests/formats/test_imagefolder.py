import os
from pathlib import Path

import pytest

from assay.errors import ParamsError, SourceError
from assay.formats import imagefolder
from assay.params import Source


def read(root, path="photos", **options):
    source = Source(name="photos", format="imagefolder", path=path, options=options)
    return list(imagefolder.read(source, root))


def put(root, *paths):
    for path in paths:
        file = root / "photos" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def said(records):
    """path -> (label, split), of what is to be read"""
    taken = [record for record in records if record.skip is None]
    return {r.path: (r.annotations[0].category if r.annotations else None, r.split) for r in taken}


def skipped(records):
    return {record.path: record.skip for record in records if record.skip is not None}


def test_folders_are_classes(tmp_path):
    put(
        tmp_path,
        "cat/1.jpg",
        "cat/2024/2.jpg",
        "dog/1.jpg",
        "3.jpg",
        "unlabelled/4.jpg",
        "unlabelled/x/5.jpg",
    )
    assert said(read(tmp_path)) == {
        "3.jpg": (None, None),
        "cat/1.jpg": ("cat", None),
        "cat/2024/2.jpg": ("cat", None),
        "dog/1.jpg": ("dog", None),
        "unlabelled/4.jpg": (None, None),
        "unlabelled/x/5.jpg": (None, None),
    }


def test_a_level_of_splits(tmp_path):
    put(
        tmp_path,
        "train/cat/1.jpg",
        "valid/cat/1.jpg",
        "Validation/cat/1.jpg",
        "test/1.jpg",
        "val/unlabelled/1.jpg",
    )
    assert said(read(tmp_path)) == {
        "Validation/cat/1.jpg": ("cat", "val"),
        "test/1.jpg": (None, "test"),
        "train/cat/1.jpg": ("cat", "train"),
        "val/unlabelled/1.jpg": (None, "val"),
        "valid/cat/1.jpg": ("cat", "val"),
    }
    assert said(read(tmp_path, splits=False))["train/cat/1.jpg"] == ("train", None)


def test_only_the_top_level_is_one_of_splits(tmp_path):
    put(tmp_path, "train/test/1.jpg", "cat/train/1.jpg")
    assert said(read(tmp_path)) == {"train/test/1.jpg": ("test", "train"), "cat/train/1.jpg": ("cat", None)}


def test_options_name_the_unlabelled_folder_and_what_to_ignore(tmp_path):
    put(tmp_path, "todo/1.jpg", "cat/1.jpg", "cat/1.tmp")
    found = said(read(tmp_path, unlabelled="todo", ignore=["*.tmp"]))
    assert found == {"cat/1.jpg": ("cat", None), "todo/1.jpg": (None, None)}
    assert "cat/1.tmp" in said(read(tmp_path, ignore=[]))


def test_nothing_is_dropped_but_what_is_hidden_or_ignored(tmp_path):
    put(tmp_path, "cat/notes.docx", "cat/.hidden.jpg", ".git/1.jpg", "cat/Thumbs.db", "README.md", "cat/x")
    (tmp_path / "photos/cat/nowhere.jpg").symlink_to("gone.jpg")
    os.mkfifo(tmp_path / "photos/cat/pipe.jpg")
    records = read(tmp_path)
    assert list(said(records)) == ["cat/notes.docx", "cat/x"]
    assert skipped(records) == {
        ".git/": "ignored",
        "README.md": "ignored",
        "cat/.hidden.jpg": "ignored",
        "cat/Thumbs.db": "ignored",
        "cat/nowhere.jpg": "dangling link",
        "cat/pipe.jpg": "not a file",
    }


def test_the_usual_patterns_pass_over_no_image_and_those_of_ones_own_may(tmp_path):
    put(
        tmp_path,
        "a/LICENSE_1.jpg",
        "a/README-scan.PNG",
        "a/README.tif",
        "a/1_mask.png",
        "a/LICENSE-MIT",
        "a/README",
    )
    records = read(tmp_path)
    assert list(said(records)) == ["a/1_mask.png", "a/LICENSE_1.jpg", "a/README-scan.PNG", "a/README.tif"]
    assert skipped(records) == {"a/LICENSE-MIT": "ignored", "a/README": "ignored"}
    assert "a/1_mask.png" in skipped(read(tmp_path, ignore=["*_mask.png"]))


def test_links_are_followed_and_loops_are_not(tmp_path):
    put(tmp_path, "cat/1.jpg")
    (tmp_path / "photos/cat/itself").symlink_to("itself")
    (tmp_path / "photos/cat/2.jpg").symlink_to("1.jpg")
    (tmp_path / "photos/cat/loop").symlink_to("..")
    (tmp_path / "photos/kitten").symlink_to("cat")
    records = read(tmp_path)
    assert list(said(records)) == ["cat/1.jpg", "cat/2.jpg", "kitten/1.jpg", "kitten/2.jpg"]
    back, own = "loop: a link to a folder that contains it", "loop: a link that leads to itself"
    assert skipped(records) == {
        f"{folder}/{name}": why
        for folder in ("cat", "kitten")
        for name, why in (("itself", own), ("loop/", back))
    }


def test_the_stat_that_comes_along_is_that_of_the_file(tmp_path):
    put(tmp_path, "cat/1.jpg")
    (record,) = read(tmp_path)
    assert record.stat.st_mtime_ns == Path(record.file).stat().st_mtime_ns


def test_names_that_are_no_utf8_can_be_stored(tmp_path):
    put(tmp_path, "cat/größe.jpg")
    (tmp_path / "photos/cat").joinpath(os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    records = read(tmp_path)
    assert records[0].path.encode("utf-8") == rb"cat/caf\udce9.jpg"
    assert Path(records[0].file).exists()


def test_what_is_wrong_with_the_source(tmp_path):
    with pytest.raises(SourceError, match=r"source 'photos': .* is not there"):
        read(tmp_path)
    (tmp_path / "photos").write_bytes(b"x")
    with pytest.raises(SourceError, match="is not a folder"):
        read(tmp_path)
    with pytest.raises(ParamsError, match="has no path"):
        read(tmp_path, path=None)
