"""What every format has to keep, whichever file it is in. A new one needs a source to read: add it to SOURCES."""

from itertools import pairwise

import numpy as np
import pytest

from assay import plugins
from assay.data.images.png import encode_png
from assay.data.records import Record
from assay.errors import ParamsError
from assay.params import Source

SOURCES = {
    "demo": {
        "options": {"images": 30, "exact_duplicates": 3, "near_duplicates": 4, "corrupt": 3, "blank": 2}
    },
    "imagefolder": {"path": "photos"},
    "csv": {"path": "photos.csv"},
}


@pytest.fixture(params=plugins.names("formats"))
def source(request, tmp_path):
    assert request.param in SOURCES, (
        f"add a source of format {request.param} to tests/formats/test_contract.py"
    )
    rng = np.random.default_rng(0)
    for name in ("b/2.png", "b-c/1.png", "a/1.png", "b.png"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(rng.integers(0, 255, (8, 8), dtype=np.uint8)))
    (tmp_path / "photos.csv").write_text(
        "path,label\nphotos/b/2.png,b\nphotos/b-c/1.png,\nphotos/a/1.png,a\n"
    )
    return Source.model_validate({"name": "some", "format": request.param} | SOURCES[request.param])


@pytest.fixture
def module(source):
    return plugins.load("formats", source.format)


def test_it_says_what_it_is(module):
    assert module.__doc__
    assert module.Options.model_config["extra"] == "forbid"


def test_records_are_sorted_and_each_has_a_path_of_its_own(module, source, tmp_path):
    records = list(module.read(source, tmp_path))
    assert records
    assert all(isinstance(record, Record) for record in records)
    assert all(before.path < after.path for before, after in pairwise(records))


def test_a_record_has_either_a_file_or_bytes(module, source, tmp_path):
    for record in module.read(source, tmp_path):
        assert (record.file is None) != (record.data is None)
        assert not record.path.startswith("/")


def test_reading_again_finds_the_same(module, source, tmp_path):
    assert list(module.read(source, tmp_path)) == list(module.read(source, tmp_path))


def test_a_misspelt_option_is_refused_with_its_source_and_name(module, source, tmp_path):
    wrong = source.model_copy(update={"options": {"imagez": 3}})
    with pytest.raises(
        ParamsError, match=r"source 'some'(.|\n)*options\.imagez: there is no such key"
    ) as caught:
        list(module.read(wrong, tmp_path))
    assert "valid options: " in caught.value.hint
