"""What is drawn on the page of `assay review`, through to the edit batch, the snapshot and the diff."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from assay.commands import review as command_of_review
from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.beliefs import believed
from assay.data.difference import diff
from assay.data.edits import Judgement, write_batch
from assay.metrics.objects import Detections, offsets_of
from assay.stages.select import memory
from assay.tasks.detection import to_table
from tests.project import Project
from tests.web.drawing import Drawing, disc
from tests.web.reviewing import SOURCE, journal, page, serving

CLASSES = ["nucleus", "debris"]
MODELS = {
    "detection": ("lite0_detector", "ap"),
    "instance_segmentation": ("lite0_instances", "ap"),
    "semantic_segmentation": ("lite0_segmenter", "dice"),
}
HOLED = {
    "category": "nucleus",
    "segmentation": [[[10, 10, 50, 10, 50, 50, 10, 50], [20, 20, 30, 20, 30, 30]], [60, 10, 70, 10, 70, 20.125]],
    "attributes": {"stage": 9007199254740993, "blurred": True},
}  # fmt: skip


def objects_project(root, task, *labels, images=4):
    """Discs of different places on images of 160 × 100 px; the first ones are labelled with `labels`."""
    model, primary = MODELS[task]
    given = {"train": {"model": model}, "track": {"primary": primary}, "curate": {"classes": CLASSES}}
    project = Project(root, ingest=SOURCE, **given)
    project.defaults["task"] = task
    buffers = [io.BytesIO() for _ in range(images)]
    for n, buffer in enumerate(buffers):
        disc(160, 100, 60 + 10 * n % 83, 50, 20 + n // 83).save(buffer, "png")
    ids = project.put([buffer.getvalue() for buffer in buffers])
    held = [label_of(sample, notes) for sample, notes in zip(ids, labels, strict=False)]
    if held:
        write_batch(project.layout.edits, "t", held)
    project.curate()
    return project, ids


def label_of(sample, notes):
    held = [Annotation.model_validate(one) for one in notes]
    return Judgement(id=sample, op="label", annotations=held, by="t", at="2026-01-01T00:00:00Z")


class Studio(Drawing):
    """The editor on the page of `assay review`."""

    def __init__(self, shown, sample):
        self.browser, self.address, self._held, self.page = shown.browser, shown.origin, 0, shown
        shown.ready()
        at = shown.ids().index(sample)
        self.run(f"(review.go({at}), void review.open())")
        self.until(f"review.now.editor?.bitmap && review.now.drawnOn?.id === '{sample}'")
        self.run("void (window.editor = review.now.editor)")

    def finished(self, project):
        """Leave the image, and write the edit batch: the judgements in it."""
        self.keys("Enter")
        self.page.saved()
        done = command_of_review.finish(project.params(), project.layout)
        assert self.troubles() == []
        return done, project.batches[-1][1]


@pytest.mark.parametrize("task", MODELS)
def test_what_is_drawn_is_in_the_batch_the_snapshot_and_the_diff(browser, tmp_path, task):
    project, ids = objects_project(tmp_path, task)
    before = project.curate()
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        studio = Studio(shown, ids[1])
        studio.keys("b")
        studio.drag((48, 28), (70, 50), (92, 72))
        done, (judgement,) = studio.finished(project)
    assert done["written"] == {"label": 1}
    assert (judgement.id, judgement.op, judgement.by) == (ids[1], "label", "Ada")
    (one,) = judgement.annotations
    if task == "detection":
        assert one == Annotation(category="nucleus", bbox=(48, 28, 44, 44))
    else:
        truth = np.asarray(disc(160, 100, 70, 50, 20)) > 100
        assert np.array_equal(masks.decode(one.segmentation), truth)
    snapshot = project.curate()
    assert snapshot.annotations["category"].to_pylist() == ["nucleus"]
    assert diff(before, snapshot).counts()["labelled"] == 1


def test_what_nobody_touched_is_bit_for_bit_the_same(browser, tmp_path):
    mask = {"category": "debris", "segmentation": masks.encode(np.eye(100, 160) > 0).model_dump(mode="json")}
    project, ids = objects_project(tmp_path, "instance_segmentation", [HOLED, mask])
    before = [Annotation.model_validate(one) for one in (HOLED, mask)]
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        studio = Studio(shown, ids[0])
        studio.keys("p")
        for point in ((100, 60), (140, 60), (140, 90), (100, 60)):
            studio.click(*point)
        _, (judgement,) = studio.finished(project)
    assert judgement.annotations[:2] == before
    assert judgement.annotations[2] == Annotation.model_validate(
        {"category": "nucleus", "segmentation": [[100, 60, 140, 60, 140, 90]]}
    )


def test_what_the_server_refuses_stays_in_the_editor_until_it_is_right(browser, tmp_path):
    box = {"category": "nucleus", "bbox": [40, 30, 40, 40]}
    project, ids = objects_project(tmp_path, "instance_segmentation", [box])
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        studio = Studio(shown, ids[0])
        studio.keys("Tab", "ArrowRight")
        studio.until("document.getElementById('toast').innerText.includes('not saved')")
        assert "object 1, a box of nucleus: instance_segmentation does not learn from it" in shown.run(
            "document.getElementById('toast').innerText"
        )
        assert studio.annotations()[0]["bbox"] == [41, 30, 40, 40]
        studio.keys("i")
        _, (judgement,) = studio.finished(project)
    truth = np.asarray(disc(160, 100, 60, 50, 20)) > 100
    found = masks.decode(judgement.annotations[0].segmentation)
    assert (found & truth).sum() / (found | truth).sum() > 0.98


def test_undo_on_the_page_shows_the_objects_as_they_were(browser, tmp_path):
    project, ids = objects_project(tmp_path, "detection", [{"category": "nucleus", "bbox": [40, 30, 40, 40]}])
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        studio = Studio(shown, ids[0])
        studio.keys("Tab", "Delete")
        studio.until("review.answers.mine(review.row.id)")
        shown.saved()
        studio.keys("u")
        studio.until("editor.annotations().length === 1")
        shown.saved()
        assert command_of_review.finish(project.params(), project.layout)["batch"] is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"bbox": [10, 10, 0, 5]}, "annotations.0.bbox.2: Input should be greater than 0"),
        ({"bbox": [400, 10, 20, 20]}, "object 1, nucleus: box 400, 10, 20, 20 (x, y, width, height) lies outside"),
        ({"segmentation": [[1, 1, 2, 2, 3, 3]]}, "a ring encloses no area"),
        ({"segmentation": [[1, 1, 2, 2, 3, "x"]]}, "a corner is no pair of finite numbers"),
        ({"segmentation": {"size": [10, 10], "counts": "0"}}, "annotations.0.segmentation"),
        ({"segmentation": {"size": [10, 10], "counts": [0, 100]}}, "a mask of 10 × 10 px on an image of 160 × 100 px"),
        ({"bbox": [1, 1, 5, 5], "category": "comet"}, "comet"),
    ],
)  # fmt: skip
def test_what_is_no_annotation_is_refused_in_words(detection_site, wrong, why):
    site, sample = detection_site
    event = {
        "event": "0" * 16,
        "id": sample,
        "act": "label",
        "annotations": [{"category": "nucleus"} | wrong],
    }
    status, said = site.post("/api/judge/objects", {"events": [event]})
    assert (status, said["saved"]) == (200, [])
    assert why in said["refused"][0]["why"]


@pytest.fixture(scope="module")
def detection_site(tmp_path_factory):
    project, ids = objects_project(tmp_path_factory.mktemp("objects"), "detection")
    with serving(project.params(), project.layout) as site:
        yield site, ids[0]


def test_what_the_champion_sees_is_suggested_on_train_images_without_a_label(browser, tmp_path):
    project, ids = objects_project(tmp_path, "detection", [])  # the first image has nothing on it
    samples = project.curate().samples.to_pylist()
    shown_on = [one["id"] for one in samples if one["split"] == "train" and not one["labelled"]]
    folder = project.layout.outputs / "model"
    folder.mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights")
    (folder / "model.json").write_text('{"categories": ["debris", "nucleus"]}')
    champion = project.promote()
    boxes = np.array([[40.0, 30, 41, 40], [90, 10, 20, 20], [5, 5, 9, 9]])
    said = Detections(
        offsets=offsets_of([3] * 4),
        classes=np.tile([1, 0, 1], 4),
        boxes=np.tile(boxes, (4, 1)),
        areas=np.tile([1640.0, 400, 81], 4),
        scores=np.tile([0.9, 0.8, 0.01], 4),
    )
    believed(ids, memory(project.layout, champion), lambda new: to_table(said, ["debris", "nucleus"]))
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        for sample in ids:
            seen = Studio(shown, sample).run("editor.state.objects.filter(one => one.predicted).length")
            assert seen == (2 if sample in shown_on else 0)
        studio = Studio(shown, shown_on[0])
        studio.keys("Enter")
        assert shown.run("document.getElementById('toast').innerText").startswith(
            "2 suggestions not accepted"
        )
        assert not journal(tmp_path).answers.of
        studio.keys("Tab")
        assert studio.status().startswith(
            "1 of 2, suggested, score 0.90: nucleus, box, at 40, 30, 41 × 40 px"
        )
        studio.keys("a", "Escape")
        Studio(shown, next(sample for sample in ids if sample != shown_on[0]))
        shown.saved()
        again = Studio(shown, shown_on[0])
        assert again.run("[editor.suggestions, editor.annotations().length]") == [0, 1]
        _, (judgement,) = studio.finished(project)
    assert judgement.annotations == [Annotation(category="nucleus", bbox=(40, 30, 41, 40))]


def test_the_list_of_keys_has_those_of_the_editor(browser, tmp_path):
    project, ids = objects_project(tmp_path, "detection")
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        studio = Studio(shown, ids[0])
        studio.keys("?")
        words = shown.run("document.querySelector('dialog').innerText")
        assert "box by four extreme points" in words
        assert "Classes" not in words
        assert studio.troubles() == []


def test_news_from_the_server_do_not_end_what_can_be_undone(browser, tmp_path):
    project, ids = objects_project(
        tmp_path, "detection", [HOLED, {"category": "nucleus", "bbox": [40, 30, 40.5, 40]}]
    )
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        studio = Studio(shown, ids[0])
        studio.keys("b")
        studio.drag((100, 30), (120, 60))
        studio.until("review.answers.mine(review.row.id)")
        shown.saved()
        shown.run("review.news()")
        assert studio.run("editor.canUndo && editor.selected.annotation.bbox[0] === 100")
        studio.keys("z")
        assert len(studio.annotations()) == 2


def test_a_rotated_photograph_is_drawn_on_upright(browser, tmp_path):
    """Exif orientation 6: stored as 160 × 100 px, shown as 100 × 160; the disc is below the middle then."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    disc(160, 100, 120, 50, 20).save(buffer, "jpeg", exif=exif)
    project, _ = objects_project(tmp_path, "instance_segmentation")
    (rotated,) = project.put([buffer.getvalue()])
    project.curate()
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        studio = Studio(shown, rotated)
        assert (
            studio.run("[editor.width, editor.height, editor.bitmap.width, editor.bitmap.height]")
            == [100, 160] * 2
        )
        studio.keys("b")
        studio.drag((28, 98), (50, 120), (72, 142))
        _, (judgement,) = studio.finished(project)
    x, y, w, h = judgement.annotations[0].box
    assert (x, y, x + w, y + h) == pytest.approx((30, 100, 70, 140), abs=1)
