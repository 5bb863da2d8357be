from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from assay import plugins
from assay.contracts.tasks import ARGUMENTS
from assay.data import embeddings
from assay.data.champion import Champion, write_champion
from assay.data.files import read_table, write_table
from assay.data.queued import QUEUE, ruler_size
from assay.data.training_set import drawn_order
from assay.errors import AssayError, MissingInput, ParamsError
from assay.progress import silent
from assay.stages import select
from assay.training import champion
from tests.project import Project


def png(value: int) -> bytes:
    """Dark for even values, bright for odd ones."""
    rng = np.random.default_rng(value)
    stream = io.BytesIO()
    pixels = rng.integers(0, 100, (8, 8), dtype=np.uint8) + (150 if value % 2 else 0)
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def begin(root: Path) -> Project:
    """Nothing in it yet."""
    return Project(
        root,
        ingest={"sources": [{"name": "s", "format": "demo"}]},
        select={"strategy": "random", "budget": 10, "ruler_halfwidth": 0.4},
        train={
            "image_size": 8,
            "color": "gray",
            "epochs": 1,
            "batch": 8,
            "options": {"width": 4, "blocks": 1},
        },
        embed={},
    )


def add(project: Project, values: range, label: bool = False) -> list[str]:
    """Images into the pool, labelled dark or bright if wanted."""
    labels = [("bright" if value % 2 else "dark") if label else None for value in values]
    return project.put([png(value) for value in values], label=labels)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """60 images with a label and 60 without."""
    made = begin(tmp_path)
    add(made, range(60), label=True)
    add(made, range(60, 120))
    made.curate()
    return made


def test_it_learns_from_labelled_train_and_val_images_sorted_by_id(project):
    summary = project.select()
    train = project.table("train")
    snap = project.curate()
    splits = dict(zip(snap.samples["id"].to_pylist(), snap.samples["split"].to_pylist(), strict=True))
    wanted = sorted((i, splits[i], label) for i, label in snap.labels().items() if splits[i] != "test")
    assert list(zip(*(train[c].to_pylist() for c in ("id", "split", "label")), strict=True)) == wanted
    assert json.loads(train["annotations"][0].as_py()) == [{"category": train["label"][0].as_py()}]
    assert sum(summary["counts"]["train"].values()) == train["split"].to_pylist().count("train")
    assert train.schema.metadata[b"digest"].decode() == summary["digest"]
    assert json.loads(train.schema.metadata[b"categories"]) == ["bright", "dark"]


def test_new_unlabelled_images_and_another_queue_leave_the_training_set_as_it_was(project):
    project.select()
    train, queue = project.bytes("train.parquet"), project.bytes("queue.parquet")
    add(project, range(120, 160))
    project.curate()
    project.select(budget=33)
    assert project.bytes("train.parquet") == train
    assert project.bytes("queue.parquet") != queue


def test_the_same_inputs_are_the_same_bytes(project):
    names = ("train.parquet", "queue.parquet", "selection.json")
    project.select()
    first = [project.bytes(name) for name in names]
    project.select()
    assert [project.bytes(name) for name in names] == first


def test_the_order_of_the_snapshots_rows_does_not_matter(project):
    project.select(ruler_halfwidth=0.49)
    first = project.table("queue")["id"].to_pylist()
    for name in ("samples", "annotations"):
        file = project.layout.snapshot / f"{name}.parquet"
        rows = pq.read_table(file)
        pq.write_table(rows.take(pa.array(np.random.default_rng(1).permutation(len(rows)))), file)
    train = project.bytes("train.parquet")
    project.select(ruler_halfwidth=0.49)
    assert project.table("queue")["id"].to_pylist() == first
    assert project.bytes("train.parquet") == train


