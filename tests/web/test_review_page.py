"""The page of `assay review` in a real browser: judged by keys, killed, offline, by two people at once."""

from __future__ import annotations

import pytest

from assay.commands import review as command_of_review
from tests.web.reviewing import KINDS, held, journal, judgements, make_project, page, serving


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


def test_who_may_look_has_no_buttons(browser, site):
    with page(browser, site.link("Cy", "view=all")) as it:
        it.ready()
        it.press("1", "x")
        assert it.run("document.querySelectorAll('#judge button, #bar .primary').length") == 0
        assert it.run("review.outbox.pending") == 0


def test_escape_leads_from_the_filters_back_to_the_images(browser, site):
    with page(browser, site.link("Ada", "view=all")) as it:
        it.ready()
        for k in ("/", "f"):
            it.press(k)
            assert it.run("!!document.activeElement.closest('#side')")
            it.press("Escape")
            assert it.run("document.activeElement.className") == "grid"
        it.press("1")
        assert it.run("review.answers.of.size") == 1


def test_keys_pressed_while_rows_are_on_their_way_judge_one_image_after_the_other(browser, site):
    with page(browser, site.link("Ada", "view=all&look=single")) as it:
        it.ready()
        ids = it.ids()
        press = "document.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
        it.run(f"review.rows.chunks.clear(), {', '.join(press % key for key in '12u3x2')}")
        it.until("review.answers.of.size === 4 && !review.acts.running")
        said = [it.run(f"review.answers.mine('{ids[at]}')") for at in range(4)]
        categories = [
            one["annotations"][0]["category"] if one["act"] == "label" else one["act"] for one in said
        ]
        assert categories == [KINDS[0], KINDS[2], "exclude", KINDS[1]]


def test_help_does_not_wait_for_rows_that_never_come(browser, site):
    with page(browser, site.link("Ada", "view=all&look=single")) as it:
        it.ready()
        it.run("review.rows.chunks.clear(), review.rows.wait = () => new Promise(() => {}), null")
        it.press("1", "?")
        it.until("!!document.querySelector('dialog[open]')")
        assert it.run("!!review.acts.running")


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


def test_what_is_known_of_an_image_is_shown_also_if_keys_went_back_meanwhile(browser, site):
    with page(browser, site.link(query="view=all")) as it:
        it.ready()
        release = held(it, "/api/about")
        it.press(*["ArrowRight"] * 5, "Enter")
        it.until("review.at === 5 && review.now.asking === true")
        it.press(*["ArrowLeft"] * 3)
        it.until("review.at === 2")
        assert release() == 1
        it.until("document.querySelector('.facts').innerText.includes('px')")
