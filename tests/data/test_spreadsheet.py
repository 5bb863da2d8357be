from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.data.labelfile import csv_records, to_fill_in
from assay.data.spreadsheet import FORMULA, as_number, header_hint, path_hint, quoted, unquoted

FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "'=1", "''=1", "' =1"]
PLAIN = ["cat", "'tis", "a=b", "3", "", "''", "Köln"]


@given(st.text() | st.from_regex(FORMULA))
@example("'=1")
def test_whatever_goes_out_comes_back(text):
    assert unquoted(str(quoted(text))) == text


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_would_run_nothing_of_what_goes_out(text):
    assert str(quoted(text)).startswith("'")


@pytest.mark.parametrize("cell", [*PLAIN, -1, -0.5, None, 3])
def test_what_is_no_formula_is_left_alone(cell):
    assert quoted(cell) == cell


def test_what_a_person_writes_is_read_as_it_stands():
    assert [unquoted(text) for text in [*PLAIN, "=1", "-1"]] == [*PLAIN, "=1", "-1"]


def test_a_file_of_labels_goes_out_safe_and_comes_back_whole(tmp_path):
    rows = [
        {"id": str(n), "label": label, "confidence": -0.5} for n, label in enumerate(FORMULAS[:4] + PLAIN[:4])
    ]
    text = to_fill_in(rows, ("id", "label", "confidence"))
    cells = [row["label"] for row in csv.DictReader(io.StringIO(text))]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    (tmp_path / "labels.csv").write_text(text, "utf-8")
    _, records = csv_records(tmp_path / "labels.csv")
    assert [record["label"] for _, record in records] == [row["label"] for row in rows]
    assert {record["confidence"] for _, record in records} == {"-0.5"}


@pytest.mark.parametrize(
    ("names", "delimiter", "words"),
    [
        (["sep=", ""], ",", "delete the line"),
        (["path;label"], ",", "delimiter: ';'"),
        (["path\tlabel"], ",", 'delimiter: "\\t"'),
        (["path,label"], ";", "delimiter: ','"),
        (["Path", "LABEL", "x"], ",", "set label: LABEL, path: Path"),
    ],
)
def test_a_header_without_its_columns_says_why(names, delimiter, words):
    assert words in header_hint(names, {"path", "label"}, delimiter)


def test_or_nothing_where_that_cannot_be_told():
    assert header_hint(["file", "class"], {"path", "label"}) is None
    assert header_hint([], {"path", "label"}) is None


def test_a_path_that_leads_nowhere_says_why():
    assert "address" in path_hint("https://example.org/1.jpg")
    assert "address" in path_hint("s3://bucket/1.jpg")
    assert "backslashes" in path_hint(r"C:\images\1.jpg")
    assert path_hint("images/1.jpg") == ""


def test_numbers_as_spreadsheets_read_them():
    assert {as_number(text) for text in ("3", "3.0", "03", "3e0", "+3.", "3.00")} == {3.0}
    assert [as_number(text) for text in ("", "a3", "3a", "1e999", "nan", "0x3", "1_0")] == [None] * 7
