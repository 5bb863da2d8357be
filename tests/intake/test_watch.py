from __future__ import annotations

import os
from pathlib import Path

import pytest

from assay.intake import watch


@pytest.fixture
def folder(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/c/3.png"):
        file = tmp_path / "raw" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    (tmp_path / "raw" / "labels.json").write_text("{}")
    (tmp_path / "raw" / "b" / "back").symlink_to(tmp_path / "raw", target_is_directory=True)
    return tmp_path / "raw"


@pytest.fixture
def memory(folder, tmp_path):
    files = [watch.noted(str(file)) for file in folder.rglob("*.png")]
    watch.remember(tmp_path / "memory", "key", {"samples": 3}, [*watch.surroundings(folder), *files])
    return tmp_path / "memory"


def test_what_has_not_moved_is_recalled(memory):
    assert watch.recall(memory, "key") == {"samples": 3}


def test_another_key_or_no_memory_is_no_recall(memory, tmp_path):
    assert watch.recall(memory, "another key") is None
    assert watch.recall(tmp_path / "nothing", "key") is None
    memory.write_bytes(b"half a l")
    assert watch.recall(memory, "key") is None


@pytest.mark.parametrize(
    "move",
    [
        lambda raw: (raw / "a" / "new.png").write_bytes(b"new"),
        lambda raw: (raw / "b" / "c" / "3.png").unlink(),
        lambda raw: (raw / "a" / "1.png").rename(raw / "b" / "1.png"),
        lambda raw: (raw / "a" / "1.png").write_bytes(b"longer than before"),
        lambda raw: os.utime(raw / "a" / "1.png", ns=(0, 1)),
        lambda raw: (raw / "b" / "empty").mkdir(),
        lambda raw: (raw / "labels.json").write_text('{"a/1.png": "cat"}'),
    ],
    ids=["new", "gone", "moved", "grown", "touched", "folder", "labels"],
)
def test_whatever_moves_is_noticed(memory, folder, move):
    move(folder)
    assert watch.recall(memory, "key") is None


def test_a_folder_that_holds_itself_is_walked_once(folder):
    names = [note.split(" ", 1)[1] for note in watch.surroundings(folder)]
    assert sorted(Path(name).name for name in names) == ["a", "b", "back", "c", "labels.json", "raw"]


def test_a_file_watches_itself(folder):
    file = folder / "a" / "1.png"
    assert list(watch.surroundings(file)) == [watch.noted(str(file))]


def test_names_that_are_no_text_are_kept(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    try:
        with open(name, "wb"):
            pass
    except OSError:
        pytest.skip("this file system takes only text")
    watch.remember(tmp_path / "memory", "key", {}, [watch.noted(name)])
    assert watch.recall(tmp_path / "memory", "key") == {}
