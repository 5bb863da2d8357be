"""`assay effort` on a small real project: what it says, that it repeats and resumes, what it refuses."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter

import pytest
from rich.console import Console

from assay import tasks
from assay.commands import effort
from assay.errors import ParamsError
from assay.experiments.effort import fits, schemes
from assay.experiments.effort.family import children, parent
from assay.experiments.effort.fits import SchemeFit
from assay.experiments.effort.network import an_epoch
from assay.experiments.effort.study_data import open_data


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """How a family gets into MLflow is tested elsewhere: a store takes 15 s to begin."""
    monkeypatch.setattr("assay.tracking.families.write_family", lambda *_: None)


@pytest.fixture(scope="module")
def told(project):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("assay.tracking.families.write_family", lambda *_: None)
        patched.setattr("assay.training.mask_decoder.STEPS", 20)
        return effort.run(project.params(), project.layout, workers=1)


def test_every_scheme_is_measured_at_every_budget(told):
    assert [row["name"] for row in told["schemes"]] == ["masks", "boxes"]
    for row in told["schemes"]:
        assert [point["hours"] for point in row["curve"]] == [0.05, 0.2]
        for point in row["curve"]:
            assert 0 <= point["low"] <= point["value"] <= point["high"] <= 1
            assert point["spent"] <= point["hours"]
            assert len(point["seeds"]) == 2
            assert (point["over_control"] is None) == (row["name"] == "masks")
    masks, boxes = (row["curve"][0] for row in told["schemes"])
    assert masks["images"] < boxes["images"]
    assert (told["target"], told["metric"]) == ("masks", "dice")
    assert told["schemes"][1]["curve"][1]["value"] > 0.5, "something was learnt"
    json.dumps(told, allow_nan=False)
    console = Console(record=True, width=200, file=io.StringIO())
    effort.render(told, console)
    assert told["verdict"]["text"][:20] in console.export_text()


def test_a_second_call_computes_nothing_and_a_stopped_one_resumes_with_the_same_bits(
    told, project, monkeypatch
):
    again = effort.run(project.params(), project.layout, workers=1)
    assert again == told | {"computed": 0}
    kept = project.layout.scratch / "effort"
    before = {file.name: file.read_bytes() for file in kept.glob("*.npz")}
    assert len(before) == told["computed"]
    shutil.rmtree(kept)
    write = fits.write

    def killed(folder, key, result):
        if len(list(folder.glob("*.npz"))) == 2:
            raise KeyboardInterrupt
        write(folder, key, result)

    monkeypatch.setattr(fits, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        effort.run(project.params(), project.layout, workers=1)
    monkeypatch.setattr(fits, "write", write)
    resumed = effort.run(project.params(), project.layout, workers=1)
    assert resumed["computed"] == told["computed"] - 2
    assert {file.name: file.read_bytes() for file in kept.glob("*.npz")} == before
    assert resumed | {"computed": told["computed"]} == told


def test_another_seed_is_another_result(told, project):
    other = effort.run(
        project.params().model_copy(update={"seed": 7}), project.layout, {"hours": [0.04, 0.05]}, workers=1
    )
    boxes, before = (result["schemes"][1]["curve"][k]["seeds"] for result, k in ((other, 1), (told, 0)))
    assert not set(boxes) & set(before)


def test_boxes_are_measured_by_average_precision(project):
    asked = {"target": "boxes", "schemes": ["points"], "hours": [0.01, 0.02]}
    found = effort.run(project.params(), project.layout, asked, workers=1)
    assert (found["target"], found["metric"]) == ("boxes", "ap")
    assert [row["name"] for row in found["schemes"]] == ["boxes", "points"]
    assert set(found["schemes"][0]["curve"][0]["classes"]) == {"object"}


def test_a_model_makes_as_many_steps_of_few_images_as_of_all(project):
    data = open_data(project.layout, "masks")
    task, teach = tasks.load("semantic_segmentation"), schemes.teacher(data, 8)
    few, whole = (SchemeFit(tuple(range(n)), (("boxes", "ellipse"),) * n, 0) for n in (3, len(data.pool)))
    counts = [Counter(an_epoch(data, fit, teach, task)["id"].to_pylist()) for fit in (few, whole)]
    assert [sum(one.values()) for one in counts] == [len(data.pool)] * 2
    assert set(counts[0]) == set(data.pool.ids[:3])
    assert max(counts[0].values()) - min(counts[0].values()) <= 1
    assert set(counts[1].values()) == {1}


def test_a_budget_that_buys_nothing_learns_nothing(project):
    found = effort.run(
        project.params(), project.layout, {"schemes": ["masks@9000"], "hours": [0.001, 0.01]}, workers=1
    )
    assert [point["value"] for row in found["schemes"] for point in row["curve"]] == [0.0] * 4


def test_tags_are_left_out_by_name(told, project):
    found = effort.run(project.params(), project.layout, {"schemes": ["boxes", "tags"]}, workers=1)
    assert "object is on every image" in found["left_out"]["tags"]
    with pytest.raises(ParamsError, match=r"nothing to compare masks with \(tags: what is on every image"):
        effort.run(project.params(), project.layout, {"schemes": ["tags"]})


def test_tags_are_measured_where_they_teach(shapes):
    found = effort.run(shapes.params(), shapes.layout, {"schemes": ["tags"]}, workers=1)
    masks, tags = (row["curve"][0] for row in found["schemes"])
    assert tags["images"] > masks["images"]
    assert set(tags["classes"]) == set(shapes.CLASSES)
    assert found["seconds"]["acts"]["tags"] == [["tags", 1.0]]
    assert (found["notes"], found["left_out"]) == ([], {})


def test_presence_is_measured_by_f1_whatever_is_drawn(shapes, tmp_path):
    page = tmp_path / "what.html"
    asked = {"target": "presence", "schemes": ["boxes", "0.5*masks+tags"], "hours": [0.03, 0.1]}
    found = effort.run(shapes.params(), shapes.layout, asked, page, workers=1)
    assert found["metric"] == "macro_f1"
    tags, boxes, mixed = (row["curve"][0] for row in found["schemes"])
    assert tags["images"] > boxes["images"]
    assert 0 < mixed["images"] <= tags["images"]
    assert tags["value"] > 0.5
    assert set(tags["classes"]) == set(shapes.CLASSES)
    assert "macro F1 of presence" in page.read_text()
    assert found["verdict"]["draw"]


def test_what_cannot_be_meant_is_refused(project):
    for changed, said in (
        ({"schemes": ["mask"]}, "effort.schemes"),
        ({"hours": [4.0, 1.0]}, "hours must increase"),
        ({"target": "boxes", "schemes": ["polygons"]}, "polygons is not a way to learn boxes"),
        (
            {"target": "presence", "schemes": ["boxes/otsu"]},
            "nothing is to be learnt: object is on every image",
        ),
        ({"learner": "model"}, "the task of target masks is semantic_segmentation, not detection"),
    ):
        with pytest.raises(ParamsError, match=said):
            effort.run(project.params(), project.layout, changed)


def test_the_page_holds_all_it_needs(told, project, tmp_path):
    file = tmp_path / "draw.html"
    effort.run(project.params(), project.layout, page=file, workers=1)
    text = file.read_text()
    assert not any(link in text for link in ("http://", "https://", "<link", "@import"))
    assert told["verdict"]["text"].replace("'", "&#39;") in text
    pictures = list((project.layout.scratch / "effort" / "told").glob("*/effort.png"))
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in pictures)


def test_the_family_has_a_run_for_each_scheme(told):
    top, nodes = parent(told), children(told)
    assert [node.name for node in nodes] == ["masks", "boxes"]
    assert ("dice/masks", 3, told["schemes"][0]["curve"][0]["value"]) in top.curves
    assert ("images", 12, told["schemes"][1]["curve"][1]["images"]) in nodes[1].curves
