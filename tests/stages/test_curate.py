from __future__ import annotations

import json

import pytest

from assay import gates
from assay.data.edits import EditError, Judgement, write_batch
from assay.data.snapshot import Snapshot
from assay.errors import GateError, MissingInput, ParamsError
from assay.progress import silent
from assay.stages import curate


@pytest.fixture
def small(project, draw):
    for n in range(10):
        project.add(f"p{n}", draw(n), label="cat" if n % 2 else "dog", split=("train", "test")[n % 5 == 0])
    project.embed()
    return project


def run(project, **settings):
    return curate.run(project.params(curate=settings), project.layout, silent)


def leak(project, draw):
    project.add("train copy", draw(0), "JPEG", label="dog", split="train")
    project.embed()


def test_the_snapshot_lands_whole_and_with_nothing_that_a_float_decides(small):
    summary = run(small)
    folder = small.layout.snapshot
    assert {file.name for file in folder.iterdir()} == {
        *("samples.parquet", "annotations.parquet", "ruler.parquet", "snapshot.json"),
    }
    snapshot = Snapshot.load(folder)
    assert snapshot.digest() == summary["digest"]
    assert summary["counts"]["labelled"] == {"train": 8, "val": 0, "test": 2}


def test_the_same_inputs_are_the_same_bytes(small):
    run(small)
    before = {file.name: file.read_bytes() for file in small.layout.snapshot.iterdir()}
    run(small)
    assert before == {file.name: file.read_bytes() for file in small.layout.snapshot.iterdir()}


def test_a_leak_shuts_the_gate_and_leaves_what_was_there(small, draw):
    digest = run(small)["digest"]
    leak(small, draw)
    with pytest.raises(GateError, match="leakage: 1 issue stops the pipeline") as caught:
        run(small)
    assert small.names["p0"][:12] in str(caught.value)
    assert small.names["train copy"][:12] in str(caught.value)
    assert "excludes 1 copy" in caught.value.hint
    assert "assay resolve leakage" in caught.value.hint
    assert Snapshot.load(small.layout.snapshot).digest() == digest
    (row,) = json.loads((small.layout.scratch / "leakage.json").read_text(encoding="utf-8"))
    assert row["related"] == small.names["p0"]


def test_a_judgement_opens_the_gate_and_the_note_of_the_leak_goes(small, draw):
    leak(small, draw)
    with pytest.raises(GateError):
        run(small)
    write_batch(
        small.layout.edits,
        "t",
        [Judgement(id=small.names["train copy"], op="exclude", by="t", at="2026-01-01")],
    )
    assert run(small)["counts"]["excluded"] == 1
    assert not (small.layout.scratch / "leakage.json").exists()


def test_long_lists_of_leaks_are_cut_and_counted(project, draw):
    for n in range(gates.NAMED + 3):
        project.add(f"p{n}", draw(n), split="test")
        project.add(f"copy{n}", draw(n), "JPEG", split="train")
    project.embed()
    with pytest.raises(GateError, match="and 3 more, all in") as caught:
        run(project)
    assert str(caught.value).count("almost the same picture") == gates.NAMED


def test_a_threshold_that_cannot_be_is_refused(small):
    with pytest.raises(ParamsError, match="keeps pairs from a similarity of 0"):
        run(small, near_duplicate=0.9)


def test_stale_embeddings_are_noticed(small, draw):
    small.add("late", draw(77))
    small.ingest()
    with pytest.raises(MissingInput, match="the pool are not of the same images"):
        run(small)


def test_an_edit_of_an_unknown_image_is_an_error(small):
    write_batch(small.layout.edits, "t", [Judgement(id="f" * 64, op="exclude", by="t", at="2026-01-01")])
    with pytest.raises(EditError, match="not in the pool"):
        run(small)
