"""Whole sessions of `assay review`: a server process that is killed, browsers, and what is on disk at the end."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack

import numpy as np

from assay.commands import annotate
from assay.data import ledger, masks
from assay.data.annotations import Annotation
from assay.data.edits import judges, read_batches
from assay.data.journal import FILE, FOLDER
from assay.lineage.people import whoami
from tests.web.reviewing import KINDS, command, held, make_project, page
from tests.web.test_review_draw import Studio, objects_project

KEYS = dict(zip("123", KINDS, strict=True)) | {"x": "exclude", "s": None}
"""{key: what an image is then}; None: no answer."""


class Session:
    """What a person presses, and what it should come to."""

    def __init__(self, shown, ids):
        self.page, self.ids = shown, ids
        self.wanted: dict[str, str | None] = {}
        self.events = 0

    def press(self, key, *places):
        """A key that judges the images at these places of the list of all, in the order of the list on the page."""
        self.page.press(key)
        self.wanted |= {self.ids[at]: KEYS[key] for at in places}
        self.events += len(places)

    def through(self, start, end):
        """Judge one image after the other, each with the next key."""
        for at in range(start, end):
            if self.ids[at] in self.wanted:
                self.page.press("ArrowRight")
            else:
                self.press("123x123s12"[at % 10], at)


def events(root):
    """The lines of the journal: the events of answers, and the names of finished batches."""
    lines = [json.loads(line) for line in (root / FOLDER / FILE).read_text().splitlines()]
    return [one for one in lines if "event" in one], [one["finished"] for one in lines if "finished" in one]


def done(shown):
    """Press `Done`, and write the batch; what the page says of it."""
    shown.run("document.querySelector('#bar .primary').click()")
    shown.run("document.querySelector('dialog .primary').click()")
    shown.until("!!document.querySelector('dialog') && !document.querySelector('dialog p + .primary')")
    return shown.run("document.querySelector('dialog').innerText")


def test_240_images_by_two_people_through_a_kill_a_sleep_and_a_dead_network(browser, tmp_path):
    project = make_project(tmp_path, 240)
    params = project.params(select={"annotator": "review"})
    annotate.run(params, project.layout)
    (tmp_path / "params.yaml").write_text(json.dumps(project.defaults | {"select": {"annotator": "review"}}))
    me = whoami(tmp_path)
    with ExitStack() as stack:
        first, said = stack.enter_context(command(tmp_path, "--invite", "Bo"))
        port, links = str(said["port"]), said["links"]
        shown = stack.enter_context(page(browser, f"{links[me]}&view=all&split=train&meta.camera=cam1"))
        bo = stack.enter_context(page(browser, f"{links['Bo']}&view=all"))

        # several at once, in a filtered grid
        shown.ready()
        bo.ready()
        ids = bo.ids()
        assert len(ids) == 240
        some = [ids.index(sample) for sample in shown.ids()]
        ada = Session(shown, ids)
        shown.press("Shift+ArrowRight", "Shift+ArrowRight")
        ada.press("1", *some[:3])
        assert shown.run("[review.at, review.now.columns]") == [3, 5]
        shown.drag(shown.middle(5), shown.middle(6))
        ada.press("2", *some[5:7])
        shown.press(" ", "ArrowRight", "ArrowRight", " ")
        ada.press("x", some[7], some[9])
        shown.press("u", "Control+z", "Shift+U", "Control+y")
        ada.events += 2 * 4  # withdrawn, and given again
        shown.press("u")
        ada.events += 2
        ada.wanted = {sample: said for sample, said in ada.wanted.items() if said != "exclude"}

        # one after the other; taken back, and judged otherwise
        shown.run("review.address({view: 'all'}, true)")
        shown.until("review.rows?.n === 240 && review.now?.thumbnails.rows === review.rows")
        shown.ready()
        shown.press("Enter")
        ada.through(0, 80)
        last = [at for at in range(80) if at not in some[:3] + some[5:7]][-2:]
        shown.press("u", "u")
        ada.events += 2
        ada.press("3", last[0])
        ada.wanted[ids[last[1]]] = None
        shown.run("review.go(80)")

        # the server is killed, while Bo's laptop sleeps
        bo.press("2")
        bo.saved()
        bo.asleep(True)
        shown.saved()
        first.kill()
        first.wait(20)
        ada.through(80, 100)
        shown.until("review.outbox.offline")
        shown.says(f"offline: {shown.run('review.outbox.pending')} judgements kept in this browser")
        assert shown.run("review.outbox.pending") >= 15
        _, again = stack.enter_context(command(tmp_path, "--invite", "Bo", "--port", port))
        assert again["links"] == links, "links and cookies are those of before"
        shown.saved()
        bo.asleep(False)
        bo.press("End", "x")
        bo.saved()

        # the network is gone, and back; the tab is closed in between
        shown.offline(True)
        ada.through(100, 110)
        shown.until("review.outbox.offline")
        shown.offline(False)
        shown.saved()
        shown.open(f"{shown.origin}/?view=all&look=single&at=110")
        shown.ready()
        ada.through(110, 239)
        shown.saved()

        # two answers to one image: both people see it
        shown.run("review.news()")
        shown.run("review.address({state: 'conflict'})")
        shown.until("review.rows?.n === 1")
        shown.ready()
        assert shown.ids() == [ids[0]]
        shown.press("Enter")
        shown.until("document.querySelector('.facts')?.innerText.includes('people disagree')")
        facts = shown.run("document.querySelector('.facts').innerText")
        assert f"{me}: {ada.wanted[ids[0]]}" in facts
        assert "Bo: square" in facts
        bo.press("Home")
        bo.run("review.news()")
        bo.until("document.querySelector('#cell-0').classList.contains('is-conflict')")

        # the end
        said = done(shown)
        bo.run("review.news()")
        bo.says("nothing judged yet")
        troubles = [one for one in shown.troubles() + bo.troubles() if "Failed to load" not in one]
        assert troubles == [], "besides requests to a server that was not there"

    given, finished = events(tmp_path)
    assert len({one["event"] for one in given}) == len(given) == ada.events + 2, "each act once"
    assert "1 image with different answers of several people" in said

    ((name, batch),) = read_batches(project.layout.edits)
    assert finished == [f"{name}.jsonl"]
    assert len({(one.id, one.by) for one in batch}) == len(batch)
    of_bo = [(one.id, one.op) for one in batch if one.by == "Bo"]
    assert of_bo == [(ids[0], "label"), (ids[239], "exclude")]
    assert all(one.seconds is not None and one.seconds < 60 for one in batch), "a sleep is no work"

    wanted = ada.wanted | {ids[0]: "square", ids[239]: "exclude"}  # of two answers the last one counts
    before = {row["id"]: row["annotations"] for row in project.pool.imports.to_pylist()}
    sent = project.table("queue")["id"].to_pylist()
    left = [sample for sample in sent if wanted[sample] is None]
    (account,) = ledger.account(ledger.read(project.layout.ledger), judges(project.batches))
    assert (account["sent"], account["open"]) == (len(sent), len(left)), "what was skipped is still open"
    assert account["answered"] == len(sent) - len(left) > 80
    assert left

    snapshot = project.curate()
    rows = {row["id"]: row for row in snapshot.samples.to_pylist()}
    labels = snapshot.labels()
    assert wanted.keys() == rows.keys() == set(ids), "every image is accounted for"
    for sample, said in wanted.items():
        assert rows[sample]["excluded"] == (said == "exclude")
        came = before[sample] and json.loads(before[sample])[0]["category"]
        assert labels.get(sample) == (came if said in (None, "exclude") else said)
    assert Counter(wanted.values()).keys() == {*KINDS, "exclude", None}


def test_80_images_with_objects_drawn_and_corrected_through_a_kill(browser, tmp_path):
    project, _ = objects_project(tmp_path, "detection", images=80)
    (tmp_path / "params.yaml").write_text(json.dumps(project.defaults))
    with ExitStack() as stack:
        first, said = stack.enter_context(command(tmp_path))
        shown = stack.enter_context(page(browser, f"{said['url']}&view=all"))
        shown.ready()
        ids = shown.ids()

        # a box: drawn, moved, and a corner dragged
        studio = Studio(shown, ids[0])
        studio.keys("b")
        studio.drag((30, 20), (60, 50), (90, 70))
        studio.keys("v", "ArrowRight", "Shift+ArrowDown")
        studio.drag((91, 80), (100, 85), (110, 90))
        shown.run(
            "[...document.querySelectorAll('#judge button')].find(one => /confirm/.test(one.innerText)).click()"
        )
        assert shown.run("review.at") == 1, "what a key does, a click does"

        # a polygon: a corner moved, one inserted, one deleted
        studio = Studio(shown, ids[1])
        studio.keys("p", "2")
        for point in ((20, 20), (80, 20), (80, 60), (20, 60), (20, 20)):
            studio.click(*point)
        studio.keys("v")
        studio.drag((80, 60), (90, 70), (100, 80))
        studio.drag((50, 20), (50, 15), (50, 10))
        studio.click(20, 60, modifiers=1)
        studio.keys("Enter")
        shown.saved()

        # a mask: painted, then erased where it is too large; the server is killed in between
        studio = Studio(shown, ids[2])
        studio.keys("r")
        studio.run("editor.brushSize = 20")
        studio.drag((40, 50), (80, 50), (120, 50))
        first.kill()
        first.wait(20)
        studio.keys("e")
        studio.drag((110, 50), (115, 50), (120, 50))
        studio.until("review.outbox.offline")
        shown.says("offline: 1 judgement kept in this browser")
        stack.enter_context(command(tmp_path, "--port", str(said["port"])))
        shown.saved()

        # taken back, in the editor and on the page; excluded, skipped
        studio = Studio(shown, ids[3])
        studio.keys("b")
        studio.drag((30, 20), (60, 50), (90, 70))
        studio.keys("z")
        studio.drag((10, 20), (60, 50), (90, 70))
        studio.keys("Enter", "x", "u", "Shift+U", "ArrowRight", "s")

        # the others have nothing on them; Enter confirms an image only once it is shown
        Studio(shown, ids[6])
        release = held(shown, "/image/")
        studio.keys(*["Enter"] * 30)
        reached = shown.run("review.at")
        assert release() > 0
        for sample in ids[reached:]:
            shown.until(f"review.now.shownId === '{sample}'")
            studio.keys("Enter")
        shown.saved()
        assert shown.run("review.at") == 79

        # several at once, in the grid
        shown.press("Escape", "End", "Shift+ArrowLeft", "Shift+ArrowLeft", "x")
        shown.saved()
        said = done(shown)
        troubles = [one for one in shown.troubles() if "Failed to load" not in one]
        assert troubles == []

    assert "75 label, 4 exclude" in said
    ((_, batch),) = read_batches(project.layout.edits)
    assert len({one.id for one in batch}) == len(batch) == 79, "each image once, but for the skipped one"
    of = {one.id: one for one in batch}
    assert of[ids[0]].annotations == [Annotation(category="nucleus", bbox=(31, 30, 79, 60))]
    polygon = {"category": "debris", "segmentation": [[20, 20, 50, 10, 80, 20, 100, 80]]}
    assert of[ids[1]].annotations == [Annotation.model_validate(polygon)]
    mask = masks.decode(of[ids[2]].annotations[0].segmentation)
    assert mask[50, 30:95].all()
    assert not mask[50, 110:].any()
    assert of[ids[3]].annotations == [Annotation(category="debris", bbox=(10, 20, 80, 50))]
    assert of[ids[4]].op == "exclude"
    assert ids[5] not in of
    assert all(of[sample].annotations == [] for sample in ids[6:-3])
    assert [of[sample].op for sample in ids[-3:]] == ["exclude"] * 3
    snapshot = project.curate()
    assert snapshot.annotations["category"].to_pylist().count("debris") == 3
    assert np.sum(snapshot.samples["labelled"].to_numpy()) == 75
