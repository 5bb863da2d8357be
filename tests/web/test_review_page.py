"""The page of `assay review` in a real browser: judged by keys, killed, offline, by two people at once."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from assay.commands import review as command_of_review
from tests.web.reviewing import KINDS, command, journal, judgements, make_project, page, serving


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """200 images, 120 of them without a label."""
    return make_project(tmp_path_factory.mktemp("review"), 200)


@pytest.fixture
def site(made):
    file = journal(made.layout.root).file
    file.unlink(missing_ok=True)
    with serving(made.params(), made.layout, {"Ada": "judge", "Bo": "judge", "Cy": "view"}) as one:
        yield one


def test_two_hundred_images_by_keys(browser, tmp_path):
    project = make_project(tmp_path, 200)
    with serving(project.params(), project.layout) as site, page(browser, site.link(query="view=all")) as it:
        it.ready()
        ids = it.ids()
        assert len(ids) == 200
        it.press("Enter")
        wanted: dict[str, object] = {}
        for n, sample in enumerate(ids):
            k, said = {0: ("1", ["circle"]), 1: ("2", ["square"]), 2: ("x", "exclude"), 3: ("s", None)}[n % 4]
            it.press(k)
            wanted[sample] = said
        it.press("u", "u", "3")  # the last two are taken back; the first of them gets a third class
        wanted[ids[198]], wanted[ids[199]] = ["triangle"], None
        it.press("Home", "3", "Control+z", "Control+y")
        wanted[ids[0]] = ["triangle"]
        it.saved()
        it.says("199 judged, all saved")
        it.press("Escape", "End")
        shown = it.run(
            "[...document.querySelectorAll('.cell')].every(one => one.getBoundingClientRect().width > 50)"
        )
        assert shown, "whatever was answered, every image is still there"
        it.run("document.querySelector('#bar .primary').click()")
        it.run("document.querySelector('dialog .primary').click()")
        it.until("/Written: data.edits.0001-review.jsonl/.test(document.querySelector('dialog').innerText)")
        present = {row["id"]: row["annotations"] for row in project.pool.imports.to_pylist()}
        found = judgements(tmp_path)
        for sample, said in wanted.items():
            unchanged = isinstance(said, list) and present[sample] == json.dumps(
                [{"category": said[0]}], separators=(",", ":")
            )
            assert found.get(sample) == (None if said is None or unchanged else [said])
        seconds = [one.seconds for _, batch in project.batches for one in batch]
        assert all(one is not None and 0 < one < 60 for one in seconds)
        assert it.troubles() == []


def test_a_filter_and_several_at_once_in_the_grid(browser, site, made):
    with page(browser, site.link("Ada", "view=queue&split=train&meta.camera=cam1")) as it:
        it.ready()
        ids = it.ids()
        assert 20 < len(ids) < 60
        assert it.texts_of(".cell .label")[0] == "no label"
        it.press("Shift+ArrowRight", "Shift+ArrowRight", "1")
        assert it.run("review.at") == 3
        assert it.run("review.now.columns") == 5
        it.drag(it.middle(5), it.middle(6))
        assert it.run("[...review.now.selected]") == [5, 6]
        it.press("2", " ", "ArrowRight", "ArrowRight", " ", "x")
        it.saved()
        answers = {
            s: next(iter(held.values())).event for s, held in journal(made.layout.root).answers.of.items()
        }
        said = [
            answers[s].annotations[0].category if answers[s].annotations else answers[s].act
            for s in ids
            if s in answers
        ]
        assert said == ["circle"] * 3 + ["square"] * 2 + ["exclude"] * 2
        assert [n for n, s in enumerate(ids) if s in answers] == [0, 1, 2, 5, 6, 7, 9]
        it.press("u", "u")
        it.saved()
        assert len(journal(made.layout.root).answers.of) == 3
        assert it.troubles() == []


def test_killed_in_the_middle_nothing_is_lost_and_nothing_twice(browser, tmp_path):
    project = make_project(tmp_path, 30)
    with command(tmp_path) as (first, said), page(browser, said["url"]) as it:
        port = str(said["port"])
        it.ready()
        ids = it.ids()
        it.press("1", "2", "3")
        it.saved()
        first.send_signal(signal.SIGKILL)
        first.wait(20)
        it.press("1", "2")
        it.until("review.outbox.offline")
        it.says("offline: 2 judgements kept in this browser")
        with command(tmp_path, "--port", port) as (_, again):
            assert again["url"] == said["url"], "the link and the cookie are those of before"
            it.open(it.origin)
            it.ready()
            it.saved()
            it.press("End", "x")
            it.saved()
        result = command_of_review.finish(project.params(), project.layout)
    assert (result["written"], result["images"]) == ({"label": 5, "exclude": 1}, 6)
    wanted = [[["circle"]], [["square"]], [["triangle"]], [["circle"]], [["square"]], ["exclude"]]
    assert [judgements(tmp_path)[sample] for sample in [*ids[:5], ids[-1]]] == wanted
    again = command_of_review.finish(project.params(), project.layout)
    assert (again["batch"], len(project.batches)) == (None, 1)


def test_without_a_network_judgements_wait_in_the_browser(browser, site, made):
    with page(browser, site.link("Ada", "view=queue")) as it:
        it.ready()
        it.press("Enter", "1")
        it.saved()
        it.offline(True)
        it.press("2", "3", "u", "x")
        it.until("review.outbox.offline")
        it.says("offline: 4 judgements kept in this browser")
        assert len(journal(made.layout.root).answers.of) == 1
        it.offline(False)
        it.run("review.outbox.retry()")
        it.saved()
        it.says("3 judged, all saved")
        acts = Counter(
            g.event.act for held in journal(made.layout.root).answers.of.values() for g in held.values()
        )
        assert acts == {"label": 2, "exclude": 1}


def test_two_people_at_once_see_each_other_and_are_both_kept(browser, site, made):
    with (
        page(browser, site.link("Ada", "view=queue")) as ada,
        page(browser, site.link("Bo", "view=queue")) as bo,
    ):
        ada.ready(), bo.ready()
        sample = ada.ids()[0]
        ada.press("1")
        ada.saved()
        bo.press("2")
        bo.saved()
        ada.press("ArrowLeft")
        ada.run("review.news()")
        ada.until("document.querySelector('#cell-0').classList.contains('is-conflict')")
        ada.press("Enter")
        ada.until("document.querySelector('.facts').innerText.includes('people disagree')")
        assert "Ada: circle" in ada.run("document.querySelector('.facts').innerText")
        result = command_of_review.finish(made.params(), made.layout)
        assert result["disputed"] == [sample]
        assert judgements(made.layout.root)[sample] == [["circle"], ["square"]]
        ada.run("review.news()")
        ada.says("nothing judged yet")
        assert ada.troubles() == bo.troubles() == []


def test_who_may_look_has_no_buttons(browser, site):
    with page(browser, site.link("Cy", "view=all")) as it:
        it.ready()
        it.press("1", "x")
        assert it.run("document.querySelectorAll('#judge button, #bar .primary').length") == 0
        assert it.run("review.outbox.pending") == 0


def test_what_is_too_large_is_said_and_holds_nothing_up(browser, site):
    with page(browser, site.link("Ada", "view=queue")) as it:
        it.ready()
        first, second = it.ids()[:2]
        large = "annotations: [{category: 'x', attributes: {text: 'x'.repeat(9e6)}}]"
        script = "review.answers.give([{id: '%s', act: 'label', %s}], 0, 1, 'queue')"
        it.run(f"localStorage.clear(), {script % (first, large)}")
        names = "annotations: [{category: '\u8c61'.repeat(2000)}]"
        it.run(f"for (let n = 0; n < 30; n++) {script % (second, names)}")
        it.run(script % (second, "annotations: [{category: 'square'}]"))
        it.until("review.outbox.pending === 0 && !review.outbox.offline")
        assert "larger than" in it.run("document.getElementById('toast').innerText")
        assert it.run(f"review.answers.of.has('{first}')") is False
        assert it.run(f"review.answers.mine('{second}').annotations[0].category") == "square"


def test_keys_turn_tags_on_and_off(browser, tmp_path):
    project = make_project(tmp_path, 20)
    tags = project.params(task="multilabel", track={"primary": "micro_f1"})
    with (
        serving(tags, project.layout) as site,
        page(browser, site.link(query="view=all&status=labelled")) as it,
    ):
        it.ready()
        label, at = it.run("[review.row.label, review.at]")
        mine = "(review.answers.mine(review.row.id)?.annotations ?? []).map(note => note.category)"
        others = [str(n + 1) for n, name in enumerate(KINDS) if name != label]
        it.press("Enter", others[0], others[1])
        assert (sorted(it.run(mine)), it.run("review.at")) == (sorted(KINDS), at), "it stays on the image"
        it.press(others[1], others[0])
        assert it.run(mine) == [label]
        it.press(str(KINDS.index(label) + 1))
        assert it.run(mine) == [], "none of the classes is an answer"
        it.press("ArrowRight", "k")
        it.saved()
        it.says("2 judged, all saved")
        result = command_of_review.finish(tags, project.layout)
        assert (result["written"], result["unchanged"]) == ({"label": 1}, 1)
        assert list(judgements(tmp_path).values()) == [[[]]]


HOLD = """(() => {
  const asked = window.fetch, held = [];
  window.fetch = (url, more) => String(url).includes("/api/about")
    ? new Promise(done => held.push(() => done(asked(url, more)))) : asked(url, more);
  window.release = () => { window.fetch = asked; held.forEach(go => go()); return held.length; };
})()"""


def test_what_is_known_of_an_image_is_shown_also_if_keys_went_back_meanwhile(browser, site):
    with page(browser, site.link(query="view=all")) as it:
        it.ready()
        it.run(HOLD)
        it.press(*["ArrowRight"] * 5, "Enter")
        it.until("review.at === 5 && review.now.asking === true")
        it.press(*["ArrowLeft"] * 3)
        it.until("review.at === 2")
        assert it.run("window.release()") == 1
        it.until("document.querySelector('.facts').innerText.includes('px')")