def test_excluded_images_are_neither_learnt_from_nor_asked_about(project):
    project.select(budget=1000)
    learnt, asked = (project.table(name)["id"][0].as_py() for name in ("train", "queue"))
    project.judge(learnt, "exclude")
    project.judge(asked, "exclude")
    project.curate()
    summary = project.select(budget=1000)
    assert learnt not in project.table("train")["id"].to_pylist()
    assert asked not in project.table("queue")["id"].to_pylist()
    assert summary["left_out"]["excluded"] == 2


def test_train_limit_draws_nested_subsets_and_keeps_val(project):
    def drawn(limit, seed=0):
        project.select(seed, train_limit=limit)
        rows = project.table("train").to_pylist()
        return {r["id"] for r in rows if r["split"] == "train"}, {
            r["id"] for r in rows if r["split"] == "val"
        }

    five, val = drawn(5)
    ten, same_val = drawn(10)
    assert len(five) == 5
    assert five < ten
    assert val == same_val
    assert drawn(5, seed=1)[0] != five


def test_the_ruler_comes_first_at_random_and_stops_when_it_is_long_enough(project):
    need = ruler_size(0.2)
    assert need == 25
    counts = project.curate().counts()["labelled"]
    summary = project.select(budget=1000, ruler_halfwidth=0.2)
    rows = project.table("queue").to_pylist()
    ruler = [row for row in rows if row["strategy"] == "ruler"]
    assert rows[: len(ruler)] == ruler
    assert summary["queue"]["ruler"] == len(ruler)
    unlabelled = project.curate().counts()["unlabelled"]
    for split in ("val", "test"):
        asked = [row for row in ruler if row["split"] == split]
        assert len(asked) == min(need - counts[split], unlabelled[split])
        assert asked[0]["reason"].startswith(f"{split} has {counts[split]} of the 25 labels")
    assert {row["split"] for row in rows[len(ruler) :]} == {"train"}
    assert [row["rank"] for row in rows] == list(range(len(rows)))


def test_a_small_budget_is_shared_by_val_and_test(project):
    project.select(budget=6, ruler_halfwidth=0.05)
    rows = project.table("queue").to_pylist()
    assert {row["split"] for row in rows} == {"val", "test"}
    assert {row["strategy"] for row in rows} == {"ruler"}


def test_the_ruler_is_drawn_by_seed_and_never_by_what_the_images_show(project):
    ids = [f"{n:064x}" for n in range(200)]
    order = drawn_order(ids, 0, "ruler")
    assert drawn_order(ids, 1, "ruler") != order
    assert drawn_order(ids[50:], 0, "ruler") == [sample for sample in order if sample in set(ids[50:])]


def test_nothing_labelled_on_day_one(tmp_path):
    project = begin(tmp_path)
    add(project, range(30))
    project.curate()
    summary = project.select(ruler_halfwidth=0.49)
    assert len(project.table("train")) == 0
    assert project.table("train").schema.metadata[b"digest"].decode() == summary["digest"]
    assert len(project.table("queue")) == 10
    assert len(summary["head"]) == 10


def test_everything_labelled_is_an_empty_queue(tmp_path):
    project = begin(tmp_path)
    add(project, range(30), label=True)
    project.curate()
    project.select()
    assert len(project.table("queue")) == 0
    assert project.table("queue").schema.equals(QUEUE)


def test_images_that_the_audit_found_blank_are_not_queued(project):
    project.select(budget=1000)
    victim, blurred = project.table("queue")["id"].to_pylist()[:2]
    audit = pa.table(
        {
            "check": ["images", "images"],
            "id": [victim, blurred],
            "score": [0.0, 1.0],
            "is_issue": [True, True],
            "reason": ["blank: contrast 0.001 < 0.02", "blurry: sharpness 0.1 < 0.3"],
            "related": pa.array([None, None], pa.string()),
        }
    )
    write_table(project.layout.audit / "audit.parquet", audit)
    summary = project.select(budget=1000)
    queued = project.table("queue")["id"].to_pylist()
    assert victim not in queued
    assert blurred in queued
    assert summary["left_out"]["blank"] == 1


def embed(project: Project) -> None:
    """Real embeddings, by the stage that makes them."""
    plugins.import_module("assay.stages.embed").run(project.params(), project.layout, silent)


