"""An image that is sent again in a file is answered by what people wrote for that batch, not by an earlier file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from assay.commands import annotate
from assay.data import ledger
from tests.conftest import png
from tests.project import Project


@pytest.fixture
def asked_again(project: Project) -> Project:
    """A project with two images that were answered in a file; the first one was sent again."""
    project.put([png(n) for n in range(6)], label=["odd", "even", None, None, "odd", "even"])
    project.curate()
    project.select(strategy="random", budget=2, ruler_halfwidth=0.49)
    assert run(project)["sent"] == 2
    fill_in(*files(project), "odd")
    assert run(project)["answered"] == {"label": 2}
    first = rows(*files(project))[0]["id"]
    again = (ledger.SentImage(id=first, strategy="review", label="odd", judged=1),)
    ledger.write(project.layout.ledger, "file", again, "2026-01-01T00:00:00Z")
    return project


def run(project: Project) -> dict[str, Any]:
    return annotate.run(project.params(select={"annotator": "file"}), project.layout)


def files(project: Project) -> list[Path]:
    return sorted((project.layout.root / "labelling").glob("*.csv"))


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def write(file: Path, table: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def fill_in(file: Path, label: str) -> None:
    write(file, [{**row, "label": label} for row in rows(file)])


@pytest.mark.parametrize("label", ["odd", "even"])
def test_the_answer_of_an_earlier_file_is_not_that_of_a_second_look(asked_again: Project, label: str) -> None:
    told = run(asked_again)
    assert (told["open"], told["answered"], told["refused"]) == (1, {}, [])
    earlier, later = files(asked_again)
    earlier.touch()
    assert run(asked_again)["open"] == 1, "a later time of the earlier file changes nothing"
    fill_in(later, label)
    told = run(asked_again)
    assert (told["open"], told["answered"], told["refused"]) == (0, {"label": 1}, [])
    assert asked_again.curate().labels()[rows(later)[0]["id"]] == label


def test_rows_of_both_batches_may_be_in_one_file(asked_again: Project) -> None:
    run(asked_again)
    earlier, later = files(asked_again)
    together = [*rows(earlier), *({**row, "label": "even"} for row in rows(later))]
    for file in (earlier, later):
        file.unlink()
    write(earlier.with_name("together.csv"), together)
    assert run(asked_again)["answered"] == {"label": 1}
    assert asked_again.curate().labels()[together[0]["id"]] == "even"


def test_a_row_without_a_batch_is_of_the_batch_in_the_name_of_its_file(asked_again: Project) -> None:
    """As tools write them, with few columns, and as files that were sent before there was the column."""
    run(asked_again)
    for file in files(asked_again):
        short = [{"id": row["id"], "label": row["label"] or "even"} for row in rows(file)]
        file.unlink()
        text = "".join(f"{json.dumps(row)}\n" for row in short)
        file.with_name(f"{file.stem} (from the tool).jsonl").write_text(text)
    told = run(asked_again)
    assert (told["answered"], told["refused"]) == ({"label": 1}, [])


def test_a_row_of_an_image_that_was_sent_again_must_tell_its_batch(asked_again: Project) -> None:
    earlier, *_ = files(asked_again)
    first, second = rows(earlier)
    earlier.unlink()
    write(earlier.with_name("mine.csv"), [{"id": row["id"], "label": "odd"} for row in (first, second)])
    told = run(asked_again)
    (refused,) = told["refused"]
    assert (told["open"], told["repeated"], refused["id"]) == (1, 1, first["id"])
    assert "was sent again, in 0002-file-" in refused["why"]
    write(earlier.with_name("mine.csv"), [{"id": first["id"], "label": "odd", "batch": "0007-file-x"}])
    (refused,) = run(asked_again)["refused"]
    assert refused["why"] == "there is no batch '0007-file-x' in data/ledger/"
