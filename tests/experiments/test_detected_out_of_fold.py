"""Out-of-fold detections: every image of train and val is judged once, by a model that did not learn from it."""

from __future__ import annotations

import json

import pyarrow.compute as pc
import pytest
import yaml

from assay.data.snapshot import Snapshot
from assay.errors import GateError
from assay.experiments import detected_out_of_fold
from assay.labels.judge import FOLDS
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import curate, embed, ingest
from tests.conftest import png
from tests.project import Repository


@pytest.fixture
def project(tmp_path):
    """20 images with a box each."""

    def make(count: int = 20):
        (tmp_path / "raw").mkdir()
        images, notes = [], []
        for n in range(count):
            (tmp_path / "raw" / f"{n}.png").write_bytes(png(n))
            images.append({"id": n, "file_name": f"{n}.png", "width": 8, "height": 8})
            notes.append({"id": n, "image_id": n, "category_id": n % 2, "bbox": [1, 1, 4, 4]})
        content = {
            "images": images,
            "annotations": notes,
            "categories": [{"id": k, "name": "ab"[k]} for k in (0, 1)],
        }
        (tmp_path / "raw" / "boxes.json").write_text(json.dumps(content))
        params = parse_params(
            {
                "task": "detection",
                "ingest": {
                    "sources": [{"name": "s", "format": "coco", "path": str(tmp_path / "raw" / "boxes.json")}]
                },
                "embed": {"encoder": "pixels", "options": {"size": 4}},
                "curate": {"near_duplicate": 1.0},
                "train": {"model": "lite0_detector", "epochs": 7},
                "track": {"primary": "ap"},
            }
        )
        settings = yaml.safe_dump(params.model_dump(mode="json"))
        Repository.begin(tmp_path, {".gitignore": "data\nraw\n.assay\n"}).commit(
            "A", {"params.yaml": settings}
        )
        layout = Layout(tmp_path)
        for stage in (ingest, embed, curate):
            stage.run(params, layout, silent)
        return params, layout

    return make


def test_each_image_is_measured_in_one_cell_and_learnt_from_in_the_others(project):
    params, layout = project()
    snapshot = Snapshot.load(layout.snapshot)
    cells = detected_out_of_fold._cells(params, layout, snapshot)
    assert len(cells) == FOLDS
    judged = [sample for cell in cells for sample in cell.ruler["id"].to_pylist()]
    open_ = snapshot.samples.filter(pc.not_equal(snapshot.samples["split"], "test"))["id"].to_pylist()
    assert sorted(judged) == sorted(open_)
    for cell in cells:
        assert set(cell.ruler["id"].to_pylist()) | set(cell.train["id"].to_pylist()) == set(open_)
        assert not set(cell.ruler["id"].to_pylist()) & set(cell.train["id"].to_pylist())
    assert len({cell.key for cell in cells}) == FOLDS


def test_the_cost_is_said(project):
    params, layout = project()
    cell = detected_out_of_fold._cells(params, layout, Snapshot.load(layout.snapshot))[0]
    assert detected_out_of_fold.cost(2, 5, cell).startswith(
        "3 of 5 are done; 2 trainings of at most 7 epochs on "
    )


def test_too_few_images_for_the_folds(project):
    params, layout = project(3)
    with pytest.raises(GateError, match="too few for 5 folds"):
        detected_out_of_fold.detected_out_of_fold(params, layout, silent)