def test_a_cold_start_chooses_by_the_embeddings_and_says_so(project):
    embed(project)
    summary = project.select(strategy="margin", ruler_halfwidth=0.49)
    assert (summary["strategy"], summary["used"]) == ("margin", "maxherding")
    assert "no champion yet" in summary["why"]
    rows = project.table("queue").to_pylist()
    assert {row["strategy"] for row in rows} == {"maxherding"}
    assert "represents similar images" in rows[0]["reason"]
    assert {row["predicted"] for row in rows} == {None}


def test_a_pool_larger_than_memory_is_chosen_from_in_a_file(project, monkeypatch):
    embed(project)
    project.select(strategy="kcenter", ruler_halfwidth=0.49)
    before = project.table("queue")
    monkeypatch.setattr(embeddings, "IN_MEMORY", 0)
    project.select(strategy="kcenter", ruler_halfwidth=0.49)
    assert project.table("queue").equals(before)
    assert before["strategy"].to_pylist() != []


def promote(project: Project) -> Champion:
    """Train a real (bad) model on the selection and make it the champion."""
    project.select()
    plugins.import_module("assay.stages.train").run(project.params(), project.layout, silent)
    return project.promote()


def test_the_champion_chooses_and_its_guess_is_shown_except_on_the_ruler(project):
    promote(project)
    summary = project.select(strategy="margin", budget=30, ruler_halfwidth=0.2)
    assert (summary["used"], summary["champion"]) == ("margin", "f" * 64)
    rows = project.table("queue").to_pylist()
    ruler, chosen = rows[: summary["queue"]["ruler"]], rows[summary["queue"]["ruler"] :]
    assert {row["predicted"] for row in ruler} == {None}
    assert {row["predicted"] for row in chosen} <= {"bright", "dark"}
    assert [row["score"] for row in chosen] == sorted(row["score"] for row in chosen)
    assert chosen[0]["reason"].startswith("margin 0.")
    assert all(0.5 <= row["confidence"] <= 1 for row in chosen)


def test_a_projects_own_task_with_classes_needs_no_more_than_its_contract(project, monkeypatch):
    promote(project)
    monkeypatch.chdir(project.layout.root)
    functions = ", ".join(["SAYS_CLASSES", *ARGUMENTS])
    for kind, names in (("tasks", functions), ("metrics", "METRICS, judge")):
        file = project.layout.root / "plugins" / kind / "kinds.py"
        file.parent.mkdir(parents=True)
        file.write_text(f"from assay.{kind}.classification import {names}\nMODELS = ('cnn',)\n")
    project.select(strategy="margin", ruler_halfwidth=0.49)
    queue = project.bytes("queue.parquet")
    select.run(
        project.params(task="kinds", select={"strategy": "margin", "ruler_halfwidth": 0.49}),
        project.layout,
        silent,
    )
    assert project.bytes("queue.parquet") == queue


def test_only_new_images_are_shown_to_the_champion(project, monkeypatch):
    promote(project)
    project.select(strategy="margin", ruler_halfwidth=0.49)
    first = project.bytes("queue.parquet")
    asked: list[list[str]] = []

    def counting(model, ids, *rest, real=champion.predict_ids):
        asked.append(list(ids))
        return real(model, ids, *rest)

    monkeypatch.setattr(champion, "predict_ids", counting)
    project.select(strategy="margin", ruler_halfwidth=0.49)
    assert asked == []
    assert project.bytes("queue.parquet") == first
    added = add(project, range(120, 140))
    project.curate()
    project.select(strategy="margin", ruler_halfwidth=0.49)
    assert len(asked) == 1
    assert set(asked[0]) <= set(added)
    grown = project.bytes("queue.parquet")
    shutil.rmtree(project.layout.scratch / "beliefs")
    project.select(strategy="margin", ruler_halfwidth=0.49)
    assert project.bytes("queue.parquet") == grown


