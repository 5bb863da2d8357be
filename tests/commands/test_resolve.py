from __future__ import annotations

import pytest

from assay.commands.resolve import resolve
from assay.data.edits import read_batches
from assay.data.snapshot import Snapshot
from assay.errors import GateError, PluginError
from assay.progress import silent
from assay.stages import curate


@pytest.fixture
def leaky(project, draw):
    """Five leaks: across all splits, in a group, and an image that two splits claim."""
    project.add("test", draw(1), "BMP", split="test")
    project.add("val", draw(1), "PNG", split="val")
    project.add("train", draw(1), "JPEG", split="train")
    project.add("val alone", draw(2), "PNG", split="val")
    project.add("train alone", draw(2), "JPEG", split="train")
    project.add("member in train", draw(3), split="train", group="g")
    project.add("member in val", draw(4), split="val", group="g")
    project.add("claimed", draw(5), split="train")
    project.add("claimed", draw(5), split="test")
    project.embed()
    return project


def excluded(project) -> set[str]:
    samples = Snapshot.load(project.layout.snapshot).samples.to_pylist()
    name_of = {sample: name for name, sample in project.names.items()}
    return {name_of[row["id"]] for row in samples if row["excluded"]}


def test_the_batch_opens_the_gate_and_never_touches_the_more_protected(leaky):
    with pytest.raises(GateError):
        curate.run(leaky.params(), leaky.layout, silent)
    result = resolve(leaky.layout, leaky.params(), "leakage")
    assert result["batch"] == "data/edits/0001-resolve-leakage.jsonl"
    assert (result["exclude"], result["split"]) == (4, 1)
    curate.run(leaky.params(), leaky.layout, silent)
    assert excluded(leaky) == {"val", "train", "train alone", "member in train"}
    rows = {r["id"]: r for r in Snapshot.load(leaky.layout.snapshot).samples.to_pylist()}
    assert rows[leaky.names["claimed"]]["split"] == "test"
    ((_, batch),) = read_batches(leaky.layout.edits)
    assert all(judgement.why.startswith("leakage: ") for judgement in batch)


def test_what_val_loses_to_test_is_not_taken_from_train_as_well(project, draw):
    project.add("test", draw(1), split="test", group="g")
    project.add("val", draw(2), "PNG", split="val", group="g")
    project.add("train", draw(2), "JPEG", split="train")
    project.embed()
    resolve(project.layout, project.params(), "leakage")
    curate.run(project.params(), project.layout, silent)
    assert excluded(project) == {"val"}


def test_a_dry_run_writes_nothing(leaky):
    result = resolve(leaky.layout, leaky.params(), "leakage", dry_run=True)
    assert (result["batch"], len(result["decisions"])) == (None, 5)
    assert not leaky.layout.edits.exists()


def test_without_leaks_there_is_nothing_to_write(project, draw):
    project.add("a", draw(1))
    project.embed()
    assert resolve(project.layout, project.params(), "leakage")["batch"] is None


def test_only_leakage_can_be_resolved(project):
    with pytest.raises(PluginError, match="'blur'"):
        resolve(project.layout, project.params(), "blur")
