from __future__ import annotations

import json

import pytest
import yaml
from PIL import Image
from rich.console import Console

from assay.commands import importing
from assay.errors import ParamsError, SourceError, UsageError
from assay.layout import Layout
from assay.params import Params, load_params, parse_params
from assay.params.insertion import with_source

PARAMS = """# my project
ingest:
  sources: # any number
    - name: first
      format: csv # the old one
      path: first.csv
    # more below
  shard_images: 100 # few
seed: 3
"""


@pytest.fixture
def layout(tmp_path) -> Layout:
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "raw").mkdir()
    for n in (1, 2):
        Image.new("L", (20, 10), n).save(tmp_path / f"raw/{n}.png")
    objects = [(1, [1, 2, 3, 4]), (1, [17, 2, 5, 4]), (1, [90, 2, 3, 4]), (9, [1, 2, 3, 4])]
    rows = [{"id": n, "image_id": i, "category_id": 1, "bbox": b} for n, (i, b) in enumerate(objects)]
    images = [{"id": n, "file_name": f"{n}.png"} for n in (1, 2, 3)]
    said = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "raw/instances.json").write_text(json.dumps(said))
    return Layout(tmp_path)


def params(layout: Layout) -> Params:
    return load_params(layout.params)


def test_a_source_is_added_and_all_else_stays(layout):
    result = importing.run(params(layout), layout, str(layout.root / "raw"))
    line = "    - {name: raw, format: coco, path: raw}\n"
    assert layout.params.read_text() == PARAMS.replace("first.csv\n", f"first.csv\n{line}")
    assert [source.name for source in params(layout).ingest.sources] == ["first", "raw"]
    assert (result["how"], result["found"]["images"]) == ("there is instances.json", 2)
    assert result["objects"] == {"taken": 1, "fixed": 1, "refused": 2, "read": 4}
    assert result["skipped"] == {"missing": 1, "no image": 1}


def test_what_was_found_is_printed_and_a_dry_run_writes_nothing(layout):
    result = importing.run(params(layout), layout, str(layout.root / "raw"), name="cells", dry_run=True)
    console = Console(record=True, width=200)
    importing.render(result, console)
    text = console.export_text()
    for part in (
        "raw: format coco, there is instances.json",
        "2 images (0 MB), 2 labelled, 2 objects of 1 class, 20 px, gray",
        "objects: 1 taken, 1 fixed, 2 refused",
        "instances.json, annotations[1] (id 1): reached beyond the image, clipped: fixed",
        "would add to ingest.sources of params.yaml: - {name: cells, format: coco, path: raw}",
    ):
        assert part in text
    assert layout.params.read_text() == PARAMS


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"origin": "nowhere"}, "nowhere is not there"),
        ({"origin": "raw/1.png"}, "not recognised"),
        ({"origin": "raw", "form": "cocoa"}, "there is no such format"),
        ({"origin": "raw", "name": "first"}, "there is a source 'first' already"),
        ({"origin": "raw", "name": "a b"}, "not a name"),
    ],
)
def test_what_cannot_be_added_is_refused(layout, monkeypatch, said, why):
    monkeypatch.chdir(layout.root)
    with pytest.raises(UsageError, match=why):
        importing.run(params(layout), layout, **said)
    assert layout.params.read_text() == PARAMS


def test_a_source_is_not_added_twice_nor_one_that_cannot_be_read(layout):
    importing.run(params(layout), layout, str(layout.root / "raw"))
    before = layout.params.read_text()
    with pytest.raises(UsageError, match="is the source 'raw' already"):
        importing.run(params(layout), layout, str(layout.root / "raw"), name="again")
    with pytest.raises(SourceError, match=r"no data\.yaml"):
        importing.run(params(layout), layout, str(layout.root / "raw"), form="yolo", name="again")
    assert layout.params.read_text() == before


def test_a_list_that_is_no_plain_one_is_left_alone(layout):
    text = PARAMS.replace("  sources: #", "  sources: &all #").replace(
        "seed: 3", "seed: 3\ntrack: {tags: *all}"
    )
    layout.params.write_text(text)
    loaded = parse_params(yaml.safe_load(PARAMS))
    with pytest.raises(UsageError, match="no plain list") as caught:
        importing.run(loaded, layout, str(layout.root / "raw"))
    assert "add to it: - {name: raw, format: coco" in caught.value.hint
    layout.params.write_text("a: [")
    with pytest.raises((UsageError, ParamsError)):
        importing.run(loaded, layout, str(layout.root / "raw"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ingest: {sources: [{name: a}]}\n", "ingest: {sources: [{name: a}, {name: b}]}\n"),
        ("ingest:\n  sources: [\n    {name: a},\n  ]\n", None),
        ("ingest:\n  sources:\n  - name: a", "ingest:\n  sources:\n  - name: a\n  - {name: b}\n"),
        (
            "ingest:\r\n  sources:\r\n  - name: a\r\n",
            "ingest:\r\n  sources:\r\n  - name: a\r\n  - {name: b}\r\n",
        ),
        (
            "ingest:\n  sources:\n    - name: a\n      options: {x: [1]} # why\n\n# end\n",
            "ingest:\n  sources:\n    - name: a\n      options: {x: [1]} # why\n    - {name: b}\n\n# end\n",
        ),
        ("ingest: {}\n", None),
        ("", None),
    ],
)
def test_an_item_goes_to_the_end_of_the_list(text, wanted):
    found = with_source(text, "{name: b}")
    if wanted is not None:
        assert found == wanted
    elif found is not None:
        assert yaml.safe_load(found)["ingest"]["sources"] == [{"name": "a"}, {"name": "b"}]
