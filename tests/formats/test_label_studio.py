from __future__ import annotations

import json

import pytest

from assay.data.annotations import Annotation
from assay.errors import SourceError
from assay.formats import label_studio
from assay.params import Source

REGION = {
    "id": "a", "type": "rectanglelabels", "from_name": "box", "to_name": "image",
    "value": {"x": 10, "y": 20, "width": 30, "height": 40, "rectanglelabels": ["cat"]},
}  # fmt: skip
CAT = Annotation(category="cat", bbox=(2, 2, 6, 4))


@pytest.fixture
def read(tmp_path, draw_image):
    """Read these tasks, with images/1.png and the images named (20 × 10 px)."""

    def read(*tasks, images=("images/1.png",), **options):
        for name in images:
            draw_image(name)
        (tmp_path / "tasks.json").write_text(json.dumps(tasks))
        return list(
            label_studio.read(Source(name="s", format="label_studio", path=".", options=options), tmp_path)
        )

    return read


def task(*annotations, image="1.png", **said) -> dict:
    return {"id": 7, "data": {"image": image} | said.pop("data", {}), "annotations": list(annotations)} | said


def answer(*result, **said) -> dict:
    return {"id": 3, "result": list(result), "updated_at": "2024-05-01T12:00:00Z"} | said


def test_an_answer_an_empty_one_and_none(read):
    (record,) = read(task(answer(REGION), data={"split": "Valid"}))
    assert (record.path, record.annotations, record.split) == ("images/1.png", [CAT], "val")
    assert read(task(answer()))[0].annotations == []
    draft = {"result": [REGION]}
    assert read(task(drafts=[draft], predictions=[draft]))[0].annotations is None
    assert read(task(answer(REGION, was_cancelled=True)))[0].annotations is None


def test_predictions_are_labels_only_if_asked_for(read):
    predicted = [{"result": []}, {"result": [REGION], "score": 0.5}]
    assert read(task(predictions=predicted), predictions=True)[0].annotations == [CAT]
    assert read(task(answer(), predictions=predicted), predictions=True)[0].annotations == []


def test_of_several_annotations_the_one_that_counts_is_listed(read):
    (record,) = read(task(answer(REGION, id=5), answer(id=6, updated_at="2024-05-02T12:00:00Z")))
    assert record.annotations == []
    assert str(record.issues[0]) == "tasks.json, task 7: 2 annotations: that of id 6 counts: taken"


@pytest.mark.parametrize(
    ("told", "file"),
    [
        ("/data/local-files/?d=set/a/%C3%A9%20x.png", "images/a/é x.png"),
        ("/data/local-files/?d=a/1%2520.png", "a/1%20.png"),
        ("/data/upload/3/0a1b2c3d-x.png", "images/x.png"),
        ("/data/upload/3/0a1b2c3d-x.png", "images/0a1b2c3d-x.png"),
        ("s3://bucket/a/x.png", "images/a/x.png"),
        ("https://host/a/x.png?token=?#", "a/x.png"),
        ("50%.png", "images/50%.png"),
        (r"..\..\a\x.png", "images/a/x.png"),
        (r"C:\photos\x.png", "x.png"),
    ],
)
def test_an_image_is_found_by_as_much_of_its_end_as_is_there(read, told, file):
    (record,) = read(task(answer(REGION), image=told), images=(file,))
    assert (record.path, record.annotations) == (file, [CAT])


def test_equal_names_in_different_folders_are_different_images(read):
    images = ("images/a/x.png", "images/b/x.png")
    tasks = [task(answer(REGION), image="/data/local-files/?d=set/a/x.png"), task(image="s3://set/b/x.png")]
    assert [(r.path, r.annotations) for r in read(*tasks, images=images)] == [
        (images[0], [CAT]),
        (images[1], None),
    ]
    with pytest.raises(SourceError, match="1 images are named twice"):
        read(task(image="a/x.png"), task(image="/a/x.png"), images=images)


def test_a_missing_image_and_an_item_that_is_refused(read):
    (record,) = read(task(answer(REGION), image="/data/upload/no.png"))
    assert (record.path, record.skip, len(record.issues)) == (
        "data/upload/no.png",
        "missing: named in tasks.json",
        1,
    )
    (record,) = read(task(answer(REGION | {"type": "keypointlabels"})))
    assert record.issues[0].where == "tasks.json, task 7, result[0] (id a)"


def test_metadata_and_the_options(read):
    note = {"type": "choices", "from_name": "quality", "value": {"choices": ["good"]}}
    (record,) = read(task(answer(note), data={"photo": "1.png", "image": 7}), image="photo", controls=["tag"])
    assert (record.annotations, record.metadata) == ([], {"quality": "good"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[{"image": "1.png", "label": []}]', "no tasks of Label Studio"),
        ("[]", "no tasks"),
        ('[{"data": {"image": "1.png"}, "annotations": 3}]', "no tasks"),
        ("{", "no JSON"),
        ('[{"id": 4, "data": {"photo": "1.png"}}]', "task 4: data has no 'image'"),
    ],
)
def test_another_json_is_refused(tmp_path, text, why):
    (tmp_path / "tasks.json").write_text(text)
    with pytest.raises(SourceError, match=why):
        list(label_studio.read(Source(name="s", format="label_studio", path="tasks.json"), tmp_path))
