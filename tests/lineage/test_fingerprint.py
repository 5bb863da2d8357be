"""What a run follows from, and what is said to have changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from assay.data.files import write_json, write_table
from assay.errors import MissingInput
from assay.layout import Layout
from assay.lineage import fingerprint as module
from assay.lineage.digests import canonical_digest, code_digest
from assay.lineage.fingerprint import Fingerprint, changed, table_digest
from assay.params import Params, parse_params
from assay.plugins import Sources

ONE = Fingerprint(selection="s", ruler="r", params="p", code="c")


@pytest.mark.parametrize(
    ("differs", "word"),
    [
        ({}, "nothing"),
        ({"selection": "x"}, "data"),
        ({"ruler": "x"}, "data"),
        ({"selection": "x", "ruler": "x"}, "data"),
        ({"params": "x"}, "model"),
        ({"code": "x"}, "code"),
        ({"code": "x", "params": "x"}, "several"),
        ({"code": "x", "ruler": "x"}, "several"),
    ],
)
def test_changed_names_the_one_thing_that_differs(differs: dict[str, str], word: str) -> None:
    assert changed(ONE, replace(ONE, **differs)) == word


def test_the_first_run_has_nothing_before_it() -> None:
    assert changed(None, ONE) == "first"


def test_each_part_is_in_the_digest() -> None:
    others = {replace(ONE, **{part: "x"}).digest for part in ONE.parts}
    assert len(others | {ONE.digest}) == 5
    assert len(ONE.digest) == 64


def test_a_table_is_its_rows_whatever_their_order() -> None:
    table = pa.table({"id": ["a", "b"], "label": ["1", "2"]})
    turned = table.take([1, 0]).select(["label", "id"])
    assert table_digest(table) == table_digest(turned)
    assert table_digest(table) != table_digest(pa.table({"id": ["a", "b"], "label": ["2", "1"]}))


def test_the_digest_of_code_is_over_names_and_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("x = 1")
    two.write_text("x = 1")
    before = code_digest({one}, Sources(tmp_path))
    assert before != code_digest({two}, Sources(tmp_path))
    one.write_text("x = 2")
    assert before != code_digest({one}, Sources(tmp_path))


def test_canonical_json_is_sorted() -> None:
    assert canonical_digest({"a": 1, "b": "é"}) == canonical_digest({"b": "é", "a": 1})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A workspace in which `select` has just run."""
    layout = Layout(tmp_path)
    write_json(layout.selection / "selection.json", {"digest": "d" * 64})
    write_table(layout.snapshot / "ruler.parquet", pa.table({"id": ["a"], "label": ["odd"]}))
    return layout


@pytest.fixture
def params() -> Params:
    return parse_params({"ingest": {"sources": [{"name": "digits", "format": "imagefolder"}]}})


def test_without_a_selection_there_is_no_fingerprint(params: Params, layout: Layout) -> None:
    (layout.selection / "selection.json").unlink()
    with pytest.raises(MissingInput, match=r"selection\.json"):
        module.fingerprint(params, layout)


def test_another_ruler_is_another_run(params: Params, layout: Layout) -> None:
    before = module.fingerprint(params, layout)
    write_table(layout.snapshot / "ruler.parquet", pa.table({"id": ["a"], "label": ["even"]}))
    assert changed(before, module.fingerprint(params, layout)) == "data"


def test_params_of_other_stages_are_no_part_of_it(params: Params, layout: Layout) -> None:
    before = module.fingerprint(params, layout)
    wider = params.model_copy(update={"select": params.select.model_copy(update={"budget": 7})})
    slower = params.model_copy(update={"train": params.train.model_copy(update={"lr": 0.5})})
    assert module.fingerprint(wider, layout) == before
    assert changed(before, module.fingerprint(slower, layout)) == "model"
