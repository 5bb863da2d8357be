"""Who is asked, what comes back, and that the books are right whatever comes back."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from rich.console import Console

from assay import plugins
from assay.annotators import AnnotatorContext
from assay.commands import annotate, label, queue
from assay.data import ledger
from assay.data.ledger import Answer
from assay.data.pool import PoolWriter
from assay.errors import EditError


def shown(module, result) -> str:
    console = Console(file=StringIO(), width=160)
    module.render(result, console)
    return console.file.getvalue()


def hide(queued, known) -> None:
    """The truth of some unlabelled images; the first has nothing on it."""
    with PoolWriter(queued.layout.pool, 10, 1 << 20) as writer:
        for n, sample in enumerate(known):
            writer.add_row("truth", (sample, '[{"category":"odd"}]' if n else "[]"))


# --- the oracle


def test_the_annotator_answers_and_every_image_sent_is_accounted_for(queued):
    hide(queued, queued.unlabelled[:4])
    result = annotate.run(queued.params(select={"annotator": "oracle"}), queued.layout)
    assert (result["sent"], result["answered"]) == (5, {"label": 3, "exclude": 1})
    assert result["unknown"] == [queued.unlabelled[4]]
    assert result["batch"].startswith("data/edits/0001-oracle-")
    (books,) = result["ledger"]
    assert (books["sent"], books["answered"], books["open"]) == (5, 4, 1)
    assert "1 without an answer" in shown(annotate, result)
    snap = queued.curate()
    assert sum(snap.labels()[i] == "odd" for i in queued.unlabelled[1:4]) == 3
    assert snap.counts()["excluded"] == 1


def test_asked_again_it_asks_nothing_twice_and_takes_what_it_knows_by_now(queued):
    hide(queued, queued.unlabelled[:4])
    annotate.run(queued.params(select={"annotator": "oracle"}), queued.layout)
    again = annotate.run(queued.params(select={"annotator": "oracle"}), queued.layout)
    assert (again["already"], again["sent"], again["batch"]) == (4, 0, None)
    assert again["unknown"] == [queued.unlabelled[4]]
    assert len(queued.batches) == len(ledger.read(queued.layout.ledger)) == 1
    hide(queued, ["nobody", queued.unlabelled[4]])
    later = annotate.run(queued.params(select={"annotator": "oracle"}), queued.layout)
    assert (later["answered"], later["unknown"]) == ({"label": 1}, [])


def test_without_an_annotator_it_says_how_people_answer(queued):
    result = annotate.run(queued.params(), queued.layout)
    assert (result["annotator"], result["open"], result["batch"]) == (None, 5, None)
    assert "assay label" in shown(annotate, result)
    assert queued.batches == []


def test_answers_to_what_was_not_asked_and_contradictions_are_put_on_record(queued, monkeypatch):
    hide(queued, queued.unlabelled)
    oracle = plugins.load("annotators", "oracle")
    real, (first, second) = oracle.collect, queued.unlabelled[:2]

    def unruly(batches, its_desk):
        yield from real(batches, its_desk)
        stranger = oracle.judge(
            "f" * 64, oracle.ANNOTATIONS.validate_json('[{"category":"odd"}]'), "classification", "2026"
        )
        yield Answer(stranger.id, (stranger,), "elsewhere", said="as it came")
        yield Answer(second, (stranger.model_copy(update={"id": second, "op": "exclude"}),), "line 7")
        yield Answer(first, (), "line 8", trouble="illegible")

    monkeypatch.setattr(oracle, "collect", unruly)
    result = annotate.run(queued.params(select={"annotator": "oracle"}), queued.layout)
    assert Counter(row["kind"] for row in result["refused"]) == {
        "not asked": 1,
        "contradiction": 2,
        "not usable": 1,
    }
    assert result["unknown"] == [second], "of two answers none is taken"
    (file,) = (queued.layout.ledger / "refused").iterdir()
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert {row["said"] for row in kept if row["kind"] == "not asked"} == {"as it came"}
    annotate.run(queued.params(select={"annotator": "oracle"}), queued.layout)
    assert list((queued.layout.ledger / "refused").iterdir()) == [file], (
        "the same refusals are the same record"
    )


def test_a_kill_between_any_two_writes_asks_and_takes_nothing_twice(queued, monkeypatch):
    hide(queued, queued.unlabelled)
    params = queued.params(select={"annotator": "oracle"})

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    for module, name in ((annotate, "hand_over"), (annotate, "write_batch")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, die)
            with pytest.raises(Killed):
                annotate.run(params, queued.layout)
    assert queued.batches == []
    result = annotate.run(params, queued.layout)
    assert (result["sent"], sum(result["answered"].values())) == (0, 5)
    assert len(ledger.read(queued.layout.ledger)) == 1
    assert annotate.run(params, queued.layout)["batch"] is None


def test_a_labelled_image_can_be_asked_about_again_and_the_same_label_is_an_answer(queued):
    hide(queued, queued.unlabelled)
    params = queued.params(select={"annotator": "oracle"})
    annotate.run(params, queued.layout)
    snap = queued.curate()
    sample = next(iter(i for i in queued.unlabelled if i in snap.labels()))
    row = {
        "rank": 0,
        "id": sample,
        "score": 1.0,
        "strategy": "review",
        "reason": "doubtful",
        "split": "train",
    }
    work, columns = annotate.open_round(params, queued.layout), queue.open_queue(queued.layout)[0].schema
    annotate.send(work, annotate.pa.Table.from_pylist([row], schema=columns))
    (asked,) = ledger.read(queued.layout.ledger)[-1].rows
    assert (asked.label, asked.judged) == ("odd", 1)
    assert [b.rows[0].id for b in annotate.waiting(work)] == [sample]
    result = annotate.collect(work)
    assert result["answered"] == {"label": 1}
    assert annotate.waiting(work) == []


def test_a_second_look_by_hand_counts_also_when_it_changes_nothing(queued, tmp_path):
    sample = next(i for i in queued.curate().labels() if queued.curate().labels()[i] == "odd")
    file = tmp_path / "same.csv"
    file.write_text(f"id,label\n{sample},odd\n")
    assert label.run(queued.params(), queued.layout, file)["unchanged"] == 1
    row = {
        "rank": 0,
        "id": sample,
        "score": 1.0,
        "strategy": "review",
        "reason": "doubtful",
        "split": "train",
    }
    work, columns = (
        annotate.open_round(queued.params(), queued.layout),
        queue.open_queue(queued.layout)[0].schema,
    )
    annotate.send(work, annotate.pa.Table.from_pylist([row], schema=columns))
    assert label.run(queued.params(), queued.layout, file)["written"] == {"label": 1}
    assert annotate.waiting(work) == []


# --- files


@pytest.fixture
def people(queued):
    """A project whose people answer in files."""
    return queued.params(select={"annotator": "file"})


def out(queued) -> list[dict[str, str]]:
    (file,) = (queued.layout.root / "labelling").glob("0001-*.csv")
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def fill_in(queued, rows, name=None) -> None:
    folder = queued.layout.root / "labelling"
    file = folder / name if name else next(folder.glob("0001-*.csv"))
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_queue_goes_out_once_and_is_open_until_somebody_answers(queued, people):
    first = annotate.run(people, queued.layout)
    assert (first["sent"], first["open"], first["answered"]) == (5, 5, {})
    assert "waiting for answers in labelling/0001-file-" in shown(annotate, first)
    rows = out(queued)
    assert [row["id"] for row in rows] == [row["id"] for row in queue.run(queued.layout, None)["rows"]]
    assert list(rows[0])[-5:] == ["label", "exclude", "why", "by", "seconds"]
    again = annotate.run(people, queued.layout)
    assert (again["sent"], again["open"], len(again["ledger"])) == (0, 5, 1)


def test_partial_repeated_unknown_and_bad_answers_are_told_apart_and_none_is_lost(queued, people):
    annotate.run(people, queued.layout)
    a, b, c, d, e = out(queued)
    stranger = {**a, "id": "f" * 64, "label": "odd"}
    fill_in(
        queued,
        [{**a, "label": "odd", "by": "Bo", "seconds": "3"}, {**a, "label": "odd"}, {**b, "label": "ood"}, stranger,
         {**c, "exclude": "yes", "why": "a blot"}, {**d, "label": "odd"}, {**d, "label": "even"}, e],
    )  # fmt: skip
    result = annotate.run(people, queued.layout)
    assert (result["answered"], result["repeated"]) == ({"label": 1, "exclude": 1}, 1)
    assert result["open"] == 3, "a bad one, a contradiction, and one that nobody has filled in"
    why = {(row["kind"], row["id"]): row["why"] for row in result["refused"]}
    assert "class 'ood' was never seen; did you mean 'odd'?" in why["not usable", b["id"]]
    assert "line 7" in why["contradiction", d["id"]]
    assert ("not asked", "f" * 64) in why
    assert len(result["refused"]) == 4
    text = shown(annotate, result)
    assert "4 refused" in text
    assert "line 4: " in text
    (judged,) = [j for _, batch in queued.batches for j in batch if j.id == a["id"]]
    assert (judged.by, judged.seconds, judged.op) == ("Bo", 3.0, "label")
    (books,) = result["ledger"]
    assert (books["sent"], books["answered"], books["open"]) == (5, 2, 3)

    records = list((queued.layout.ledger / "refused").iterdir())
    again = annotate.run(people, queued.layout)
    assert (again["batch"], again["answered"], again["repeated"]) == (None, {}, 3), (
        "the same file again is no news"
    )
    assert list((queued.layout.ledger / "refused").iterdir()) == records

    fill_in(queued, [{**row, "label": "odd"} for row in (b, d, e)], "from-bo.csv")
    shutil.copy(
        queued.layout.root / "labelling" / "from-bo.csv", queued.layout.root / "labelling" / "copy.csv"
    )
    last = annotate.run(people, queued.layout)
    assert last["answered"] == {"label": 2}, "d is still contradicted by the first file"
    fill_in(queued, [a])
    assert annotate.run(people, queued.layout)["answered"] == {"label": 1}
    assert annotate.run(people, queued.layout)["open"] == 0
    assert queued.curate().labels()[d["id"]] == "odd"


def test_another_answer_than_the_one_taken_changes_nothing_and_is_named(queued, people):
    annotate.run(people, queued.layout)
    rows = [{**row, "label": "odd"} for row in out(queued)]
    fill_in(queued, rows)
    assert annotate.run(people, queued.layout)["open"] == 0
    fill_in(queued, [{**rows[0], "label": "even"}])
    (refused,) = annotate.run(people, queued.layout)["refused"]
    assert (refused["kind"], refused["id"]) == ("answered already", rows[0]["id"])
    assert queued.curate().labels()[rows[0]["id"]] == "odd"


@pytest.mark.parametrize("by", ["consensus", "Bo (assay audit)"])
def test_an_answer_signed_as_a_program_signs_is_refused_and_written_nowhere(queued, people, by):
    annotate.run(people, queued.layout)
    first, *_ = out(queued)
    fill_in(queued, [{**first, "label": "odd", "by": by}])
    for _ in range(2):
        result = annotate.run(people, queued.layout)
        (refused,) = result["refused"]
        assert (result["open"], refused["kind"], queued.batches) == (5, "not usable", [])
        assert f"signed {by!r}" in refused["why"]
    fill_in(queued, [{**first, "label": "odd", "by": "oracle"}])
    assert annotate.run(people, queued.layout)["open"] == 4, "names of annotators are no names of programs"


def test_json_lines_go_out_and_come_in(queued):
    params = queued.params(
        select={"annotator": "file", "annotator_options": {"format": "jsonl", "folder": "tool"}}
    )
    annotate.run(params, queued.layout)
    (file,) = (queued.layout.root / "tool").glob("*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["label"] for row in rows] == [None] * 5
    rows[0]["label"], rows[1]["exclude"], rows[1]["why"] = "odd", True, "a blot"
    file.write_text("\n".join([*map(json.dumps, rows), "{half", '["a", "list"]']))
    result = annotate.run(params, queued.layout)
    assert (result["answered"], result["open"]) == ({"label": 1, "exclude": 1}, 3)
    assert [row["said"] for row in result["refused"]] == ["{half", '["a", "list"]']


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"id,lable\nx,odd\n", "no column label; there are: id, lable"),
        (b"", "no column id"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_taken(queued, people, data, words):
    annotate.run(people, queued.layout)
    fill_in(queued, [{**row, "label": "odd"} for row in out(queued)])
    (queued.layout.root / "labelling" / "broken.csv").write_bytes(data)
    result = annotate.run(people, queued.layout)
    assert result["answered"] == {"label": 5}
    (refused,) = result["refused"]
    assert words in refused["why"]
    assert refused["where"] == "labelling/broken.csv"


def test_a_damaged_ledger_is_said_with_its_file(queued, people):
    annotate.run(people, queued.layout)
    (file,) = queued.layout.ledger.glob("*.jsonl")
    text = file.read_text()
    file.write_text(text.replace('"id"', '"di"', 1))
    with pytest.raises(EditError, match=r"0001-file-.* is damaged"):
        ledger.read(queued.layout.ledger)
    file.rename(file.with_name("mine.jsonl"))
    with pytest.raises(EditError, match="not the name of a sent batch"):
        ledger.read(queued.layout.ledger)


def test_two_clones_that_send_and_answer_have_files_of_two_names(queued, people, tmp_path):
    other = tmp_path / "clone"
    shutil.copytree(queued.layout.root / "data", other / "data")
    theirs = type(queued.layout)(other)
    annotate.run(people, queued.layout)
    sent = ledger.write(
        theirs.ledger, "file", ledger.read(queued.layout.ledger)[0].rows[:2], "2026-01-01T00:00:00Z"
    )
    shutil.copy(theirs.ledger / f"{sent.name}.jsonl", queued.layout.ledger)
    held = ledger.read(queued.layout.ledger)
    assert [batch.name[:4] for batch in held] == ["0001", "0001"]
    fill_in(queued, [{**row, "label": "odd"} for row in out(queued)])
    result = annotate.run(people, queued.layout)
    assert [(b["sent"], b["open"]) for b in result["ledger"]] == [(b["sent"], 0) for b in result["ledger"]]
    assert sum(result["answered"].values()) == 5, "one answer serves both"
    assert AnnotatorContext(queued.layout, people).params is people


def test_of_batches_sent_at_the_same_moment_each_has_a_number_of_its_own(tmp_path):
    together = threading.Barrier(8)

    def send(k):
        together.wait()
        return [
            ledger.write(tmp_path, "file", [ledger.SentImage(id=f"{k}-{n}")], "now").name for n in range(5)
        ]

    with ThreadPoolExecutor(8) as threads:
        names = [name for some in threads.map(send, range(8)) for name in some]
    assert sorted(name[:4] for name in names) == [f"{n:04d}" for n in range(1, 41)]
    assert sorted(batch.name for batch in ledger.read(tmp_path)) == sorted(names)
