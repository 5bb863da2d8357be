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


@pytest.fixture
def run(tmp_path):
    layout = Layout(tmp_path)

    def run(**source):
        params = parse_params({"ingest": {"sources": [{"name": "s", **source}]}})
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
    assert "    check: labels/1.txt, line 4: class 3: the names go to 0: refused" in told
    report = read_json(tmp_path / "data/pool/report.json")
    assert len(report["sources"]["s"]["object_issues"]) == 3
    (tmp_path / "raw/labels/1.txt").write_text("")
    assert run(format="yolo", path="raw")[1][-1] == "[]"


def test_a_mask_that_changes_in_place_is_looked_at_again(run, tmp_path):
    save(tmp_path / "images/1.png", np.zeros((4, 4), np.uint8))
    mask = tmp_path / "masks/1.png"
    save(mask, np.eye(4, dtype=np.uint8))
    assert len(run(format="masks", path=".")[1]) == 1
    save(mask, np.tri(4, dtype=np.uint8))
    os.utime(mask, ns=(1, 1))
    assert len(run(format="masks", path=".")[1]) == 2
