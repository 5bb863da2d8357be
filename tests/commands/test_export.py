from __future__ import annotations

import json

import pyarrow as pa
import pytest
from rich.console import Console

from assay.commands import export
from assay.data.annotations import Annotation
from assay.data.edits import Judgement
from assay.data.fold import fold
from assay.data.pool import Pool, PoolWriter, content_id
from assay.errors import UsageError
from assay.layout import Layout
from assay.params import parse_params

PARAMS = parse_params({"ingest": {"sources": [{"name": "s", "format": "demo"}]}})
NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})


@pytest.fixture
def layout(tmp_path, make_pool, images) -> Layout:
    """The pool of tags, where image 3 has a box and a crowd, image 5 is excluded, and image 7 has 1's name but .jpg."""
    layout = Layout(tmp_path)
    make_pool(layout.pool)
    with PoolWriter(layout.pool, 8, 1 << 20) as writer:
        row = (content_id(images[7]), "s", "01.jpg", '[{"category":"odd"}]', None, None, None, "{}", False)
        writer.add_row("imports", (*row[:2], "07.png", *row[3:8], True))
        writer.add_row("imports", row)
    notes = [
        Annotation(category="odd", bbox=(0, 0, 4, 4)),
        Annotation(category="even", bbox=(1, 1, 2, 2), iscrowd=True),
    ]
    about = {"by": "t", "at": "2026"}
    edits = [
        Judgement(id=content_id(images[3]), op="label", annotations=notes, **about),
        Judgement(id=content_id(images[5]), op="exclude", **about),
    ]
    snapshot = fold(
        Pool.open(layout.pool), [("0001-t", edits)], NO_PAIRS, {"train": 1.0, "val": 0, "test": 0}, 0
    )
    layout.snapshot.mkdir(parents=True)
    snapshot.write(layout.snapshot)
    return layout


def test_labelled_images_go_out_with_what_is_lost_counted(layout, tmp_path, images):
    out = tmp_path / "out"
    result = export.run(PARAMS, layout, "coco", out)
    assert (result["images"], result["unlabelled"], result["objects"]) == (14, 5, 2)
    assert result["lost"] == {"tags": 13}
    held = json.loads((out / "annotations/instances_train.json").read_text())
    names = [image["file_name"] for image in held["images"]]
    assert len({name.rsplit(".", 1)[0] for name in names}) == 14
    assert (out / "train" / "03.png").read_bytes() == images[3]
    console = Console(record=True, width=200)
    export.render(result, console)
    assert "left out: 5 images without a label\ncoco cannot represent: 13 tags" in console.export_text()


def test_what_cannot_be_written_is_said_and_nothing_is(layout, tmp_path):
    with pytest.raises(
        UsageError,
        match="--format demo: valid: coco, createml, csv, cvat, imagefolder, label_studio, labelme, masks",
    ):
        export.run(PARAMS, layout, "demo", tmp_path / "out")
    with pytest.raises(UsageError, match="no labelled image"):
        export.run(PARAMS, layout, "coco", tmp_path / "out", split="test")
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        export.run(PARAMS, layout, "coco", tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["photo.jpg"]
