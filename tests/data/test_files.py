from __future__ import annotations

import json
import subprocess
import sys
import threading

import pyarrow as pa
import pytest

from assay.data.files import fresh_dir, read_json, read_table, recall, replacing, sweep, write_table
from assay.errors import DamagedFile, MissingInput

GARBAGE = {"empty": b"", "cut": b"PAR1{", "text": b"<html>404</html>", "zeros": bytes(4096)}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("data/pool/imports/00000.parquet", "dvc checkout --force data/pool`"),
        ("outputs/metrics.json", "dvc checkout --force outputs/metrics.json`"),
        ("data/champion/champion.json", "git checkout "),
        (".assay/ingest/s.parquet", "rm -r "),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, place, hint, content):
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    read = read_json if file.suffix == ".json" else read_table
    with pytest.raises(DamagedFile) as error:
        read(file)
    assert str(error.value).startswith(f"{file} is {'damaged: ' if content else 'empty'}")
    assert hint in str(error.value.hint)
    assert recall(lambda: read(file)) is None


def test_a_table_cut_anywhere_is_damaged(tmp_path):
    file = tmp_path / "data" / "snapshot" / "samples.parquet"
    write_table(file, pa.table({"id": [str(n) for n in range(1000)]}))
    whole = file.read_bytes()
    for size in range(0, len(whole), 97):
        file.write_bytes(whole[:size])
        with pytest.raises(DamagedFile):
            read_table(file)
    file.write_bytes(whole)
    with pytest.raises(DamagedFile, match="label"):
        read_table(file, ["label"])


def test_what_is_absent_is_not_damaged(tmp_path):
    with pytest.raises(MissingInput, match="is not there") as error:
        read_json(tmp_path / "a.json", made_by="curate")
    assert not isinstance(error.value, DamagedFile)


def test_two_that_write_one_file_do_not_write_into_each_other(tmp_path):
    file = tmp_path / "a.json"
    with replacing(file) as one, replacing(file) as two:
        assert one != two
        one.write_text("1")
        two.write_text("2")
    assert file.read_text() == "1", "the last that ended"
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_takes_no_name_that_is_taken_meanwhile(tmp_path):
    file = tmp_path / "0001-a.jsonl"
    file.write_text("theirs")
    with pytest.raises(FileExistsError), replacing(file, new=True) as aside:
        aside.write_text("ours")
    assert file.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_process_has_left_is_swept_what_a_living_one_writes_is_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, ours = tmp_path / f"a.json.{gone.pid}-0.tmp", tmp_path / "a.json.1-0.tmp"
    left.touch()
    (tmp_path / f"b.{gone.pid}-1.tmp").mkdir()
    ours.touch()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [ours]


def test_a_folder_replaced_by_many_at_once_is_always_one_of_theirs(tmp_path):
    failed = []

    def write(name):
        try:
            for n in range(20):
                with fresh_dir(tmp_path / "out") as folder:
                    (folder / "a.json").write_text(json.dumps({"by": name, "n": n}))
                    (folder / "b.json").write_text(json.dumps({"by": name, "n": n}))
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    out = tmp_path / "out"
    assert read_json(out / "a.json") == read_json(out / "b.json")
    assert list(tmp_path.iterdir()) == [out]
