from __future__ import annotations

import json
from pathlib import Path

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


VOC = "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"
TASK = {"data": {"image": "/data/upload/1/0a1b2c3d-1.png"}, "annotations": [{"id": 1, "result": []}]}
SHAPES = {"imagePath": "1.png", "shapes": []}
LINE = "0 0.5 0.5 0.2 0.4\n"
LAYOUTS = {
    "yolo of Roboflow": (
        {"data.yaml": "train: ../train/images\nval: ../valid/images\nnames: ['cat']\n", "train/images/1.png": "",
         "train/labels/1.txt": LINE, "README.roboflow.txt": ""}, ".", "yolo", 1, "train"),
    "yolo of CVAT": (
        {"obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n", "obj.names": "cat\n",
         "train.txt": "data/obj_train_data/1.png\n", "obj_train_data/1.png": "", "obj_train_data/1.txt": LINE},
        ".", "yolo", 1, None),
    "ultralytics of CVAT": (
        {"data.yaml": "names:\n  0: cat\npath: .\ntrain: train.txt\n", "train.txt": "data/images/train/1.png\n",
         "images/train/1.png": "", "labels/train/1.txt": LINE}, ".", "yolo", 1, "train"),
    "yolo of Label Studio": (
        {"classes.txt": "cat\n", "notes.json": "{}", "images/1.png": "", "labels/1.txt": LINE}, ".", "yolo", 1, None),
    "LabelImg": ({"classes.txt": "cat\n\n", "1.png": "", "1.txt": LINE}, ".", "yolo", 1, None),
    "unpacked twice": (
        {"a/b (1)/data.yaml": "train: images\nnames: [cat]\n", "a/b (1)/images/1.png": "",
         "a/b (1)/labels/1.txt": LINE, "__MACOSX/a/._1.png": ""}, "a/b (1)", "yolo", 1, "train"),
    "voc of Roboflow": ({"valid/1.png": "", "valid/1.xml": f"{VOC}</object></annotation>"}, ".", "voc", 1, "val"),
    "Label Studio": ({"p-1.json": json.dumps([TASK]), "images/0a1b2c3d-1.png": ""}, ".", "label_studio", 0, None),
    "LabelMe": ({"1.png": "", "1.json": json.dumps({"imageData": "A" * 9000} | SHAPES)}, ".", "labelme", 0, None),
    "folders, wrapped": ({"x/y/cat/1.png": ""}, "x/y", "imagefolder", 0, None),
    "folders of one split": ({"train/cat/1.png": ""}, ".", "imagefolder", 0, "train"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_folders_are_recognised_as_tools_export_them(layout, name):
    files, inner, form, objects, split = LAYOUTS[name]
    for path, text in files.items():
        file = layout.root / "export" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("1.png") and "._" not in path:
            Image.new("L", (20, 10), 3).save(file)
        else:
            file.write_text(text)
    result = importing.run(params(layout), layout, str(layout.root / "export"))
    assert (result["source"]["format"], result["source"]["path"]) == (form, str(Path("export") / inner))
    assert (result["found"]["images"], result["found"]["labelled"]) == (1, 1)
    assert (result["objects"].get("taken", 0), list(result["found"]["splits"])) == (
        objects,
        [split] if split else [],
    )


@pytest.mark.parametrize(
    ("files", "origin", "why", "hint"),
    [
        ({"a.zip": "PK"}, "a.zip", "is an archive", "unpack it"),
        ({"images.tar.gz": ""}, "images.tar.gz", "is an archive", "unpack it"),
        ({"x/readme.txt": ""}, "x", "no image in it: nothing to read", "--format"),
        (
            {"x/a.parquet": "PAR1", "x/1.png": "x"},
            "x",
            "2 files that are no image: nothing to read",
            "--format",
        ),
        (
            {"x/labels.csv": "", "x/a.tar.gz": "x"},
            "x",
            r"1 files that are no image.*labels.csv is not read",
            "unpack a.tar.gz",
        ),
        ({"x/data.yaml": "train: l.txt\nnames: [a]\n", "x/l.txt": "1.png\n"}, "x", "1 missing", "--format"),
        ({"a.json": '{"a": 1}'}, "a.json", "not recognised", "set --format"),
        (
            {"a.json": '[{"image": "1.png", "annotator": 1}]'},
            "a.json",
            "no tasks of Label Studio",
            "not JSON-MIN",
        ),
    ],
)
def test_what_is_nothing_to_import_says_what_to_do_and_adds_nothing(layout, files, origin, why, hint):
    for path, text in files.items():
        (layout.root / path).parent.mkdir(exist_ok=True)
        (layout.root / path).write_text(text)
    with pytest.raises((UsageError, SourceError), match=why) as caught:
        importing.run(params(layout), layout, str(layout.root / origin))
    assert hint in caught.value.hint
    assert layout.params.read_text() == PARAMS


def test_labels_that_are_not_read_are_named(layout):
    (layout.root / "raw/instances.json").rename(layout.root / "raw/labels.csv")
    how = importing.run(params(layout), layout, str(layout.root / "raw"), dry_run=True)["how"]
    assert how == "no labels of another format in it; labels.csv is not read"
