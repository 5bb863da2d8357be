"""`assay advise` where a label is boxes: the same options, by the contract of tasks."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assay.commands import advise
from assay.commands.terminal import Console
from assay.data import object_suspects
from assay.data.files import read_json
from assay.errors import ParamsError, UsageError
from assay.experiments.advice.labelled_data import open_labelled
from assay.experiments.advice.suspects import suspected
from assay.layout import Layout
from assay.params import Params, parse_params
from assay.progress import silent
from assay.stages import audit, curate, embed, ingest, select

SIDE, TRAIN, VAL, TEST = 32, 44, 32, 6


def params(**advise_: Any) -> Params:
    return parse_params(
        {
            "task": "detection",
            "ingest": {"sources": [{"name": "s", "format": "coco", "path": "raw"}]},
            "embed": {"options": {"size": 4}},
            "curate": {"near_duplicate": 1.0},
            "select": {"strategy": "random", "ruler_halfwidth": 0.49, "annotator": None},
            "train": {"model": "lite0_detector", "options": {"weights": "none", "width": 8, "finest": 8},
                      "image_size": SIDE, "epochs": 1, "batch": 8, "lr": 0.002, "device": "cpu", "threads": 1},
            "track": {"primary": "ap50"},
            "advise": {"seeds": 2, "trials": 2, "learner": "model", **advise_},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Selected, and nothing is trained."""
    layout, rng = Layout(tmp_path_factory.mktemp("boxes")), np.random.default_rng(0)
    before = 0
    for split, count in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        folder = layout.root / "raw" / split
        folder.mkdir(parents=True, exist_ok=True)
        images, objects = [], []
        for number in range(before, before + count):
            pixels = rng.integers(40, 70, (SIDE, SIDE, 3), dtype=np.uint8)
            images.append({"id": number, "file_name": f"{split}/{number}.png", "width": SIDE, "height": SIDE})
            for k in range(int(rng.integers(1, 3))):
                x, y = 16 * k + int(rng.integers(0, 4)), int(rng.integers(0, 20))
                pixels[y : y + 10, x : x + 10] = 230
                place = {"image_id": number, "category_id": 1, "bbox": [x, y, 10, 10]}
                objects.append(place | {"id": len(objects) + 1, "iscrowd": 0, "area": 100})
            Image.fromarray(pixels).save(layout.root / "raw" / split / f"{number}.png")
        told = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cell"}]}
        (layout.root / "raw" / f"instances_{split}.json").write_text(json.dumps(told))
        before += count
    for stage in (ingest, embed, curate, audit, select):
        stage.run(params(), layout, silent)
    return layout


@pytest.fixture
def audited(layout: Layout) -> list[dict[str, Any]]:
    """Ten train images whose first box is suspected to be a quarter too high."""
    data = open_labelled(layout, "detection")
    rows = []
    for sample, label in data.labelled("train")[:10]:
        x, y, w, h = json.loads(label)[0]["bbox"]
        rows.append({"id": sample, "kind": "moved", "given": "cell", "suggested": "cell", "probability": 0.9,
                     "box": [x, y, w, h], "suggested_box": [x, y + 2, w, h], "suggested_outlines": [],
                     "also": None, "focus": None, "reason": "test"})  # fmt: skip
    digest = read_json(layout.snapshot / "snapshot.json")["digest"]
    object_suspects.keep(layout, digest, rows, ["train", "val"])
    return rows


def test_before_an_audit_of_train_the_review_is_not_measured_and_says_what_to_do(layout: Layout) -> None:
    digest = read_json(layout.snapshot / "snapshot.json")["digest"]
    object_suspects.keep(layout, digest, [], ["val"])
    told = advise.run(params(), layout)
    options = {option["kind"]: option for option in told["options"]}
    assert options["review"]["gain"] is None
    assert "assay audit --model --limit 20" in options["review"]["remarks"][0]
    for kind in ("labels", "model"):
        assert options[kind]["gain"]["low"] <= options[kind]["gain"]["value"] <= options[kind]["gain"]["high"]
    assert options["labels"]["amount"] == int(3600 / told["costs"]["seconds_per_label"])
    assert told["measured_on"] == told["measured_on"] | {
        "val": VAL,
        "train": TRAIN,
        "learner": "lite0_detector",
    }
    assert not any("label_smoothing" in trial["name"] for trial in told["trials"])
    assert any("objects takes" in remark for remark in told["remarks"]), "an image takes its objects' seconds"
    assert told["costs"]["seconds_per_label"] > 15
    console = Console(record=True, width=200, file=io.StringIO())
    advise.render(told, console)
    text = console.export_text()
    assert "not measured" in text
    assert "labels are wrong" not in text


def test_after_an_audit_it_is_and_what_was_trained_is_not_trained_again(
    layout: Layout, audited: list[dict[str, Any]], tmp_path: Path
) -> None:
    told = advise.run(params(), layout, page=tmp_path / "advice.html")
    review = next(option for option in told["options"] if option["kind"] == "review")
    assert review["gain"]["low"] <= review["gain"]["value"] <= review["gain"]["high"]
    assert review["amount"] == told["suspects"]["reviewed"] == len(audited)
    assert "assay review suspects" in review["next"]
    assert told["suspects"]["rate"]["value"] == pytest.approx(0.9 * 10 / 115, rel=0.2)
    assert (told["suspects"]["rate"]["low"], told["suspects"]["rate"]["high"]) == (0, 1)
    assert advise.run(params(), layout) == {**told, "page": None}
    assert "cell → <b>cell</b>" in (tmp_path / "advice.html").read_text()


def test_a_review_moves_the_box_that_is_wrong_and_no_other(
    layout: Layout, audited: list[dict[str, Any]]
) -> None:
    data = open_labelled(layout, "detection")
    found, given = suspected(data), data.labels["train"]
    assert (len(found), found.likely, len(found.first(3).train)) == (10, 10, 10), "all are as likely"
    put_right = found.train.corrected(given)
    for row, (before, after) in enumerate(zip(given, put_right, strict=True)):
        old, new = (sorted(one["bbox"] for one in json.loads(label)) for label in (before, after))
        moved = [k for k in range(len(old)) if old[k] != new[k]]
        assert len(moved) == (1 if row in found.train.rows else 0)
        for k in moved:
            assert new[k] == [old[k][0], old[k][1] + 2, 10, 10]


def test_too_few_minutes_are_refused_with_those_that_are_needed(layout: Layout) -> None:
    with pytest.raises(ParamsError, match=r"lite0_detector needs about .* in all") as caught:
        advise.run(params(learner="auto", minutes=0.001), layout)
    assert "goes on" in str(caught.value.hint)
    with pytest.raises(ParamsError, match="detection has none"):
        advise.run(params(learner="probe"), layout)
    with pytest.raises(UsageError, match="--suspects writes labels of whole images"):
        advise.run(params(), layout, suspects=Path("x.csv"))
