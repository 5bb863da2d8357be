"""A source is written by others: no name in it leads to an image outside of its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from assay import plugins
from assay.errors import SourceError
from assay.params import Source


def coco(name: str) -> dict[str, str]:
    rows = [{"id": n, "file_name": one} for n, one in enumerate(("1.png", name))]
    return {"a.json": json.dumps({"images": rows, "annotations": [], "categories": []})}


def coco_beside(name: str) -> dict[str, str]:
    """Without an image of its own in the first names: then the folder above is tried."""
    rows = [{"id": 1, "file_name": name}]
    return {"a.json": json.dumps({"images": rows, "annotations": [], "categories": []})}


def voc(name: str) -> dict[str, str]:
    text = f"<annotation><filename>{name}</filename></annotation>"
    return {"1.xml": "<annotation/>", "Annotations/0.xml": text}


def cvat(name: str) -> dict[str, str]:
    return {"a.xml": f'<annotations><image name="1.png"/><image name="{name}"/></annotations>'}


def cvat_subset(name: str) -> dict[str, str]:
    *above, last = name.split("/")
    return {"a.xml": f'<annotations><image name="{last}" subset="{"/".join(above)}"/></annotations>'}


def label_studio(name: str) -> dict[str, str]:
    return {"a.json": json.dumps([{"data": {"image": one}} for one in ("1.png", name)])}


def labelme(name: str) -> dict[str, str]:
    return {"1.json": '{"imagePath": "1.png", "shapes": []}',
            "0.json": json.dumps({"imagePath": name, "shapes": []})}  # fmt: skip


def createml(name: str) -> dict[str, str]:
    return {"annotations.json": json.dumps([{"image": one, "annotations": []} for one in ("1.png", name)])}


def yolo(name: str) -> dict[str, str]:
    return {"data.yaml": "train: list.txt\nnames: [a]\n", "list.txt": f"1.png\n{name}\n"}


def yolo_folder(name: str) -> dict[str, str]:
    folder = name.rpartition("/")[0] or name
    return {"data.yaml": f"train: list.txt\nval: '{folder}'\nnames: [a]\n", "list.txt": "1.png\n"}


def yolo_home(name: str) -> dict[str, str]:
    folder, _, last = name.rpartition("/")
    return {"data.yaml": f"path: '{folder}'\ntrain: list.txt\nnames: [a]\n", "list.txt": f"1.png\n{last}\n"}


def csv(name: str) -> dict[str, str]:
    return {"a.csv": f"path,label\n1.png,a\n{name},a\n"}


WAYS = [
    coco,
    coco_beside,
    voc,
    cvat,
    cvat_subset,
    label_studio,
    labelme,
    createml,
    yolo,
    yolo_folder,
    yolo_home,
    csv,
]
NAMES = {
    "above": "../secret/2.png",
    "through a folder": "x/../../secret/2.png",
    "absolute": "{root}/secret/2.png",
    "escaped": "..%2Fsecret%2F2.png",
    "twice escaped": "%2e%2e/secret/2.png",
    "backslashes": r"..\secret\2.png",
    "beside": "secret/2.png",
    "address": "file://{root}/secret/2.png",
}
REFUSED = {csv: set(NAMES), yolo_folder: {"above", "through a folder", "absolute"}}
"""Ways in which the whole source is refused; of others, the image is."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("made", WAYS, ids=lambda made: made.__name__)
def test_no_name_leads_out_of_the_folder_of_the_source(tmp_path: Path, monkeypatch, made, name):
    for folder in ("secret", "inside", "inside/x"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    Image.new("L", (4, 4), 1).save(tmp_path / "inside/1.png")
    Image.new("L", (4, 4), 2).save(tmp_path / "secret/2.png")
    for file, text in made(NAMES[name].format(root=tmp_path)).items():
        (tmp_path / "inside" / file).parent.mkdir(exist_ok=True)
        (tmp_path / "inside" / file).write_text(text)
    form = made.__name__.partition("_")[0] if made is not label_studio else "label_studio"
    path = {csv: "a.csv", cvat: "a.xml", coco: "a.json"}.get(made, ".")
    source = Source(name="s", format=form, path=path, options={"files": ["*.json"]} if form == "coco" else {})
    if made in REFUSED and name in REFUSED[made]:
        with pytest.raises(SourceError, match=r"outside of|is not in|no image in"):
            list(plugins.load("formats", form).read(source, Path()))
        return
    records = list(plugins.load("formats", form).read(source, Path()))
    read = [record.file for record in records if record.skip is None]
    assert {Path(file).name for file in read} <= {"1.png"}


def test_an_image_that_is_there_but_outside_is_told_from_one_that_is_not(tmp_path: Path):
    (tmp_path / "in").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "2.png")
    (tmp_path / "in/annotations.json").write_text(
        json.dumps([{"image": name, "annotations": []} for name in ("../2.png", "../3.png")])
    )
    source = Source(name="s", format="createml", path="in")
    told = [
        record.skip.partition(":")[0] for record in plugins.load("formats", "createml").read(source, tmp_path)
    ]
    assert told == ["outside of the source's folder", "missing"]


def test_links_in_the_folder_and_folders_of_options_are_followed(tmp_path: Path):
    """They are made by whoever lays out the folder, and writes params.yaml."""
    for folder in ("in", "store"):
        (tmp_path / folder).mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "store/1.png")
    (tmp_path / "in/data.yaml").write_text("path: /elsewhere\ntrain: list.txt\nnames: [a]\n")
    (tmp_path / "in/list.txt").write_text("1.png\n")
    source = Source(name="s", format="yolo", path="in")
    yolo = plugins.load("formats", "yolo")
    assert [record.skip for record in yolo.read(source, tmp_path)] == ["missing: named in a list of images"]
    by_option = source.model_copy(update={"options": {"images": "store"}})
    assert [record.skip for record in yolo.read(by_option, tmp_path)] == [None]
    (tmp_path / "in/1.png").symlink_to(tmp_path / "store/1.png")
    assert [record.skip for record in yolo.read(source, tmp_path)] == [None]
