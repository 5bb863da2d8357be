from __future__ import annotations

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from assay.data.annotations import Annotation
from assay.data.edits import Judgement, batch_files, read_batches, write_batch
from assay.errors import EditError


def label(sample: str = "a" * 64, category: str = "seven") -> Judgement:
    return Judgement(
        id=sample,
        op="label",
        annotations=[Annotation(category=category)],
        by="ann",
        at="2026-01-01T00:00:00Z",
    )


def test_batches_come_back_in_order_and_whole(tmp_path):
    first = write_batch(tmp_path, "Ann Lee", [label(), label("b" * 64)])
    second = write_batch(tmp_path, "bob", [label(category="eight")])
    assert [first.name, second.name] == ["0001-ann-lee.jsonl", "0002-bob.jsonl"]
    assert read_batches(tmp_path) == [
        ("0001-ann-lee", [label(), label("b" * 64)]),
        ("0002-bob", [label(category="eight")]),
    ]


def test_order_is_by_number_not_by_text(tmp_path):
    for name in ("9999-a.jsonl", "10000-a.jsonl", "0002-b.jsonl"):
        (tmp_path / name).touch()
    assert [f.name for f in batch_files(tmp_path)] == ["0002-b.jsonl", "9999-a.jsonl", "10000-a.jsonl"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "Invalid JSON"),
        ("<<<<<<< HEAD", "a conflict that git left"),
        ('{"id":"a","op":"paint","by":"x","at":"y"}', "op: Input should be"),
        ('{"id":"a","op":"label","by":"x","at":"y"}', "needs 'annotations'"),
        ('{"id":"a","op":"split","by":"x","at":"y"}', "needs 'split'"),
        ('{"id":"a","op":"exclude","by":"x","at":"y","color":1}', "color"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, complaint):
    write_batch(tmp_path, "x", [label()])
    with (tmp_path / "0001-x.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(EditError, match=r"0001-x\.jsonl, line 2") as error:
        read_batches(tmp_path)
    assert complaint in str(error.value)


def test_a_file_that_is_no_batch_is_refused_not_skipped(tmp_path):
    (tmp_path / "labels.jsonl").touch()
    with pytest.raises(EditError, match="not the name of an edit batch"):
        read_batches(tmp_path)


def test_an_empty_batch_is_not_written(tmp_path):
    with pytest.raises(EditError):
        write_batch(tmp_path, "x", [])
    assert not list(tmp_path.iterdir())


WRITER = """
import sys
from pathlib import Path
from assay.data.edits import Judgement, write_batch
for n in range(25):
    one = Judgement(id=f"{sys.argv[2]}-{n}", op="exclude", by="ann", at="2026-01-01T00:00:00Z")
    print(write_batch(Path(sys.argv[1]), "labels", [one]).name)
"""


def test_of_batches_written_at_the_same_moment_none_is_lost_and_no_number_is_given_twice(tmp_path):
    """Of 150 reported batches, written under one name by several processes, five had been lost."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(k)], stdout=subprocess.PIPE, text=True
        )
        for k in range(4)
    ]
    reported = [name for child in children for name in child.communicate()[0].split()]
    assert [child.returncode for child in children] == [0] * 4
    assert sorted(reported) == [f"{n:04d}-labels.jsonl" for n in range(1, 101)]
    written = [judgement.id for _, batch in read_batches(tmp_path) for judgement in batch]
    assert sorted(written) == sorted(f"{k}-{n}" for k in range(4) for n in range(25))
    assert len(list(tmp_path.iterdir())) == 100, "nothing else is left there"


def test_where_a_folder_cannot_be_locked_names_are_claimed_by_one_only(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EBADF, "no locks on this file system")

    monkeypatch.setattr("assay.data.files.fcntl.flock", refuse)
    names = [thread_map(lambda k: write_batch(tmp_path, "labels", [label(f"{k}")]).name) for _ in range(5)]
    assert len({name for some in names for name in some}) == 40
    assert len(read_batches(tmp_path)) == 40


def thread_map(write):
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(write, range(8)))
