"""The page about files says what the stages write: each file, each column, each key."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from docs.generate.outputs import STAGES, Parquet, Text

FILES = [file for files in STAGES.values() for file in files]
TRANSIENT = ("data/embedder.json", "data/champion/champion.json")
"""Written beside the stages' outputs, and for assay itself."""


def pattern(path: str) -> str:
    return path.replace("NNNNN", "[0-9]" * 5)


@pytest.mark.parametrize("file", [f for f in FILES if isinstance(f, Parquet)], ids=lambda f: f.path)
def test_a_table_has_the_columns_that_the_page_names(done, file):
    found = sorted(done.root.glob(pattern(file.path)))
    assert found
    for one in found:
        written = pq.read_schema(one)
        assert [(f.name, f.type) for f in written] == [(f.name, _stored(f.type)) for f in file.schema]


def _stored(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind.value_type)) if pa.types.is_list(kind) else kind


@pytest.mark.parametrize("file", [f for f in FILES if isinstance(f, Text)], ids=lambda f: f.path)
def test_a_file_has_the_keys_that_the_page_names(done, file):
    named = {key for key in file.keys if not key.startswith("<")}
    path = done.root / file.path
    if path.suffix == ".csv":
        with path.open() as stream:
            assert set(next(csv.reader(stream))) == named
    elif named:
        assert set(json.loads(path.read_text())) == named


def test_no_file_is_without_a_description(done):
    written = {
        file.relative_to(done.root)
        for folder in ("data", "outputs")
        for file in (done.root / folder).rglob("*")
        if file.suffix in (".parquet", ".json", ".csv")
    }
    named = [Path(pattern(file.path)) for file in FILES]
    assert {str(file) for file in written if not any(file.match(str(one)) for one in named)} <= set(TRANSIENT)
