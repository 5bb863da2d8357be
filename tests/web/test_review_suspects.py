"""Suspected objects on the page of `assay review`: from `assay audit` to the edit batch, and to the next audit."""

from __future__ import annotations

import numpy as np
import pytest

from assay.commands import review as command_of_review
from assay.data import object_suspects
from assay.errors import MissingInput
from assay.web.review import Review
from tests.commands.test_audit_objects import CLASSES, Boxes
from tests.web.reviewing import page, serving
from tests.web.test_review_draw import Studio


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Boxes(tmp_path_factory.mktemp("boxes"))


@pytest.fixture
def boxes(made):
    yield made
    for file in made.layout.edits.glob("*.jsonl"):
        file.unlink()
    object_suspects.file(made.layout).unlink(missing_ok=True)


def suspected(boxes):
    """Numbers of the images in the list on the page."""
    found = Review(boxes.params, boxes.layout).listing({"view": "suspects"})
    return [boxes.names[sample] for sample in found.ids(0, len(found))]


def test_without_an_audit_the_page_says_which_command_makes_one(boxes):
    review = Review(boxes.params, boxes.layout)
    with pytest.raises(MissingInput, match="not audited") as error:
        review.listing({"view": "suspects"})
    assert "`assay audit --html audit.html`" in error.value.hint
    boxes.audit(above=0.9)
    rows = object_suspects.kept(boxes.layout)
    assert rows[0]["probability"] == max(row["probability"] for row in rows)
    assert review.counts()["suspects"] == len({row["id"] for row in rows}) > 2
    suspicion = review.measures()["suspicion"]
    assert np.nanmax(suspicion) == np.float32(rows[0]["probability"])
    assert np.isfinite(suspicion).sum() == len({row["id"] for row in rows}), (
        "the map has no colour for the others"
    )


def test_a_confirmation_is_a_review_also_after_the_snapshot_changed(boxes):
    boxes.audit()
    sample = object_suspects.kept(boxes.layout)[-1]["id"]
    given = {"id": sample, "act": "keep", "view": "suspects", "event": "0" * 16}
    assert Review(boxes.params, boxes.layout).judge([given], "Ada")["refused"] == []
    rows = object_suspects.kept(boxes.layout)
    object_suspects.keep(boxes.layout, "of another snapshot", rows, ["val"])
    assert command_of_review.finish(boxes.params, boxes.layout)["written"] == {"label": 1}
    boxes.audit()
    assert boxes.names[sample] not in suspected(boxes)


def test_from_the_audit_to_the_edit_batch_and_to_the_next_audit(browser, boxes):
    boxes.audit()
    rows = object_suspects.kept(boxes.layout)
    swapped = next(row for row in rows if row["kind"] == "swapped")
    spurious = next(row for row in rows if row["kind"] == "spurious")
    before = suspected(boxes)
    assert before[0] == boxes.names[rows[0]["id"]]
    with (
        serving(boxes.params, boxes.layout) as site,
        page(browser, site.link(query="view=suspects")) as shown,
    ):
        studio = Studio(shown, swapped["id"])
        text = f"swapped {swapped['given']} → {swapped['suggested']}, "
        shown.until("!!document.querySelector('.suspect')")
        assert text in " ".join(shown.texts_of(".suspect"))
        shown.run(
            f"[...document.querySelectorAll('.suspect')].find(one => one.innerText.startsWith('{text}')).click()"
        )
        assert f"suggested: {swapped['suggested']}, box" in studio.status()
        studio.keys("a")
        assert len(studio.annotations()) == 4
        studio.keys("Shift+A", "Enter")
        studio = Studio(shown, spurious["id"])
        shown.until("!!document.querySelector('.suspect')")
        studio.run(
            "[...document.querySelectorAll('.suspect')].find(one => one.innerText.startsWith('spurious')).click()"
        )
        studio.keys("Delete")
        studio.keys("Enter", "Enter")
        shown.saved()
        done = command_of_review.finish(boxes.params, boxes.layout)
        assert done["written"] == {"label": 2}
        assert studio.troubles() == []
    held = {one.id: one.annotations for one in boxes.judgements()}
    n = boxes.names[swapped["id"]]
    found = sorted((note.category, *np.round(note.box, -1)) for note in held[swapped["id"]])
    assert found == sorted((CLASSES[k], *np.round(np.array(box, float), -1)) for box, k in boxes.right(n))
    assert all(list(note.box) != spurious["box"] for note in held[spurious["id"]])
    boxes.audit()
    assert set(suspected(boxes)) == set(before) - {n, boxes.names[spurious["id"]]}
