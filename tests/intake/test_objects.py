"""Boxes and masks through ingest: the books balance, and a changed mask is seen."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from assay.data.files import read_json
from assay.data.pool import side_table
from assay.intake import unchanged
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import ingest

MINE = '''"""Three boxes on each image."""
from assay.data.annotations import Annotation
from assay.data.records import Record
from assay.params import Section


class Options(Section):
    pass


def read(source, root):
    boxes = [(0, 0, 30, 5), (50, 0, 5, 5), (0, 90, 5, 5)]
    for n in (1, 2):
        yield Record(f"{n}.png", root / f"{n}.png", annotations=[Annotation(category="c", bbox=b) for b in boxes])
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # plug-ins of a project's own are those of the working folder
    layout = Layout(tmp_path)

    def run(**source):
        params = parse_params({"ingest": {"sources": [{"name": "s", **source}]}}, root=tmp_path)
        summary = ingest.run(params, layout, silent)
        notes = dict.fromkeys(side_table(layout.pool, "imports")["annotations"].to_pylist())
        return summary, list(notes)

    return run


def save(file, pixels):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def test_objects_read_are_those_taken_fixed_and_refused(run, tmp_path):
    save(tmp_path / "raw/images/1.png", np.zeros((10, 20), np.uint8))
    (tmp_path / "raw/data.yaml").write_text("train: images\nnames: [cat]\n")
    (tmp_path / "raw/labels").mkdir()
    lines = ["0 0.5 0.5 0.5 0.5", "0 0.95 0.5 0.3 0.5", "0 0.5 0.5 0 0", "3 0.5 0.5 0.1 0.1"]
    (tmp_path / "raw/labels/1.txt").write_text("\n".join(lines))
    summary, notes = run(format="yolo", path="raw")
    book = summary["sources"]["s"]
    assert book["objects"] == {"read": 4, "taken": 1, "fixed": 1, "refused": 2}
    assert notes == [
        '[{"bbox":[5.0,2.5,10.0,5.0],"category":"cat"},{"bbox":[16.0,2.5,4.0,5.0],"category":"cat"}]'
    ]
    told = unchanged.books(summary)
    assert "    4 objects = 1 taken + 1 fixed + 2 refused" in told
    assert "    check: labels/1.txt, line 4: class 3: the last name is that of 0: refused" in told
    report = read_json(tmp_path / "data/pool/report.json")
    assert len(report["sources"]["s"]["object_issues"]) == 3
    (tmp_path / "raw/labels/1.txt").write_text("")
    assert run(format="yolo", path="raw")[1][-1] == "[]"


def test_a_plug_in_s_objects_are_held_against_their_image_too(run, tmp_path):
    save(tmp_path / "1.png", np.zeros((10, 20), np.uint8))
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes()[:-20])
    (tmp_path / "plugins/formats").mkdir(parents=True)
    (tmp_path / "plugins/formats/mine.py").write_text(MINE)
    summary, notes = run(format="mine", path=".")
    assert notes == ['[{"bbox":[0.0,0.0,20.0,5.0],"category":"c"}]']
    assert summary["sources"]["s"]["objects"] == {"read": 6, "taken": 0, "fixed": 1, "refused": 5}
    assert summary["sources"]["s"]["object_issues"][-1] == "2.png: its image was refused: refused"


def test_a_mask_that_changes_in_place_is_looked_at_again(run, tmp_path):
    save(tmp_path / "images/1.png", np.zeros((4, 4), np.uint8))
    mask = tmp_path / "masks/1.png"
    save(mask, np.eye(4, dtype=np.uint8))
    assert len(run(format="masks", path=".")[1]) == 1
    save(mask, np.tri(4, dtype=np.uint8))
    os.utime(mask, ns=(1, 1))
    assert len(run(format="masks", path=".")[1]) == 2
