"""Label files that are traps, or come from another editor: each is read or refused in one line, at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay import plugins
from assay.errors import SourceError
from assay.formats._xml import parsed
from assay.params import Source
from benchmarks import fuzzed_sources as sources

FORMATS = sorted(sources.WITH_LABELS)


def damaged(folder: Path, name: str, change) -> Source:
    """A source of a format whose label files are changed."""
    about, files = sources.written()[name]
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data if path.endswith(sources.IMAGES) else change(path, data))
    return Source(name="s", **about)


def read(folder: Path, source: Source):
    """{path: annotations}, or the refusal."""
    try:
        records = list(plugins.load("formats", source.format).read(source, folder))
    except SourceError as error:
        return str(error)
    return {record.path: record.annotations for record in records if record.skip is None}


def _is_marked(path: str) -> bool:
    """Whether a file says by its first bytes that it is UTF-16."""
    return path.endswith((".json", ".xml"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("number", range(max(map(len, sources.HOSTILE.values()))))
def test_a_trap_is_read_or_refused_at_once(tmp_path, name, number):
    def change(path: str, data: bytes) -> bytes:
        ways = sources.HOSTILE.get(Path(path).suffix, ())
        return ways[number](data) if number < len(ways) else data

    found = read(tmp_path, damaged(tmp_path, name, change))
    assert isinstance(found, dict) or "\n" not in found


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "change",
    [
        lambda path, data: b"\xef\xbb\xbf" + data,
        lambda path, data: data.replace(b"\n", b"\r\n"),
        lambda path, data: sources._bare(data).decode().encode("utf-16") if _is_marked(path) else data,
    ],
    ids=["mark", "crlf", "utf-16"],
)
def test_files_of_windows_are_read_as_others(tmp_path, name, change):
    found = read(tmp_path / "1", damaged(tmp_path / "1", name, change))
    assert found == read(tmp_path / "2", damaged(tmp_path / "2", name, lambda path, data: data))


@pytest.mark.parametrize("text", ["é", "cat\0"])
@pytest.mark.parametrize("name", ["yolo", "csv"])
def test_other_encodings_of_text_files_are_refused_with_file_and_line(tmp_path, name, text):
    found = read(tmp_path, damaged(tmp_path, name, lambda path, data: data + text.encode("utf-16") + b"\n"))
    assert "line" in found


def test_entities_are_refused_before_they_are_expanded_or_read(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    for doctype in (f'<!ENTITY e SYSTEM "{secret}">', '<!ENTITY e "x">', f'<! ENTITY % e SYSTEM "{secret}">'):
        with pytest.raises(ValueError, match=r"entities|syntax|token"):
            parsed(f"<?xml version='1.0'?><!DOCTYPE a [{doctype}]><a>&e;</a>".encode())
    assert parsed(b"<!DOCTYPE a><a/>").tag == "a"


@pytest.mark.parametrize("name", ["cvat", "voc"])
def test_entities_in_another_encoding_are_bounded_by_expat(tmp_path, name):
    def laughs(path: str, data: bytes) -> bytes:
        return sources._laughs(data).decode().encode("utf-16") if path.endswith(".xml") else data

    found = read(tmp_path, damaged(tmp_path, name, laughs))
    assert isinstance(found, str) or not any(found.values())


@pytest.mark.parametrize("name", ["coco", "createml", "label_studio"])
def test_a_key_twice_in_an_object_is_refused_as_it_can_mean_two_things(tmp_path, name):
    def twice(path: str, data: bytes) -> bytes:
        return data.replace(b'"id"', b'"id": 0, "id"').replace(b'"label"', b'"label": "x", "label"')

    found = read(tmp_path, damaged(tmp_path, name, lambda p, d: twice(p, d) if p.endswith(".json") else d))
    assert "has the key" in found


def test_numbers_that_json_does_not_have(tmp_path):
    (tmp_path / "s").mkdir()
    for value in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 400):

        def change(path: str, data: bytes, value: str = value) -> bytes:
            held = json.loads(data)
            held["annotations"][0]["bbox"] = ["here", 2, 3, 4]
            return json.dumps(held).replace('"here"', value).encode()

        source = damaged(tmp_path, "coco", lambda p, d: change(p, d) if p.endswith("train.json") else d)
        records = list(plugins.load("formats", "coco").read(source, tmp_path))
        assert [issue.outcome for record in records for issue in record.issues] == ["refused"]


def test_a_yaml_of_lists_in_lists_costs_nothing(tmp_path):
    found = read(
        tmp_path, damaged(tmp_path, "yolo", lambda p, d: sources._yaml_laughs(d) if p == "data.yaml" else d)
    )
    assert "names: that of 0 is no text" in found

    def below_train(path: str, data: bytes) -> bytes:
        laughs = sources._yaml_laughs(data).replace(b"names: *l9", b"names: [cat]")
        return laughs if path == "data.yaml" else data

    assert "no image in train, val or test: a list, None, None" in read(
        tmp_path, damaged(tmp_path, "yolo", below_train)
    )


def test_suffixes_in_capitals_are_those_of_images(tmp_path):
    for name in FORMATS:
        about, files = sources.written()[name]
        for path, data in files.items():
            file = tmp_path / name / path.replace(".png", ".PNG")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data.replace(b".png", b".PNG") if not path.endswith(".png") else data)
        found = read(tmp_path / name, Source(name="s", **about))
        assert len(found) == 3, name
