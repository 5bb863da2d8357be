from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from assay.annotators import file as people
from assay.data import ledger, text
from assay.data.annotations import Annotation
from assay.data.edits import Judgement, read_batch, read_batches, write_batch
from assay.data.labelfile import csv_records
from assay.errors import EditError, ParamsError, RevisionError
from assay.experiments import factorial
from assay.lineage.staleness import stage_states
from assay.params import load_params

LINE_ENDS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
"""What `str.splitlines` takes for line ends, and JSONL does not."""
TEXT = "# größer\n# and more\n"


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    note = [Annotation(category=LINE_ENDS)]
    said = Judgement(id="0" * 64, op="label", annotations=note, by=LINE_ENDS, at="now", why=LINE_ENDS)
    return write_batch(tmp_path / "edits", "people", [said, said])


def test_a_batch_comes_back_with_any_character_that_was_written(batch):
    one, _ = read_batch(batch)
    assert (one.by, one.why, one.annotations[0].category) == (LINE_ENDS,) * 3
    assert factorial._judged(batch) == ["0" * 64] * 2


def test_the_ledger_comes_back_as_well(tmp_path):
    asked = ledger.SentImage(id="1" * 64, reason=LINE_ENDS, path=LINE_ENDS)
    sent = ledger.write(tmp_path, "file", [asked, asked], "now")
    assert ledger.read(tmp_path) == [sent]


def test_and_so_do_the_files_of_annotators(tmp_path):
    file = tmp_path / "batch.jsonl"
    file.write_text(f"{json.dumps({'id': 'x', 'why': LINE_ENDS}, ensure_ascii=False)}\n\n{{}}\n", "utf-8")
    assert list(people._jsonl(file)) == [(1, {"id": "x", "why": LINE_ENDS}), (3, {})]


READERS = {
    "params.yaml": (lambda file: load_params(file), ParamsError),
    "dvc.yaml": (lambda file: stage_states(file.parent), RevisionError),
    "0001-people.jsonl": (read_batch, EditError),
    "0001-file-0a1b2c3d.jsonl": (lambda file: ledger.read(file.parent), EditError),
    "labels.csv": (csv_records, EditError),
    "answers.jsonl": (lambda file: list(people._jsonl(file)), EditError),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_whoever_reads_what_people_write_says_where_it_is_not_utf8(tmp_path, name, encoding):
    read, failure = READERS[name]
    (tmp_path / name).write_bytes(TEXT.encode(encoding))
    with pytest.raises(
        failure, match=rf"{name}, line 1(: not UTF-8: byte 5|, byte 1: not UTF-8 but)"
    ) as caught:
        read(tmp_path / name)
    assert "iconv -f" in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in READERS if not name.startswith("0001-file")])
def test_a_folder_in_its_place_is_said(tmp_path, name):
    read, failure = READERS[name]
    (tmp_path / name).mkdir()
    with pytest.raises(failure, match=f"{name} is a folder"):
        read(tmp_path / name)


def test_line_and_byte_are_counted_from_one_and_lines_as_editors_do(tmp_path):
    with pytest.raises(EditError, match="t, line 4: not UTF-8: byte 3 of the line is 0xFC"):
        text.decode("a\rb\r\nc\n..ü".encode("latin-1"), Path("t"), EditError)


def test_a_byte_order_mark_is_none_of_the_text():
    assert text.decode(b"\xef\xbb\xbfa\n", Path("t"), EditError) == "a\n"


def test_a_nul_byte_is_refused_where_it_is():
    with pytest.raises(EditError, match="line 2: holds a NUL byte"):
        text.decode(b"some text\nand\0more of it\n", Path("t"), EditError)


def test_lines_of_a_csv_are_those_of_the_file():
    rows = list(text.csv_rows('a,b\r"1\r2",3\r\r4,5', ","))
    assert [(lines.start, cells) for lines, cells in rows] == [
        (1, ["a", "b"]), (2, ["1\r2", "3"]), (4, []), (5, ["4", "5"])]  # fmt: skip


@pytest.mark.parametrize(
    "yaml", ["- 1", "7", "seed: 2001-99-01", "[" * 5000, "{[]: 1}", "seed: 1" + "0" * 5000]
)
def test_what_is_no_mapping_of_yaml_is_one_error(tmp_path, yaml):
    (tmp_path / "params.yaml").write_text(yaml)
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("place", ["a file", "a folder that may not be read", "a batch that is a folder"])
def test_judgements_that_cannot_be_read_are_not_taken_for_none(tmp_path, batch, place):
    edits = batch.parent
    if place == "a file":
        batch.unlink()
        edits.rmdir()
        edits.touch()
    elif place == "a batch that is a folder":
        (edits / "0002-more.jsonl").mkdir()
    else:
        edits.chmod(0)
        if os.access(edits, os.R_OK):
            pytest.skip("root may read everything")
    try:
        with pytest.raises(EditError, match=f"{edits}.*(cannot be listed|is a folder)"):
            read_batches(edits)
    finally:
        edits.chmod(0o700)


def test_where_nobody_has_judged_yet_there_is_nothing(tmp_path):
    assert read_batches(tmp_path / "edits") == []
    assert ledger.read(tmp_path / "ledger") == []
