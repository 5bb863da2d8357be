"""Answers that a round took over from the page, and what an undo of them does: nothing is lost, and nothing hidden."""

from __future__ import annotations

import pytest

from assay.commands import annotate
from assay.commands import review as command_of_review
from assay.data import ledger
from assay.data.edits import read_batches
from assay.data.ledger import SentImage
from assay.web.review import Review
from tests.web.reviewing import journal, judgements, make_project, page, serving

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path, 20)


@pytest.fixture
def params(project):
    return project.params(select={"annotator": "review"})


def sent(project):
    """Send the queue, and images that have a label: (labelled, unlabelled) content ids."""
    known = [row["id"] for row in project.pool.imports.to_pylist() if row["annotations"]]
    rows = [SentImage(id=one, strategy="review") for one in [*known, *project.unlabelled]]
    ledger.write(project.layout.ledger, "review", rows, NOW)
    return known, project.unlabelled


def give(review, n, sample, act, *classes):
    """An event, and what the server says of it."""
    event = {"event": f"{n:016}", "id": sample, "act": act, "view": "sent"}
    notes = {"annotations": [{"category": name} for name in classes]} if classes else {}
    return review.judge([event | notes], "Ada")


def test_an_undo_gives_back_what_a_collected_answer_changed(project, params):
    (known, other, *_), (new, out, *_) = sent(project)
    was = next(one["label"] for one in labels(project) if one["id"] == known)
    review = Review(params, project.layout)
    give(review, 1, known, "label", "triangle" if was != "triangle" else "square")
    give(review, 2, other, "exclude")
    give(review, 3, new, "label", "circle")
    give(review, 4, out, "exclude")
    assert not any(one["collected"] for one in review.shown(known))
    annotate.run(params, project.layout)
    news = review.news(0, 4, 0)
    assert all(news["answers"][sample][0]["collected"] for sample in (known, other, new, out))

    said = give(review, 5, known, "clear")
    assert said["corrected"] == [known]
    assert [(one["act"], one["annotations"], one["collected"]) for one in said["answers"][known]] == [
        ("label", [{"category": was}], False)
    ]
    assert [give(review, n, sample, "clear")["corrected"] for n, sample in ((6, other), (7, out))] == [
        [other],
        [out],
    ]
    said = give(review, 8, new, "clear")
    assert "had no label before it" in said["refused"][0]["why"]
    assert said["answers"][new][0]["annotations"] == [{"category": "circle"}], "the page shows what counts"

    done = command_of_review.finish(params, project.layout)
    assert done["written"] == {"label": 1, "include": 2}
    snapshot = project.curate()
    rows = {row["id"]: row for row in snapshot.samples.to_pylist()}
    assert snapshot.labels()[known] == was
    assert not rows[other]["excluded"]
    assert not rows[out]["excluded"]
    assert snapshot.labels()[new] == "circle"


def labels(project):
    found = project.curate().labels()
    return [{"id": sample, "label": label} for sample, label in found.items()]


def test_what_others_said_since_stands(project, params):
    (known, *_), (new, *_) = sent(project)
    review = Review(params, project.layout)
    give(review, 1, new, "label", "circle")
    annotate.run(params, project.layout)
    project.judge(new, label="square")
    said = give(review, 2, new, "clear")
    assert (said["corrected"], said["refused"]) == ([], []), (
        "the label is another one already: nothing to give back"
    )
    assert new not in journal(project.layout.root).answers.of
    give(review, 3, known, "skip")
    assert give(review, 4, known, "clear")["corrected"] == []


def test_the_page_says_that_a_round_took_an_answer_over_and_what_undo_does(browser, project, params):
    known, _ = sent(project)
    with (
        serving(params, project.layout) as site,
        page(browser, site.link(query="view=all&status=labelled")) as it,
    ):
        it.ready()
        it.press("Enter")
        label, sample = it.run("[review.row.label, review.row.id]")
        assert sample in known
        it.press("2" if label != "square" else "3", "ArrowLeft")
        it.saved()
        annotate.run(params, project.layout)
        it.run("review.news()")
        it.until("document.querySelector('.answer')?.innerText.includes('taken over by a round')")
        it.press("u")
        it.until("document.getElementById('toast').innerText.includes('which Done writes')")
        it.until(f"document.querySelector('.answer')?.innerText === 'Ada: {label}'")
        assert it.troubles() == []
        assert command_of_review.finish(params, project.layout)["written"] == {"label": 1}
    assert judgements(project.layout.root)[sample][-1] == [label]
    assert len(read_batches(project.layout.edits)) == 2


def test_an_image_that_was_sent_again_is_open_until_somebody_looks_again(project, params):
    _, (sample, *_) = sent(project)
    review = Review(params, project.layout)
    give(review, 1, sample, "label", "circle")
    annotate.run(params, project.layout)
    assert len(review.listing({"view": "sent", "state": "judged"})) == 0, "taken over, and sent once"
    again = [SentImage(id=sample, strategy="review", label="circle", judged=1)]
    ledger.write(project.layout.ledger, "review", again, "2099-01-01T00:00:00Z")
    assert review.listing({"view": "sent", "state": "open"}).ids(0, 99).count(sample) == 1
    assert review.shown(sample) == [], "what it has now is its label, not an answer"
    *_, file = sorted(project.layout.ledger.glob("*.jsonl"))
    file.write_text(file.read_text().replace("2099", "2001"))
    later = Review(params, project.layout)
    give(later, 2, sample, "label", "square")
    assert later.listing({"view": "sent", "state": "judged"}).ids(0, 99) == [sample]
    assert [one["collected"] for one in later.shown(sample)] == [False]
