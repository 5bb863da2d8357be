"""VOC → COCO → YOLO → CVAT → Label Studio → VOC: identical boxes at every step, and other libraries read them.

ASSAY_BCCD=DIR pytest tests/formats/test_chain.py    # also on real data: DIR has Annotations, ImageSets, JPEGImages
"""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from torchvision.datasets import CocoDetection, VOCDetection

from assay import plugins
from assay.data.records import Outgoing, Record
from assay.params import Source

STEPS = ("coco", "yolo", "cvat", "label_studio", "voc")
REAL = os.environ.get("ASSAY_BCCD")
Boxes = dict[bytes, tuple[str | None, list[tuple[str, tuple[float, ...]]]]]
"""Bytes of an image -> its split, and the class and box of each object, in order."""


def draw(folder: Path) -> Path:
    """As BCCD: counted from 1, boxes at all borders, one of a single pixel, some from 0; splits."""
    rng = np.random.default_rng(0)
    for n in range(6):
        name, w, h = f"BloodImage_0000{n}", 33 + n, 21
        boxes = [(1, 1, w, h), (w, h, w, h), (1, 5, 1, 9), *([(0, 0, 1, 1)] if n == 3 else [])]
        for _ in range(4):
            (x1, x2), (y1, y2) = (sorted(rng.integers(1, side, 2).tolist()) for side in (w, h))
            boxes.append((x1, y1, x2, y2))
        objects = "".join(
            f"<object><name>{('RBC', 'WBC', 'Platelets')[k % 3]}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
            f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            for k, (a, b, c, d) in enumerate(boxes)
        )
        files = {
            f"Annotations/{name}.xml": f"<annotation><filename>{name}</filename><size><width>{w}</width>"
            f"<height>{h}</height></size>{objects}</annotation>".encode(),
            f"JPEGImages/{name}.jpg": jpeg(w, h, n),
        }
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        split = folder / "ImageSets/Main" / f"{('train', 'val', 'test')[n % 3]}.txt"
        split.parent.mkdir(parents=True, exist_ok=True)
        with split.open("a") as stream:
            stream.write(f"{name}\n")
    return folder


def jpeg(width: int, height: int, value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (value, 40, 90)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(
    params=["small", pytest.param("bccd", marks=pytest.mark.skipif(not REAL, reason="no ASSAY_BCCD"))]
)
def chain(request, tmp_path) -> dict[str, tuple[Path, Boxes, Counter[str]]]:
    """{step: its folder, what was read from it, what it says to have lost}; the first is `source`."""
    start = Path(REAL or "") if request.param == "bccd" else draw(tmp_path / "start")
    records = read("voc", start, {})
    found = {"source": (start, boxes(records), Counter[str]())}
    for name in STEPS:
        folder = tmp_path / name
        folder.mkdir()
        written = plugins.load("formats", name).write(outgoing(records), classes(records), folder)
        records = read(name, folder, written.options)
        assert [issue for record in records for issue in record.issues] == []
        found[name] = folder, boxes(records), +written.lost
    return found


def read(name: str, folder: Path, options: dict[str, object]) -> list[Record]:
    source = Source(name="s", format=name, path=str(folder), options=options)
    return list(plugins.load("formats", name).read(source, folder))


def outgoing(records: list[Record]) -> list[Outgoing]:
    held = []
    for one in records:
        with Image.open(one.file) as image:
            size = image.size
        path = f"{Path(one.path).stem}.jpg"
        held.append(
            Outgoing(path, Path(one.file).read_bytes, *size, one.annotations or [], one.split or "train")
        )
    return held


def classes(records: list[Record]) -> list[str]:
    return sorted({note.category for record in records for note in record.annotations or ()})


def boxes(records: list[Record]) -> Boxes:
    return {
        Path(one.file).read_bytes(): (
            one.split or "train",
            [(note.category, tuple(round(v, 6) for v in note.box)) for note in one.annotations or ()],
        )
        for one in records
    }


@pytest.mark.filterwarnings("ignore:__array__")
def test_boxes_are_identical_through_five_formats_and_others_read_them(chain):
    _, first, _ = chain["source"]
    objects = sum(len(notes) for _, notes in first.values())
    assert objects > 40
    for name in STEPS:
        _, now, lost = chain[name]
        assert now == first, name
        assert not lost.keys() - {"attributes of objects"}, name
    wanted = Counter(note for _, notes in first.values() for note in notes)
    assert coco_reads(chain["coco"][0]) == wanted
    assert voc_reads(chain["voc"][0]) == Counter(
        n for s, notes in first.values() for n in notes if s != "test"
    )
    with contextlib.suppress(ImportError):  # not among the dependencies: it brings OpenCV
        import supervision

        assert supervision_reads(supervision, chain) == {"coco": wanted, "yolo": wanted, "voc": wanted}


def coco_reads(folder: Path) -> Counter[tuple[str, tuple[float, ...]]]:
    """By pycocotools, and by torchvision."""
    found, again = Counter[tuple[str, tuple[float, ...]]](), 0
    for file in sorted(folder.glob("annotations/*.json")):
        with contextlib.redirect_stdout(io.StringIO()):
            held = COCO(file)
            again += sum(len(t) for _, t in CocoDetection(folder / file.stem.partition("_")[2], file))
        names = {one["id"]: one["name"] for one in held.loadCats(held.getCatIds())}
        for one in held.loadAnns(held.getAnnIds()):
            found[names[one["category_id"]], tuple(round(v, 6) for v in one["bbox"])] += 1
    assert found.total() == again
    return found


def voc_reads(folder: Path) -> Counter[tuple[str, tuple[float, ...]]]:
    """By torchvision: train and val; VOC 2012 has no test set for it. It leaves counting from 1 to its users."""
    found = Counter[tuple[str, tuple[float, ...]]]()
    for split in ("train", "val"):
        for _, target in VOCDetection(folder, year="2012", image_set=split):
            for one in target["annotation"]["object"]:
                x1, y1, x2, y2 = (float(one["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax"))
                found[one["name"], (x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1)] += 1
    return found


def supervision_reads(supervision, chain) -> dict[str, Counter[tuple[str, tuple[float, ...]]]]:
    made, sets = supervision.DetectionDataset, {}
    coco, yolo, voc = (chain[name][0] for name in ("coco", "yolo", "voc"))
    splits = [file.stem.partition("_")[2] for file in sorted(coco.glob("annotations/*.json"))]
    sets["coco"] = [
        made.from_coco(str(coco / s), str(coco / f"annotations/instances_{s}.json")) for s in splits
    ]
    sets["yolo"] = [
        made.from_yolo(str(yolo / "images" / s), str(yolo / "labels" / s), str(yolo / "data.yaml"))
        for s in splits
    ]
    home = voc / "VOCdevkit/VOC2012"
    sets["voc"] = [made.from_pascal_voc(str(home / "JPEGImages"), str(home / "Annotations"))]
    found = {}
    for name, held in sets.items():
        count = found[name] = Counter()
        for one in held:
            for notes in one.annotations.values():
                for box, number in zip(notes.xyxy.tolist(), notes.class_id.tolist(), strict=True):
                    x1, y1, x2, y2 = box
                    count[one.classes[number], tuple(round(v, 3) for v in (x1, y1, x2 - x1, y2 - y1))] += 1
    return found