def test_weights_that_are_not_the_champions_are_refused(project):
    champion = promote(project)
    write_champion(project.layout.champion, champion.model_copy(update={"model_sha256": "0" * 64}))
    with pytest.raises(MissingInput, match="is not the model"):
        project.select(strategy="margin", ruler_halfwidth=0.49)
    shutil.rmtree(project.layout.champion / "model")
    with pytest.raises(MissingInput, match="is not there") as error:
        project.select(strategy="margin", ruler_halfwidth=0.49)
    assert "dvc pull" in error.value.hint


def test_a_champion_file_that_is_none_is_said(project):
    project.layout.champion.mkdir(parents=True)
    (project.layout.champion / "champion.json").write_text("{}")
    with pytest.raises(AssayError, match="not a valid champion"):
        project.select()


def test_before_curate_it_says_what_to_run(tmp_path):
    with pytest.raises(MissingInput, match=r"samples\.parquet is not there") as error:
        begin(tmp_path).select()
    assert "assay curate" in error.value.hint


def with_minutes(project, told) -> Project:
    """The project with a metadata column: what `told` says of each place of an image."""
    snap = project.curate()
    rows = [
        {**row, "metadata": json.dumps({"minutes": str(told(k))})}
        for k, row in enumerate(snap.samples.to_pylist())
    ]
    replace(snap, samples=pa.Table.from_pylist(rows, schema=snap.samples.schema)).write(
        project.layout.snapshot
    )
    return project


def test_the_budget_is_in_the_unit_of_the_cost(project):
    embed(project)
    with_minutes(project, lambda k: [2, 4, 7][k % 3])
    summary = project.select(strategy="maxherding", budget=20, cost="minutes", ruler_halfwidth=0.2)
    minutes = {row["id"]: float(json.loads(row["metadata"])["minutes"]) for row in samples(project)}
    spent = sum(minutes[sample] for sample in project.table("queue")["id"].to_pylist())
    assert 20 - 2 < spent <= 20
    assert summary["cost"] == spent
    assert summary["queue"]["ruler"] < 20


def test_the_ruler_waits_rather_than_pass_over_what_is_dear(project):
    free = project.select(budget=50, ruler_halfwidth=0.2)
    order = [row["id"] for row in project.table("queue").to_pylist() if row["strategy"] == "ruler"]
    assert free["queue"]["ruler"] == len(order) > 5
    dear = {order[2]}
    ids = [row["id"] for row in samples(project)]
    with_minutes(project, lambda k: 99 if ids[k] in dear else 1)
    project.select(budget=50, ruler_halfwidth=0.2, cost="minutes")
    asked = [row["id"] for row in project.table("queue").to_pylist() if row["strategy"] == "ruler"]
    assert asked == order[:2]


def test_an_image_without_a_cost_is_named(project):
    with_minutes(project, lambda k: "soon")
    with pytest.raises(ParamsError, match=r"select\.cost: .* have no positive number"):
        project.select(budget=200, cost="minutes")


def samples(project) -> list[dict]:
    return read_table(project.layout.snapshot / "samples.parquet").to_pylist()


def test_auto_says_what_it_decided_and_on_what_evidence(project):
    embed(project)
    summary = project.select(strategy="auto", ruler_halfwidth=0.49)
    written = json.loads((project.layout.selection / "selection.json").read_text())
    assert summary["evidence"] == written["evidence"]
    assert written["evidence"]["strategy"] == "uncertainty_herding"
    assert written["evidence"]["comparison"] is None
    reasons = project.table("queue")["reason"].to_pylist()
    assert all(written["evidence"]["why"] in reason or "control" in reason for reason in reasons)


def test_classes_are_balanced_by_what_the_labels_teach(project):
    embed(project)
    plain = project.select(budget=20, ruler_halfwidth=0.49)
    even = project.select(budget=20, ruler_halfwidth=0.49, balance=True, diversity=2.0)
    assert plain["queue"] == even["queue"] == {"random": 20}
    assert plain != even
