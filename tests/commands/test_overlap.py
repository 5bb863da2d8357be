"""`select.overlap`: an image stays open until so many different people have judged it."""

from __future__ import annotations

import pytest

from assay.commands import annotate, label, queue
from assay.data import ledger
from assay.data.edits import judges
from tests.commands.test_annotate import fill_in, hide, out


def params(queued, annotator=None, overlap=2, **options):
    return queued.params(select={"annotator": annotator, "overlap": overlap, "annotator_options": options})


@pytest.fixture
def take(queued, tmp_path):
    """Take in a file of labels with an overlap of 2."""

    def run(text: str, overlap: int = 2, **options):
        file = tmp_path / "labels.csv"
        file.write_text(text)
        return label.run(params(queued, overlap=overlap), queued.layout, file, **options)

    return run


def people(queued, sample):
    return judges(queued.batches).get(sample, [])


def test_people_stand_for_an_oracle_and_err_independently(queued):
    hide(queued, queued.unlabelled)
    result = annotate.run(params(queued, "oracle", 3, noise=0.5), queued.layout)
    (books,) = result["ledger"]
    assert (books["sent"], books["answered"], books["open"]) == (5, 5, 0)
    assert (books["wanted"], books["given"]) == (15, 15)
    assert people(queued, queued.unlabelled[1]) == ["oracle", "oracle-2", "oracle-3"]


def test_the_ledger_counts_people_and_not_judgements(queued, take):
    first, second, *_ = queued.unlabelled
    annotate.run(params(queued), queued.layout)
    (batch,) = ledger.read(queued.layout.ledger)
    assert {row.overlap for row in batch.rows} == {2}
    take(f"id,label\n{first},odd\n{second},odd\n", by="ann")
    take(f"id,label\n{first},even\n", by="ann")
    assert first in ledger.open_ids(batch, judges(queued.batches)), "one person who changes her mind is one"
    result = take(f"id,label\n{second},odd\n", by="bob")
    assert result["written"] == {"label": 1}, "it confirms the label, and is asked for"
    (books,) = ledger.account([batch], judges(queued.batches))
    assert (books["sent"], books["answered"], books["open"]) == (5, 1, 4)
    assert (books["wanted"], books["given"]) == (10, 3)


def test_a_confirmation_is_written_once_a_person_and_as_often_as_asked(queued, take):
    sample = queued.unlabelled[0]
    row = f"id,label\n{sample},odd\n"
    assert take(row, by="ann")["written"] == {"label": 1}
    assert take(row, by="ann")["unchanged"] == 1
    assert take(row, overlap=1, by="bob")["unchanged"] == 1, "without an overlap, it says nothing new"
    assert take(row, by="bob")["written"] == {"label": 1}
    assert take(row, by="cid")["unchanged"] == 1
    assert people(queued, sample) == ["ann", "bob"]


def test_people_in_one_file_do_not_contradict_each_other(queued, take):
    sample = queued.unlabelled[0]
    text = f"id,label,by\n{sample},odd,ann\n{sample},even,bob\n"
    assert take(text, overlap=1, skip_bad=True)["written"] == {}
    assert take(text)["written"] == {"label": 2}


def test_the_queue_says_how_many_have_judged_and_leaves_out_ones_own(queued, take):
    first, second, *_ = queued.unlabelled
    annotate.run(params(queued), queued.layout)
    take(f"id,label\n{first},odd\n", by="ann")
    shown = queue.run(queued.layout, overlap=2)
    assert (shown["open"], shown["answered"]) == (5, 0)
    assert "judged by 1 of 2" in next(row["reason"] for row in shown["rows"] if row["id"] == first)
    assert first not in {row["id"] for row in queue.run(queued.layout, overlap=2, by="ann")["rows"]}
    queued.curate()
    queued.select()
    again = {row["id"] for row in queue.run(queued.layout, overlap=2)["rows"]}
    assert first in again, "it has a label, and waits for a second person"
    take(f"id,label\n{first},even\n", by="bob")
    left = {row["id"] for row in queue.run(queued.layout, overlap=2)["rows"]}
    assert first not in left
    assert second in left


def test_answers_of_people_in_files_are_taken_one_by_one(queued):
    asked = params(queued, "file")
    annotate.run(asked, queued.layout)
    rows = out(queued)
    fill_in(queued, [row | {"label": "odd", "by": "ann"} for row in rows])
    fill_in(queued, [row | {"label": "even", "by": "bob"} for row in rows[:2]], "bob.csv")
    first = annotate.run(asked, queued.layout)
    assert (first["answered"], first["open"], first["refused"]) == ({"label": 7}, 3, [])
    again = annotate.run(asked, queued.layout)
    assert (again["batch"], again["repeated"], again["refused"]) == (None, 7, [])
    fill_in(queued, [row | {"label": "even", "by": "ann"} for row in rows[:1]], "late.csv")
    late = annotate.run(asked, queued.layout)
    assert {row["kind"] for row in late["refused"]} == {"answered already"}


def test_without_an_overlap_two_people_who_differ_contradict_each_other(queued):
    asked = params(queued, "file", overlap=1)
    annotate.run(asked, queued.layout)
    rows = out(queued)[:1]
    fill_in(queued, [rows[0] | {"label": "odd", "by": "ann"}])
    fill_in(queued, [rows[0] | {"label": "even", "by": "bob"}], "bob.csv")
    assert [row["kind"] for row in annotate.run(asked, queued.layout)["refused"]] == ["contradiction"] * 2
