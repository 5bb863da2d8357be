from __future__ import annotations

import csv
from io import StringIO

import pytest
from rich.console import Console

from assay.commands import label, queue
from assay.errors import MissingInput, UsageError


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


def test_a_mistyped_folder_is_not_made(desk, tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        queue.run(desk.layout, None, export=tmp_path / "nowhere" / "out.csv")
    assert not (tmp_path / "nowhere").exists()
