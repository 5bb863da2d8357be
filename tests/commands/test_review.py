"""From the journal of the page to edits: by `assay review --finish`, and by the annotator `review`."""

from __future__ import annotations

import re
import socket
from io import StringIO
from uuid import uuid4

import pytest
from rich.console import Console

from assay.commands import annotate, review
from assay.data import ledger
from assay.data.annotations import Annotation
from assay.data.edits import read_batches
from assay.data.journal import FOLDER, Event, Journal
from assay.errors import AssayError, UsageError


def journal(project) -> Journal:
    return Journal(project.layout.root / FOLDER)


def give(
    project,
    sample: str,
    act: str = "label",
    name: str = "odd",
    by: str = "Ada",
    seconds: float = 2.0,
    at: str = "2026-01-01T00:00:00Z",
) -> None:
    held = journal(project)
    notes = [Annotation(category=name)] if act == "label" else None
    held.append(
        [
            Event(
                event=str(uuid4()), id=sample, act=act, annotations=notes, seconds=seconds, by=by, at=at
            )
        ]
    )  # fmt: skip


def told(module, result) -> str:
    console = Console(file=StringIO(), width=200)
    module.render(result, console)
    return console.file.getvalue()


def test_only_what_changes_something_is_written(queued):
    known = next(
        row for row in queued.pool.imports.to_pylist() if row["annotations"] == '[{"category":"odd"}]'
    )["id"]
    new, out, other = queued.unlabelled[:3]
    give(queued, known)
    give(queued, new, name="even")
    give(queued, out, "exclude")
    give(queued, other, "skip")
    result = review.finish(queued.params(), queued.layout)
    assert (result["written"], result["unchanged"], result["skipped"]) == ({"label": 1, "exclude": 1}, 1, 1)
    assert (result["images"], result["seconds"]) == (3, 4.0)
    ((name, batch),) = read_batches(queued.layout.edits)
    assert re.fullmatch("0001-review-[0-9a-f]{8}", name), "another one in another clone: no conflict in git"
    assert result["batch"] == f"data/edits/{name}.jsonl"
    assert {(one.id, one.op, one.by, one.seconds) for one in batch} == {
        (new, "label", "Ada", 2.0),
        (out, "exclude", "Ada", 2.0),
    }
    assert "1 exclude, 1 label, of 3 images judged; 1 as before, 1 skipped" in told(review, result)
    assert journal(queued).answers.of == {}


def test_killed_between_the_batch_and_its_note_nothing_is_written_twice(queued, monkeypatch):
    give(queued, queued.unlabelled[0])
    give(queued, queued.unlabelled[1], by="Bo")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            review.finish(queued.params(), queued.layout)
    assert len(queued.batches) == 1
    give(queued, queued.unlabelled[2])
    again = review.finish(queued.params(), queued.layout)
    assert (again["written"], len(queued.batches)) == ({"label": 1}, 2)


def test_nothing_judged_is_no_batch(queued):
    result = review.finish(queued.params(), queued.layout)
    assert (result["batch"], result["images"], queued.batches) == (None, 0, [])
    give(queued, queued.unlabelled[0])
    give(queued, queued.unlabelled[0], "clear")
    assert review.finish(queued.params(), queued.layout)["batch"] is None


def test_the_annotator_takes_what_was_judged_on_the_page(queued):
    params = queued.params(select={"annotator": "review"})
    first = annotate.run(params, queued.layout)
    link = "http://127.0.0.1:8420/?view=sent (the page of `assay review sent`)"
    assert (first["sent"], first["open"], first["where"]) == (5, 5, [link])
    assert f"waiting for answers in {link}" in told(annotate, first)
    a, b, c = queued.unlabelled[:3]
    give(queued, a)
    give(queued, b, name="even", by="Bo")
    give(queued, b, by="Ada")
    give(queued, c, "skip")
    then = annotate.run(params, queued.layout)
    assert (then["answered"], then["open"], then["refused"]) == ({"label": 3}, 3, [])
    ((_, batch),) = read_batches(queued.layout.edits)
    assert [(one.by, one.annotations[0].category) for one in batch if one.id == b] == [
        ("Bo", "even"),
        ("Ada", "odd"),
    ]
    after = review.finish(params, queued.layout)
    assert after["batch"] is None, "they are in the edits already"
    assert annotate.run(params, queued.layout)["open"] == 3


def test_a_confirmed_label_that_was_sent_again_is_an_answer(queued):
    known = next(
        row for row in queued.pool.imports.to_pylist() if row["annotations"] == '[{"category":"odd"}]'
    )["id"]
    ledger.write(
        queued.layout.ledger,
        "review",
        [ledger.SentImage(id=known, strategy="review", label="odd")],
        "2026-01-01T00:00:00Z",
    )
    give(queued, known)
    assert review.finish(queued.params(), queued.layout)["written"] == {"label": 1}


def written(project) -> list[tuple[str, str]]:
    return sorted((one.id, one.by) for _, batch in read_batches(project.layout.edits) for one in batch)


def test_done_while_a_batch_is_out_doubles_nothing_whoever_writes_first(queued):
    params = queued.params(select={"annotator": "review"})
    annotate.run(params, queued.layout)
    a, b, c, d = queued.unlabelled[:4]
    give(queued, a)
    give(queued, b)
    assert review.finish(params, queued.layout)["written"] == {"label": 2}, "Done first"
    give(queued, c)
    assert annotate.run(params, queued.layout)["answered"] == {"label": 1}, "the annotator first"
    assert annotate.run(params, queued.layout)["answered"] == {}
    give(queued, d)
    assert review.finish(params, queued.layout)["written"] == {"label": 1}
    last = annotate.run(params, queued.layout)
    assert (last["answered"], last["open"], last["refused"], last["repeated"]) == ({}, 1, [], 0)
    assert written(queued) == sorted((sample, "Ada") for sample in (a, b, c, d))


@pytest.mark.parametrize("overlap", [1, 2])
def test_a_judgement_that_was_taken_over_does_not_answer_the_image_sent_again(queued, overlap):
    """Nor does that of somebody who judged it a moment too late to be taken over."""
    params = queued.params(select={"annotator": "review"})
    annotate.run(params, queued.layout)
    a = queued.unlabelled[0]
    give(queued, a)
    annotate.run(params, queued.layout)
    give(queued, a, name="even", by="Cy")
    again = ledger.SentImage(id=a, strategy="review", label="odd", judged=1, overlap=overlap)
    ledger.write(queued.layout.ledger, "review", [again], "2026-01-02T00:00:00Z")
    assert annotate.run(params, queued.layout)["answered"] == {}, "nobody has looked again"
    give(queued, a, by="Bo", at="2026-01-03T00:00:00Z")
    assert annotate.run(params, queued.layout)["answered"] == {"label": 1}
    assert written(queued) == [(a, "Ada"), (a, "Bo")]


@pytest.mark.parametrize("name", ["", ":view", "Bo:admin"])
def test_an_invitation_has_a_name_and_known_rights(queued, name):
    with pytest.raises(UsageError, match="--invite"):
        review.run(queued.params(), queued.layout, invited=[name])


def test_a_view_that_is_none_and_a_port_that_is_taken_are_errors(queued):
    with pytest.raises(UsageError) as error:
        review.run(queued.params(), queued.layout, "suspekts?split=train")
    assert "suspects" in error.value.hint
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AssayError, match="cannot be opened"):
            review.run(queued.params(), queued.layout, port=taken.getsockname()[1])
