from __future__ import annotations

import csv
from io import StringIO

import pytest
from rich.console import Console

from assay import plugins
from assay.commands import annotate, label, queue
from assay.data.pool import PoolWriter
from assay.errors import EditError, MissingInput


def shown(module, result) -> str:
    console = Console(file=StringIO(), width=160)
    module.render(result, console)
    return console.file.getvalue()


def test_the_head_of_the_queue_with_where_the_images_came_from(desk):
    result = queue.run(desk.layout, limit=2)
    assert (result["open"], result["answered"], len(result["rows"])) == (5, 0, 2)
    assert all(row["path"].startswith("s:") for row in result["rows"])
    text = shown(queue, result)
    assert result["rows"][0]["id"][:12] in text
    assert "2 of 5 open" in text


def test_one_split_only(desk):
    rows = queue.run(desk.layout, None)["rows"]
    some = rows[0]["split"]
    assert queue.run(desk.layout, None, split=some)["open"] == sum(row["split"] == some for row in rows)


def test_the_exported_file_filled_in_is_taken_by_label(desk, tmp_path):
    file = tmp_path / "to-label.csv"
    result = queue.run(desk.layout, None, export=file)
    assert "fill in" in shown(queue, result)
    rows = list(csv.DictReader(StringIO(file.read_text())))
    assert [row["label"] for row in rows] == [""] * 5
    for row in rows[:3]:
        row["label"] = "odd"
    rows[3]["exclude"] = "yes"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows[:4])
    taken = label.run(desk.params(), desk.layout, file)
    assert taken["ignored_columns"] == ["predicted", "confidence", "reason"]
    assert taken["written"] == {"label": 3, "exclude": 1}
    after = queue.run(desk.layout, None)
    assert (after["open"], after["answered"]) == (1, 4)
    assert after["rows"][0]["id"] == rows[4]["id"]


def test_before_select_it_says_what_to_run(desk):
    (desk.layout.selection / "queue.parquet").unlink()
    with pytest.raises(MissingInput, match="queue"):
        queue.run(desk.layout)


def hide(desk, known) -> None:
    """The truth of some unlabelled images; the first has nothing on it."""
    with PoolWriter(desk.layout.pool, 10, 1 << 20) as writer:
        for n, sample in enumerate(known):
            writer.add_row("truth", (sample, '[{"category":"odd"}]' if n else "[]"))


def test_the_annotator_answers_and_every_image_sent_is_accounted_for(desk):
    hide(desk, desk.unlabelled[:4])
    result = annotate.run(desk.params(annotator="oracle"), desk.layout)
    assert (result["sent"], result["answered"]) == (5, {"label": 3, "exclude": 1})
    assert result["unknown"] == [desk.unlabelled[4]]
    assert result["batch"] == "data/edits/0001-oracle.jsonl"
    assert "1 unknown to it" in shown(annotate, result)
    snap = desk.curate()
    assert sum(snap.labels()[i] == "odd" for i in desk.unlabelled[1:4]) == 3
    assert snap.counts()["excluded"] == 1


def test_asked_again_it_asks_only_about_what_is_open(desk):
    hide(desk, desk.unlabelled[:4])
    annotate.run(desk.params(annotator="oracle"), desk.layout)
    again = annotate.run(desk.params(annotator="oracle"), desk.layout)
    assert (again["already"], again["sent"], again["batch"]) == (4, 1, None)
    assert len(desk.batches()) == 1


def test_without_an_annotator_it_says_how_people_answer(desk):
    result = annotate.run(desk.params(), desk.layout)
    assert (result["annotator"], result["open"], result["batch"]) == (None, 5, None)
    assert "assay label" in shown(annotate, result)
    assert desk.batches() == []


def test_an_annotator_that_answers_what_it_was_not_asked_is_refused(desk, monkeypatch):
    hide(desk, desk.unlabelled)
    oracle = plugins.load("annotators", "oracle")
    monkeypatch.setattr(oracle, "answer", lambda *_: [oracle.judge("stranger", "[]", "2026")])
    with pytest.raises(EditError, match="not asked about"):
        annotate.run(desk.params(annotator="oracle"), desk.layout)
    assert desk.batches() == []
