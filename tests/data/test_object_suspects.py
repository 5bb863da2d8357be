from __future__ import annotations

import pyarrow as pa
import pytest

from assay.data import object_suspects
from assay.data.annotations import Annotation
from assay.data.edits import Judgement
from assay.data.files import write_table
from assay.layout import Layout

A, B = "a" * 64, "b" * 64


def row(sample, probability, **more):
    given = {
        "kind": "swapped",
        "given": "cat",
        "suggested": "dog",
        "box": [1.0, 2.0, 3.0, 4.0],
        "reason": "r",
    }
    boxes = {"suggested_box": [1.0, 2.0, 3.0, 4.0], "suggested_outlines": [], "also": None, "focus": None}
    return {"id": sample, "probability": probability} | given | boxes | more


def labelled(sample):
    held = [Annotation(category="cat", bbox=(1, 2, 3, 4))]
    return Judgement(id=sample, op="label", annotations=held, by="t", at="2026-01-01T00:00:00Z")


def test_rows_come_back_the_likeliest_first_without_faint_ones(tmp_path):
    rows = [row(A, 0.9), row(B, 0.2, box=None, given=None, kind="missed")]
    object_suspects.keep(Layout(tmp_path), "one", [row(B, 0.01), *rows[::-1]], ["val"])
    assert object_suspects.kept(Layout(tmp_path), "one") == object_suspects.kept(Layout(tmp_path)) == rows


def test_no_suspicion_is_not_no_audit(tmp_path):
    assert object_suspects.kept(Layout(tmp_path)) is None
    object_suspects.keep(Layout(tmp_path), "one", [], ["val"])
    assert object_suspects.unreviewed(Layout(tmp_path), [], "one") == {}


def test_a_table_of_another_snapshot_counts_as_missing(tmp_path):
    object_suspects.keep(Layout(tmp_path), "one", [row(A, 0.9)], ["val"])
    assert object_suspects.kept(Layout(tmp_path), "two") is None


@pytest.mark.parametrize("damage", ["empty", "half", "columns"])
def test_a_broken_table_counts_as_missing(tmp_path, damage):
    layout = Layout(tmp_path)
    object_suspects.keep(layout, "one", [row(A, 0.9)], ["val"])
    file = object_suspects.file(layout)
    match damage:
        case "columns":
            write_table(file, pa.table({"id": [A]}).replace_schema_metadata({object_suspects.DIGEST: "one"}))
        case _:
            file.write_bytes(b"" if damage == "empty" else file.read_bytes()[:-20])
    assert object_suspects.kept(layout) is None
    assert object_suspects.unreviewed(layout, [], "one") is None


def test_an_image_with_a_second_answer_is_reviewed(tmp_path):
    object_suspects.keep(Layout(tmp_path), "one", [row(A, 0.9), row(B, 0.8), row(A, 0.7)], ["val"])
    batches = [("1", [labelled(A), labelled(B)]), ("2", [labelled(B)])]
    found = object_suspects.unreviewed(Layout(tmp_path), batches)
    assert [(one, len(rows)) for one, rows in found.items()] == [(A, 2)]


def test_a_suggestion_is_a_correction():
    found = object_suspects.correction(row(A, 0.9))
    assert (found.category, found.new_category, found.box) == ("cat", "dog", (1, 2, 3, 4))
