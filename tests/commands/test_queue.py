from __future__ import annotations

import csv
from io import StringIO

import pytest
from rich.console import Console

from assay.commands import label, queue
from assay.data.pool import content_id
from assay.errors import EditError, MissingInput, UsageError


def shown(module, result, width: int = 160) -> str:
    console = Console(file=StringIO(), width=width)
    module.render(result, console)
    return console.file.getvalue()


def test_the_head_of_the_queue_with_where_the_images_came_from(queued):
    result = queue.run(queued.layout, limit=2)
    assert (result["open"], result["answered"], len(result["rows"])) == (5, 0, 2)
    assert all(row["path"].startswith("s:") for row in result["rows"])
    text = shown(queue, result)
    assert result["rows"][0]["id"][:12] in text
    assert "2 of 5 open" in text


def test_what_a_model_without_one_confidence_predicts_is_shown_too(queued):
    """As of a detector: its scores are of objects."""
    result = queue.run(queued.layout, limit=1)
    result["rows"][0] |= {"predicted": "3 cells", "confidence": None}
    assert "3 cells" in shown(queue, result)
    result["rows"][0] |= {"confidence": 0.5}
    assert "3 cells (50%)" in shown(queue, result)


def test_one_split_only(queued):
    rows = queue.run(queued.layout, None)["rows"]
    some = rows[0]["split"]
    assert queue.run(queued.layout, None, split=some)["open"] == sum(row["split"] == some for row in rows)


def test_the_exported_file_filled_in_is_taken_by_label(queued, tmp_path):
    file = tmp_path / "to-label.csv"
    result = queue.run(queued.layout, None, export=file)
    assert "fill in" in shown(queue, result)
    rows = list(csv.DictReader(StringIO(file.read_text())))
    assert [row["label"] for row in rows] == [""] * 5
    for row in rows[:3]:
        row["label"] = "odd"
    rows[3]["exclude"] = "yes"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    taken = label.run(queued.params(), queued.layout, file)
    assert (taken["open"], taken["ignored_columns"]) == (1, [])
    assert taken["written"] == {"label": 3, "exclude": 1}
    after = queue.run(queued.layout, None)
    assert (after["open"], after["answered"]) == (1, 4)
    assert after["rows"][0]["id"] == rows[4]["id"]


def test_a_split_that_somebody_changed_without_a_label_is_not_passed_over(queued, tmp_path):
    file = tmp_path / "to-label.csv"
    queue.run(queued.layout, None, export=file)
    rows = list(csv.DictReader(StringIO(file.read_text())))
    rows[0]["split"] = "val" if rows[0]["split"] == "test" else "test"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(EditError, match="line 2: the label is empty"):
        label.run(queued.params(), queued.layout, file)


def test_before_select_it_says_what_to_run(queued):
    (queued.layout.selection / "queue.parquet").unlink()
    with pytest.raises(MissingInput, match="queue"):
        queue.run(queued.layout)


def test_a_mistyped_folder_is_not_made(queued, tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        queue.run(queued.layout, None, export=tmp_path / "nowhere" / "out.csv")
    assert not (tmp_path / "nowhere").exists()


def test_each_image_has_one_line_of_80_columns(queued):
    result = queue.run(queued.layout)
    long = [
        row | {"reason": "a long reason " * 9, "path": "s:" + "f/" * 30, "predicted": "drawing of an owl"}
        for row in result["rows"]
    ]
    lines = shown(queue, result | {"rows": [row | {"confidence": 0.4} for row in long]}, 80).splitlines()
    assert len(lines) == 1 + len(long) + 2
    assert max(map(len, lines)) <= 80
    for line, row in zip(lines[1:], long, strict=False):
        assert row["id"][:12] in line
        assert row["split"] in line
        assert "a long" in line


def test_the_images_lie_beside_the_file(queued, tmp_path):
    file = tmp_path / "to-label.csv"
    queue.run(queued.layout, None, export=file)
    rows = list(csv.DictReader(StringIO(file.read_text())))
    for row in rows:
        assert content_id((tmp_path / row["image"]).read_bytes()) == row["id"]
        assert row["image"].startswith("to-label-images/")
    kept = tmp_path / "to-label-images" / "mine.txt"
    kept.write_text("a note")
    queue.run(queued.layout, 1, export=file)
    assert kept.read_text() == "a note"
    assert len(list(kept.parent.iterdir())) == len(rows) + 1


def test_a_page_with_every_image_and_the_classes(queued, tmp_path):
    page = tmp_path / "queue.html"
    result = queue.run(queued.layout, None, page=page)
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == result["open"] == 5
    assert "5 images on the page" in shown(queue, result)


def test_images_of_a_task_with_objects_are_drawn_on(queued, tmp_path):
    page, file = tmp_path / "queue.html", tmp_path / "queue.csv"
    result = queue.run(queued.layout, None, page=page, export=file, task="detection")
    assert "write a label" not in page.read_text()
    assert "drawn with <code>assay review</code>" in page.read_text()
    assert "draw their objects with `assay review`" in shown(queue, result)


def test_what_the_page_saves_is_taken_by_label(queued, tmp_path):
    first, second = queue.run(queued.layout, None)["rows"][:2]
    file = tmp_path / "review.csv"
    lines = [f"{first['id']},{first['path']},odd,", f"{second['id']},{second['path']},,yes"]
    file.write_text("\n".join(["id,path,label,exclude", *lines]))
    assert label.run(queued.params(), queued.layout, file)["written"] == {"label": 1, "exclude": 1}


def test_an_empty_queue_asks_for_nothing_to_be_filled_in(queued, tmp_path):
    result = queue.run(queued.layout, 0, export=tmp_path / "to-label.csv")
    text = shown(queue, result | {"open": 0})
    assert "nothing to label" in text
    assert "assay status" in text
    assert "fill in" not in text
