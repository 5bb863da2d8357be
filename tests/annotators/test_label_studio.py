"""The queue goes to a real Label Studio and comes back: nothing twice, nothing lost, everything by a stated rule."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from assay.annotators import AnnotatorContext, _label_studio_mirror, _label_studio_push, label_studio
from assay.annotators._label_studio_client import Studio, connect
from assay.annotators._label_studio_mirror import Mirror
from assay.commands import annotate
from assay.data import ledger, masks
from assay.data.annotations import Annotation
from assay.data.edits import Judgement, write_batch
from assay.errors import AnnotatorError, PoolError
from assay.formats._label_studio_written import config
from assay.params import Params
from assay.web.signed import image_key, is_valid_url
from tests.annotators.studio import (
    BO,
    TOKEN,
    USER,
    Server,
    choice,
    rectangle,
    second_person,
    submit,
    tasks_of,
)
from tests.conftest import png
from tests.project import Project

pytestmark = pytest.mark.slow
CLASSES = ["a <b> & 'c'", 'the "other"']
"""Names that XML must escape."""
IMAGE_SERVER = "http://images.local:8420"


def queue_of(project: Project, size: int) -> Project:
    project.put([png(value) for value in range(size + 2)], split=["train"] * size + ["test", "val"])
    project.curate()
    project.defaults["curate"] = {"classes": CLASSES}
    project.select(strategy="random", budget=size, ruler_halfwidth=0.49)
    return project


@pytest.fixture
def twelve(project: Project) -> Project:
    """A queue of 12 images."""
    return queue_of(project, 12)


@pytest.fixture
def four(project: Project) -> Project:
    """A queue of 4 images: every answer takes the server a quarter of a second."""
    return queue_of(project, 4)


def params(project: Project, server: Server, title: str, **more: Any) -> Params:
    options = {"url": server.url, "project": title, "image_server": IMAGE_SERVER, **more}
    return project.params(select={"annotator": "label_studio", "annotator_options": options})


# --- push


def test_the_queue_becomes_tasks_in_its_order(twelve, server):
    given = params(twelve, server, "in order")
    result = annotate.run(given, twelve.layout)
    assert (result["sent"], result["open"]) == (12, 12)
    tasks = tasks_of(server, "in order")
    assert [task["data"]["assay_id"] for task in tasks] == twelve.table("queue")["id"].to_pylist()[:12]
    assert {task["data"]["split"] for task in tasks} <= {"train", "val", "test"}
    key = image_key(twelve.layout.scratch)
    assert all(is_valid_url(task["data"]["image"], IMAGE_SERVER, key, time.time()) for task in tasks)
    (found,) = Studio(server.client).projects("in order")
    assert server.client.get(f"/api/projects/{found['id']}").json()["sampling"] == "Sequential sampling"
    assert label_studio._offered(found["label_config"]) == CLASSES
    assert result["where"] == [f"{server.url}/projects/{found['id']}/data"]
    again = annotate.run(given, twelve.layout)
    assert (again["sent"], len(tasks_of(server, "in order"))) == (0, 12)


def test_a_prediction_of_the_queue_is_the_start_of_the_annotation(four, server):
    context = AnnotatorContext(four.layout, params(four, server, "predicted"))
    ids = four.pool.ids[:3]
    rows = tuple(
        ledger.SentImage(id=sample, predicted=name, confidence=0.75)
        for sample, name in zip(ids, [CLASSES[0], "no class", None], strict=True)
    )
    batch = ledger.write(four.layout.ledger, "label_studio", rows, "2026-01-01T00:00:00Z")
    label_studio.send(batch, context)
    first, *others = tasks_of(server, "predicted")
    (made,) = first["predictions"]
    assert (made["score"], made["result"][0]["value"]) == (0.75, {"choices": [CLASSES[0]]})
    assert [task["predictions"] for task in others] == [[], []]
    project = server.client.get(f"/api/projects/{first['project']}").json()
    assert project["model_version"] == made["model_version"], "Label Studio shows this one"


def test_new_classes_are_added_unless_the_config_was_changed_by_hand(four, server):
    given = params(four, server, "classes")
    annotate.run(given, four.layout)
    four.defaults["curate"] = {"classes": [*CLASSES, "new"]}
    annotate.run(params(four, server, "classes"), four.layout)
    (found,) = Studio(server.client).projects("classes")
    assert label_studio._offered(found["label_config"]) == [*CLASSES, "new"]

    by_hand = found["label_config"].replace("<View>", '<View><Header value="Look closely"/>')
    Studio(server.client).configure(found["id"], label_config=by_hand)
    annotate.run(params(four, server, "classes"), four.layout)
    four.defaults["curate"] = {"classes": [*CLASSES, "new", "newest"]}
    with pytest.raises(AnnotatorError, match="changed by hand and has not: newest"):
        annotate.run(params(four, server, "classes"), four.layout)
    (found,) = Studio(server.client).projects("classes")
    assert found["label_config"] == by_hand


def test_urls_that_have_expired_or_lost_their_key_are_renewed(four, server):
    given = params(four, server, "renewed")
    annotate.run(given, four.layout)
    before = [task["data"]["image"] for task in tasks_of(server, "renewed")]
    annotate.run(given, four.layout)
    assert [task["data"]["image"] for task in tasks_of(server, "renewed")] == before
    (four.layout.scratch / "image-key").unlink()
    annotate.run(given, four.layout)
    key = image_key(four.layout.scratch)
    tasks = tasks_of(server, "renewed")
    assert all(is_valid_url(task["data"]["image"], IMAGE_SERVER, key, time.time()) for task in tasks)
    assert all(task["data"]["assay_id"] and task["data"]["assay_batch"] for task in tasks)


def test_images_are_uploaded_once(four, server):
    given = params(four, server, "uploaded", images="upload")
    annotate.run(given, four.layout)
    tasks = tasks_of(server, "uploaded")
    for task in tasks:
        data = server.client.get(task["data"]["image"]).raise_for_status().content
        assert data == four.pool.read(task["data"]["assay_id"])
    server.client.delete(f"/api/tasks/{tasks[0]['id']}/").raise_for_status()
    annotate.run(given, four.layout)
    assert len(tasks_of(server, "uploaded")) == 4
    assert len(Studio(server.client).uploads(tasks[0]["project"])) == 4


# --- killed


class Killed(BaseException):
    pass


class Killing(httpx.BaseTransport):
    """Passes requests on until `left` of them is the last: then it raises, before or `after` that was answered."""

    def __init__(self, inner: httpx.BaseTransport, left: Iterator[int], after: bool) -> None:
        self.inner, self.left, self.after = inner, left, after

    def close(self) -> None:
        self.inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        last = next(self.left) == 1
        if last and not self.after:
            raise Killed
        response = self.inner.handle_request(request)
        if last:
            response.read()
            raise Killed
        return response


Kill = Callable[[int, bool], None]


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Kill:
    """Kill the annotator at a request, counted over all clients from this call on; 0: not at all."""

    def at(number: int, after: bool) -> None:
        left = count(number, -1)

        def connected(url: str, token: str) -> httpx.Client:
            client = connect(url, token)
            client._transport = Killing(client._transport, left, after)
            return client

        monkeypatch.setattr(label_studio, "connect", connected)

    return at


@pytest.mark.parametrize("after", [False, True], ids=["before it was sent", "after it was answered"])
def test_killed_at_any_request_of_a_push_and_repeated_each_image_is_one_task(
    twelve, server, kill, monkeypatch, after
):
    monkeypatch.setattr(_label_studio_push, "AT_ONCE", 4)
    wanted, number, killed = twelve.table("queue")["id"].to_pylist()[:12], 0, True
    while killed:
        number += 1
        title = f"push {number} {after}"
        context = AnnotatorContext(twelve.layout, params(twelve, server, title))
        batch = ledger.Batch(
            f"{number:04d}-x-00000000", "label_studio", "2026", tuple(ledger.SentImage(id=i) for i in wanted)
        )
        kill(number, after)
        killed = False
        try:
            label_studio.send(batch, context)
        except Killed:
            killed = True
        kill(0, False)
        label_studio.send(batch, context)
        assert [task["data"]["assay_id"] for task in tasks_of(server, title)] == wanted, number
    assert number >= 8, "project, three imports, and looking before and after"


def test_an_import_that_arrives_after_its_repetition_leaves_no_double(four, server):
    context = AnnotatorContext(four.layout, params(four, server, "late"))
    rows = tuple(ledger.SentImage(id=sample) for sample in four.pool.ids[:4])
    batch = ledger.Batch("0001-x-00000000", "label_studio", "2026", rows)
    label_studio.send(batch, context)
    first, *_ = tasks_of(server, "late")
    again = [{"data": task["data"]} for task in tasks_of(server, "late")]
    Studio(server.client).add(first["project"], again)
    *_, last = tasks_of(server, "late")
    submit(server, last, choice(CLASSES[0]))
    label_studio.send(batch, context)
    kept = tasks_of(server, "late")
    assert sorted(task["data"]["assay_id"] for task in kept) == sorted(row.id for row in rows)
    assert last["id"] in {task["id"] for task in kept}, "somebody has worked on this one"


# --- pull


def test_every_annotation_counts_by_the_stated_rule(twelve, server):
    given = params(twelve, server, "rules")
    annotate.run(given, twelve.layout)
    tasks = tasks_of(server, "rules")
    good = {task["data"]["assay_id"]: CLASSES[n % 2] for n, task in enumerate(tasks[:4])}
    for task in tasks[:4]:
        submit(server, task, choice(good[task["data"]["assay_id"]]))
    skipped, empty, same, differ, draft, unknown, partial = tasks[4:11]
    submit(server, skipped, [], was_cancelled=True)
    submit(server, empty, [])
    submit(server, same, choice(CLASSES[0]))
    submit(server, same, choice(CLASSES[0]))
    submit(server, differ, choice(CLASSES[0]))
    wrong = submit(server, differ, choice(CLASSES[1]))
    server.client.post(
        f"/api/tasks/{draft['id']}/drafts", json={"result": choice(CLASSES[0])}
    ).raise_for_status()
    submit(server, unknown, choice("nobody knows"))
    submit(server, partial, [{**choice()[0], "value": {}}])

    result = annotate.run(given, twelve.layout)
    assert (result["answered"], result["repeated"], result["open"]) == ({"label": 5}, 1, 7)
    why = {row["id"]: row["why"] for row in result["refused"]}
    assert f"skipped by {USER}" in why[skipped["data"]["assay_id"]]
    assert "nothing is chosen" in why[empty["data"]["assay_id"]]
    assert "contradict" in why[differ["data"]["assay_id"]]
    assert "'nobody knows' is not among curate.classes" in why[unknown["data"]["assay_id"]]
    assert "nothing is chosen" in why[partial["data"]["assay_id"]]
    assert Counter(row["id"] for row in result["refused"])[differ["data"]["assay_id"]] == 2
    assert draft["data"]["assay_id"] not in why
    judged = {one.id: one for _, batch in twelve.batches for one in batch}
    assert {sample: judged[sample].annotations[0].category for sample in good} == good
    assert {(judged[sample].by, judged[sample].seconds) for sample in good} == {(USER, 4.2)}
    assert {sample: label for sample, label in twelve.curate().labels().items() if sample in good} == good

    server.client.delete(f"/api/annotations/{wrong}/").raise_for_status()
    changed = server.client.get(f"/api/tasks/{tasks[0]['id']}/").json()["annotations"][0]["id"]
    other = choice(CLASSES[1])
    server.client.patch(f"/api/annotations/{changed}/", json={"result": other}).raise_for_status()
    later = annotate.run(given, twelve.layout)
    assert later["answered"] == {"label": 1}, "the contradiction was settled in Label Studio"
    kinds = {row["id"]: row["kind"] for row in later["refused"]}
    assert kinds[tasks[0]["data"]["assay_id"]] == "answered already", "changed after it was accepted"
    excluding = params(twelve, server, "rules", skipped="exclude")
    assert annotate.run(excluding, twelve.layout)["answered"] == {"exclude": 1}


def test_a_poll_asks_for_what_has_changed(four, server):
    given = params(four, server, "poll")
    annotate.run(given, four.layout)
    (found,) = Studio(server.client).projects("poll")
    tasks = tasks_of(server, "poll")
    asked: list[str] = []
    client = httpx.Client(
        base_url=server.url,
        headers=server.client.headers,
        event_hooks={"request": [lambda r: asked.append(str(r.url.params))]},
    )

    def poll() -> tuple[list[int], int]:
        asked.clear()
        held = Mirror.of(four.layout.scratch, server.url, found["id"])
        return [task["id"] for task in held.refresh(Studio(client), found["id"])], len(asked)

    assert poll() == ([], 1)
    for task in tasks[:3]:
        submit(server, task, choice(CLASSES[0]))
    assert poll() == ([task["id"] for task in tasks[:3]], 2)
    assert poll() == ([task["id"] for task in tasks[:3]], 1), "no news"
    server.client.delete(f"/api/tasks/{tasks[0]['id']}/").raise_for_status()
    assert poll()[0] == [task["id"] for task in tasks[1:3]], "deleted"
    next(four.layout.scratch.glob("label_studio/*.json")).write_text("{half")
    assert poll()[0] == [task["id"] for task in tasks[1:3]], "without the copy"
    client.close()


def test_killed_while_a_pull_is_written_and_repeated_each_answer_is_taken_once(four, server, monkeypatch):
    """Killed at its requests: test_two_hundred.py."""
    given = params(four, server, "pull")
    annotate.run(given, four.layout)
    tasks = tasks_of(server, "pull")
    writers = [("write_json", _label_studio_mirror), ("write_batch", annotate)]
    for task, (name, module), after in zip(tasks, 2 * writers, (False, False, True, True), strict=True):
        submit(server, task, choice(CLASSES[0]))
        with monkeypatch.context() as patch:
            patch.setattr(module, name, _dying(getattr(module, name), after))
            with pytest.raises(Killed):
                annotate.run(given, four.layout)
        annotate.run(given, four.layout)
    answers = Counter(one.id for _, batch in four.batches for one in batch)
    assert answers == Counter(task["data"]["assay_id"] for task in tasks)
    assert annotate.run(given, four.layout)["open"] == 0


def _dying(real: Callable[..., Any], after: bool) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        if after:
            real(*given)
        raise Killed

    return call


def test_an_image_asked_about_again_is_another_task_and_older_answers_do_not_answer_it(four, server):
    given = params(four, server, "again")
    annotate.run(given, four.layout)
    for task in tasks_of(server, "again"):
        submit(server, task, choice(CLASSES[0]))
    assert annotate.run(given, four.layout)["open"] == 0
    sample = tasks_of(server, "again")[0]["data"]["assay_id"]
    rows = (ledger.SentImage(id=sample, strategy="review", label=CLASSES[0], judged=1),)
    ledger.write(four.layout.ledger, "label_studio", rows, "2026-01-01T00:00:00Z")
    assert annotate.run(given, four.layout)["open"] == 1
    *_, last = tasks_of(server, "again")
    assert last["data"]["assay_id"] == sample
    submit(server, last, choice(CLASSES[1]))
    assert annotate.run(given, four.layout)["answered"] == {"label": 1}
    assert four.curate().labels()[sample] == CLASSES[1]


def test_an_image_for_two_people_is_open_until_both_have_submitted(four, server):
    given = params(four, server, "overlap")
    two = given.model_copy(update={"select": given.select.model_copy(update={"overlap": 2})})
    Studio(server.client).create("overlap", config(CLASSES, ["choices"], several=False))
    annotate.run(two, four.layout)
    (found,) = Studio(server.client).projects("overlap")
    assert found["maximum_annotations"] == 2
    tasks = tasks_of(server, "overlap")
    work = annotate.open_round(two, four.layout)
    for task in tasks:
        submit(server, task, choice(CLASSES[0]))
    assert annotate.still_open(work, work.sent[0]) == 4, "one of two has judged them"
    with second_person(server) as other:
        for task in tasks[:3]:
            submit(other, task, choice(CLASSES[1]))
    assert annotate.still_open(work, work.sent[0]) == 1
    told = annotate.run(two, four.layout)
    assert (told["answered"], told["open"], told["refused"]) == ({"label": 7}, 1, [])
    assert {one.by for _, batch in four.batches for one in batch} == {USER, BO}


# --- objects


@pytest.fixture
def boxes(project: Project) -> Project:
    """A queue of 8 images for detection, 40 × 20 px."""

    def wide(value: int) -> bytes:
        stream = io.BytesIO()
        pixels = np.random.default_rng(value).integers(0, 256, (20, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, "PNG")
        return stream.getvalue()

    project.put([wide(n) for n in range(10)], split=["train"] * 8 + ["test", "val"])
    project.curate()
    project.defaults |= {"task": "detection", "curate": {"classes": ["car"]}}
    project.defaults |= {"track": {"primary": "ap"}, "train": {"model": "lite0_detector"}}
    project.select(strategy="random", budget=8, ruler_halfwidth=0.49)
    return project


def test_boxes_come_back_in_pixels(boxes, server):
    given = params(boxes, server, "boxes")
    annotate.run(given, boxes.layout)
    tasks = tasks_of(server, "boxes")
    results = [
        [rectangle(10, 10, 50, 50)],
        [],
        [rectangle(50, 50, 20, 20, rotation=30)],
        [rectangle(90, 10, 15, 50)],  # a third of it is outside
        [rectangle(99, 10, 50, 50)],
        [rectangle(10, 10, 50, 50), rectangle(20, 20, 5, 5, label=None)],
        [{**rectangle(10, 10, 50, 50), "original_width": 41}],
        [{**rectangle(0, 0, 1, 1), "type": "keypointlabels"}],
    ]
    for task, result in zip(tasks, results, strict=True):
        submit(server, task, result)
    told = annotate.run(given, boxes.layout)
    judged = {one.id: one.annotations for _, batch in boxes.batches for one in batch}
    held = [judged.get(task["data"]["assay_id"]) for task in tasks]
    assert held[0][0].bbox == (4, 2, 20, 10)
    assert held[1] == [], "there is nothing on it"
    (ring,) = held[2][0].segmentation[0]
    sides = [np.hypot(ring[2 * n] - ring[2 * n - 2], ring[2 * n + 1] - ring[2 * n - 1]) for n in range(4)]
    assert np.allclose(sides, [4, 8, 4, 8], atol=0.01), "8 × 4 px, rotated in pixels"
    assert held[3][0].bbox == (36, 2, 4, 10)
    assert held[4:] == [None] * 4
    assert len(told["refused"]) == told["open"] == 4
    why = " ".join(row["why"] for row in told["refused"])
    for words in ("outside the image", "has no class", "keypoint"):
        assert words in why


def test_a_second_look_starts_with_the_objects_that_are_there(boxes, server):
    given = params(boxes, server, "second look")
    annotate.run(given, boxes.layout)
    first, *_ = tasks_of(server, "second look")
    submit(server, first, [rectangle(10, 10, 50, 50)])
    annotate.run(given, boxes.layout)
    sample = first["data"]["assay_id"]
    rows = (ledger.SentImage(id=sample, strategy="review", judged=1),)
    ledger.write(boxes.layout.ledger, "label_studio", rows, "2026-01-01T00:00:00Z")
    annotate.run(given, boxes.layout)
    *_, last = tasks_of(server, "second look")
    (made,) = last["predictions"]
    assert [item["value"]["x"] for item in made["result"]] == [10]


def test_masks_and_polygons_that_went_out_come_back_as_they_are(boxes, server):
    mask = np.zeros((20, 40), bool)
    mask[2:18, 3:30] = True
    mask[6:12, 10:20] = False
    ring = [20.0, 2.0, 38.0, 4.0, 30.0, 18.0]
    notes = [
        Annotation(category="car", segmentation=masks.encode(mask)),
        Annotation(category="car", segmentation=[[ring]]),
    ]
    sample = boxes.pool.ids[0]
    said = Judgement(id=sample, op="label", annotations=notes, by="t", at="2026-01-01T00:00:00Z")
    write_batch(boxes.layout.edits, "t", [said])
    boxes.defaults |= {"task": "instance_segmentation", "train": {"model": "lite0_instances"}}
    context = AnnotatorContext(boxes.layout, params(boxes, server, "masks"))
    rows = (ledger.SentImage(id=sample, strategy="review", judged=1),)
    batch = ledger.write(boxes.layout.ledger, "label_studio", rows, "2026-01-01T00:00:00Z")
    label_studio.send(batch, context)
    (task,) = tasks_of(server, "masks")
    submit(server, task, task["predictions"][0]["result"])
    ((judgement,),) = (answer.judgements for answer in label_studio.collect([batch], context))
    assert judgement.annotations == notes


# --- tokens and mistakes


def complaint(token: str, url: str, words: str) -> None:
    with connect(url, token) as client, pytest.raises(AnnotatorError, match=words):
        Studio(client).users()


def test_a_personal_token_works_and_is_renewed(server):
    made = server.client.post("/api/token/")
    if made.status_code == 409:
        pytest.skip("this server has one already")
    with connect(server.url, made.json()["token"]) as client:
        assert Studio(client).users()
        client.auth._access = "expired"  # type: ignore[union-attr]
        assert Studio(client).users()
    complaint("a.b.c", server.url, "refuses the personal token")


def test_mistakes_are_named(four, server, monkeypatch):
    complaint("0" * 40, server.url, r"refuses GET /api/users \(401\): Invalid token")
    complaint(TOKEN, "http://127.0.0.1:9", "does not answer")
    for title in ("twice", "twice"):
        Studio(server.client).create(title, "<View/>")
    with pytest.raises(AnnotatorError, match="2 projects with the title 'twice'"):
        annotate.run(params(four, server, "twice"), four.layout)
    strange = ledger.Batch("0001-x-00000000", "label_studio", "2026", (ledger.SentImage(id="f" * 64),))
    with pytest.raises(PoolError, match="1 of 1 images are not in the pool"):
        label_studio.send(strange, AnnotatorContext(four.layout, params(four, server, "strange")))
    monkeypatch.delenv("LABEL_STUDIO_TOKEN")
    with pytest.raises(AnnotatorError, match="LABEL_STUDIO_TOKEN is not set"):
        annotate.run(params(four, server, "no token"), four.layout)
