"""The journal of `assay review`: nothing lost, nothing twice, whoever dies when."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.data.journal import Event, Journal, disagree
from assay.errors import EditError

IDS = [f"{n:064x}" for n in range(3)]


def event(
    number: int, sample: str = IDS[0], act: str = "label", name: str = "cat", by: str = "Ada", **more
) -> Event:
    notes = [Annotation(category=name)] if act == "label" else None
    return Event(
        event=f"event-{number:04d}",
        id=sample,
        act=act,
        annotations=notes,
        by=by,
        at="2026-01-01T00:00:00Z",
        **more,
    )


ACTS = st.tuples(
    st.sampled_from(IDS),
    st.sampled_from(["label", "exclude", "skip", "clear"]),
    st.sampled_from(["Ada", "Bo"]),
)


def state(journal: Journal) -> dict:
    return {
        sample: [(by, given.event.act, given.seconds) for by, given in held.items()]
        for sample, held in journal.answers.of.items()
    }


def test_closed_events_are_read_by_their_ids_only(tmp_path):
    whole = Journal(tmp_path)
    for n in range(3):
        whole.append([event(2 * n), event(2 * n + 1, IDS[n])])
        with whole.alone():
            whole.finish(f"000{n}-review")
    whole.append([event(6, IDS[2], "skip")])
    again = Journal(tmp_path)
    assert (state(again), again.generation, again.finished) == (state(whole), 3, "0002-review")
    assert again.append([event(n, IDS[n % 3]) for n in range(7)]) == 0
    whole.file.write_text(whole.file.read_text().replace('"event-0003"', "event-0003"))
    with pytest.raises(EditError, match="line 5"):
        Journal(tmp_path)


@settings(max_examples=25, deadline=None)
@given(st.lists(ACTS, max_size=12), st.lists(st.integers(0, 11), max_size=12))
def test_an_event_counts_once_however_often_it_is_sent(acts, again):
    events = [event(n, sample, act, by=by, seconds=1.5) for n, (sample, act, by) in enumerate(acts)]
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        journal.append(events)
        before = state(journal)
        assert journal.append([events[n] for n in again if n < len(events)]) == 0
        assert state(journal) == before == state(Journal(Path(folder)))


def test_the_last_answer_of_a_person_counts_and_its_time_is_that_of_all(tmp_path):
    journal = Journal(tmp_path)
    journal.append(
        [event(0, seconds=2), event(1, name="dog", seconds=3), event(2, IDS[1], "skip", seconds=1)]
    )
    ((sample, (judgement,)),) = journal.answers.judgements().items()
    assert (sample, judgement.annotations[0].category, judgement.seconds) == (IDS[0], "dog", 5.0)


def test_two_people_are_both_kept_in_the_order_of_their_last_change(tmp_path):
    journal = Journal(tmp_path)
    journal.append([event(0), event(1, name="dog", by="Bo")])
    assert disagree(journal.answers.of[IDS[0]].values())
    assert [one.by for one in journal.answers.judgements()[IDS[0]]] == ["Ada", "Bo"]
    journal.append([event(2, name="dog")])
    assert not disagree(journal.answers.of[IDS[0]].values())
    assert [one.by for one in journal.answers.judgements()[IDS[0]]] == ["Bo", "Ada"]


def test_a_half_line_of_a_killed_writer_is_no_event_and_is_written_over(tmp_path):
    journal = Journal(tmp_path)
    journal.append([event(0)])
    whole = journal.file.read_bytes()
    journal.file.write_bytes(whole + b'{"event":"event-0001","id":"00')
    again = Journal(tmp_path)
    assert state(again) == state(journal)
    again.append([event(2, IDS[1])])
    assert journal.file.read_bytes().startswith(whole + b'{"event":"event-0002"')
    journal.refresh()
    assert state(journal) == state(again)


def test_what_another_process_wrote_is_read_before_writing(tmp_path):
    one, other = Journal(tmp_path), Journal(tmp_path)
    one.append([event(0)])
    other.append([event(1, IDS[1]), event(0)])
    one.append([event(2, IDS[2])])
    other.refresh()
    assert state(one) == state(other) == state(Journal(tmp_path))
    assert len(one.file.read_text().splitlines()) == 3


def test_a_finished_journal_begins_anew_and_still_knows_what_it_had(tmp_path):
    journal = Journal(tmp_path)
    journal.append([event(0)])
    with journal.alone():
        journal.finish("0001-review.jsonl")
    assert (journal.answers.of, journal.generation, journal.finished) == ({}, 1, "0001-review.jsonl")
    assert Journal(tmp_path).append([event(0)]) == 0, "sent again by a browser that was offline meanwhile"


@pytest.mark.parametrize("line", ["{", "[]", '{"event":"event-0000"}', json.dumps({"event": 1})])
def test_a_damaged_line_is_named(tmp_path, line):
    journal = Journal(tmp_path)
    journal.append([event(0)])
    with journal.file.open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(EditError, match=r"journal.jsonl, line 2: "):
        Journal(tmp_path)
