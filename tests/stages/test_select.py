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
from assay.data.annotations import Annotation
from assay.data.champion import Champion, sha256, write_champion
from assay.data.edits import Judgement
from assay.data.files import write_table
from assay.data.fold import fold
from assay.data.images.decode import ImageInfo
from assay.data.pool import Pool, PoolWriter, content_id
from assay.data.queued import QUEUE, ruler_size
from assay.data.training_set import drawn_order
from assay.errors import AssayError, MissingInput, ParamsError
from assay.layout import Layout
from assay.params import Ingest, Params, Source, Train
from assay.params import Select as SelectParams
from assay.progress import silent
from assay.stages import select

NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}


def png(value: int) -> bytes:
    """Dark for even values, bright for odd ones."""
    rng = np.random.default_rng(value)
    stream = io.BytesIO()
    pixels = rng.integers(0, 100, (8, 8), dtype=np.uint8) + (150 if value % 2 else 0)
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def judge(sample: str, op: str = "label", label: str | None = None) -> Judgement:
    notes = [Annotation(category=label)] if label else None
    return Judgement(id=sample, op=op, annotations=notes, by="t", at="2026-01-01")


class Project:
    """A pool of n images with a snapshot; `known` of them are labelled dark or bright."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.judgements: list[Judgement] = []
        self.n = 0

    def add(self, n: int, label: bool = False) -> list[str]:
        added = []
        with PoolWriter(self.layout.pool, 1000, 1 << 24) as writer:
            for value in range(self.n, self.n + n):
                data = png(value)
                sample = content_id(data)
                writer.add(sample, data, ImageInfo(8, 8, "L", "PNG"))
                writer.add_row("imports", (sample, "s", f"{value}.png", None, None, None, None, "{}", False))
                added.append(sample)
                if label:
                    self.judgements.append(judge(sample, label="bright" if value % 2 else "dark"))
        self.n += n
        return added

    def curate(self):
        pool = Pool.open(self.layout.pool)
        snap = fold(pool, [("0001-t", self.judgements)], NO_PAIRS, FRACTIONS, 0)
        self.layout.snapshot.mkdir(parents=True, exist_ok=True)
        snap.write(self.layout.snapshot)
        return snap

    def run(self, seed: int = 0, **settings):
        return select.run(params(seed, **settings), self.layout, silent)

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.layout.selection / f"{name}.parquet")

    def bytes(self, name: str) -> bytes:
        return (self.layout.selection / name).read_bytes()


def params(seed: int = 0, **settings) -> Params:
    chosen = {"strategy": "random", "budget": 10, "ruler_halfwidth": 0.4} | settings
    return Params(
        seed=seed,
        ingest=Ingest(sources=[Source(name="s", format="demo")]),
        select=SelectParams(**chosen),
        train=Train(image_size=8, color="gray", epochs=1, batch=8, options={"width": 4, "blocks": 1}),
    )


@pytest.fixture
def project(tmp_path) -> Project:
    made = Project(tmp_path)
    made.add(60, label=True)
    made.add(60)
    made.curate()
    return made


def test_it_learns_from_labelled_train_and_val_images_sorted_by_id(project):
    summary = project.run()
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
    project.run()
    train, queue = project.bytes("train.parquet"), project.bytes("queue.parquet")
    project.add(40)
    project.curate()
    project.run(budget=33)
    assert project.bytes("train.parquet") == train
    assert project.bytes("queue.parquet") != queue


def test_the_same_inputs_are_the_same_bytes(project):
    names = ("train.parquet", "queue.parquet", "selection.json")
    project.run()
    first = [project.bytes(name) for name in names]
    project.run()
    assert [project.bytes(name) for name in names] == first


def test_the_order_of_the_snapshots_rows_does_not_matter(project):
    project.run(ruler_halfwidth=0.49)
    first = project.table("queue")["id"].to_pylist()
    for name in ("samples", "annotations"):
        file = project.layout.snapshot / f"{name}.parquet"
        rows = pq.read_table(file)
        pq.write_table(rows.take(pa.array(np.random.default_rng(1).permutation(len(rows)))), file)
    train = project.bytes("train.parquet")
    project.run(ruler_halfwidth=0.49)
    assert project.table("queue")["id"].to_pylist() == first
    assert project.bytes("train.parquet") == train


def test_excluded_images_are_neither_learnt_from_nor_asked_about(project):
    project.run(budget=1000)
    learnt, asked = (project.table(name)["id"][0].as_py() for name in ("train", "queue"))
    project.judgements += [judge(learnt, "exclude"), judge(asked, "exclude")]
    project.curate()
    summary = project.run(budget=1000)
    assert learnt not in project.table("train")["id"].to_pylist()
    assert asked not in project.table("queue")["id"].to_pylist()
    assert summary["left_out"]["excluded"] == 2


def test_train_limit_draws_nested_subsets_and_keeps_val(project):
    def drawn(limit, seed=0):
        project.run(seed, train_limit=limit)
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
    summary = project.run(budget=1000, ruler_halfwidth=0.2)
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
    project.run(budget=6, ruler_halfwidth=0.05)
    rows = project.table("queue").to_pylist()
    assert {row["split"] for row in rows} == {"val", "test"}
    assert {row["strategy"] for row in rows} == {"ruler"}


def test_the_ruler_is_drawn_by_seed_and_never_by_what_the_images_show(project):
    ids = [f"{n:064x}" for n in range(200)]
    order = drawn_order(ids, 0, "ruler")
    assert drawn_order(ids, 1, "ruler") != order
    assert drawn_order(ids[50:], 0, "ruler") == [sample for sample in order if sample in set(ids[50:])]


def test_nothing_labelled_on_day_one(tmp_path):
    project = Project(tmp_path)
    project.add(30)
    project.curate()
    summary = project.run(ruler_halfwidth=0.49)
    assert len(project.table("train")) == 0
    assert project.table("train").schema.metadata[b"digest"].decode() == summary["digest"]
    assert len(project.table("queue")) == 10
    assert len(summary["head"]) == 10


def test_everything_labelled_is_an_empty_queue(tmp_path):
    project = Project(tmp_path)
    project.add(30, label=True)
    project.curate()
    project.run()
    assert len(project.table("queue")) == 0
    assert project.table("queue").schema.equals(QUEUE)


def test_images_that_the_audit_found_blank_are_not_queued(project):
    project.run(budget=1000)
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
    summary = project.run(budget=1000)
    queued = project.table("queue")["id"].to_pylist()
    assert victim not in queued
    assert blurred in queued
    assert summary["left_out"]["blank"] == 1


def embed(project: Project) -> None:
    """Real embeddings, by the stage that makes them."""
    plugins.import_module("assay.stages.embed").run(params(), project.layout, silent)


def test_a_cold_start_chooses_by_the_embeddings_and_says_so(project):
    embed(project)
    summary = project.run(strategy="margin", ruler_halfwidth=0.49)
    assert (summary["strategy"], summary["used"]) == ("margin", "maxherding")
    assert "no champion yet" in summary["why"]
    rows = project.table("queue").to_pylist()
    assert {row["strategy"] for row in rows} == {"maxherding"}
    assert "represents similar images" in rows[0]["reason"]
    assert {row["predicted"] for row in rows} == {None}


def test_a_pool_larger_than_memory_is_chosen_from_in_a_file(project, monkeypatch):
    embed(project)
    project.run(strategy="kcenter", ruler_halfwidth=0.49)
    before = project.table("queue")
    monkeypatch.setattr(embeddings, "IN_MEMORY", 0)
    project.run(strategy="kcenter", ruler_halfwidth=0.49)
    assert project.table("queue").equals(before)
    assert before["strategy"].to_pylist() != []


def promote(project: Project) -> Champion:
    """Train a real (bad) model on the selection and make it the champion."""
    project.run()
    plugins.import_module("assay.stages.train").run(params(), project.layout, silent)
    shutil.copytree(project.layout.outputs / "model", project.layout.champion / "model", dirs_exist_ok=True)
    weights = sha256(project.layout.champion / "model" / "model.pt")
    champion = Champion(
        fingerprint="f" * 64, model_sha256=weights, snapshot="s", params={}, metrics={},
        promoted_by="t", promoted_at="2026-01-01",
    )  # fmt: skip
    write_champion(project.layout.champion, champion)
    return champion


def test_the_champion_chooses_and_its_guess_is_shown_except_on_the_ruler(project):
    promote(project)
    summary = project.run(strategy="margin", budget=30, ruler_halfwidth=0.2)
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
    project.run(strategy="margin", ruler_halfwidth=0.49)
    queue = project.bytes("queue.parquet")
    select.run(
        params(strategy="margin", ruler_halfwidth=0.49).model_copy(update={"task": "kinds"}),
        project.layout,
        silent,
    )
    assert project.bytes("queue.parquet") == queue


def test_only_new_images_are_shown_to_the_champion(project, monkeypatch):
    promote(project)
    project.run(strategy="margin", ruler_halfwidth=0.49)
    first = project.bytes("queue.parquet")
    asked: list[list[str]] = []

    def counting(model, ids, *rest, real=select.predict_ids):
        asked.append(list(ids))
        return real(model, ids, *rest)

    monkeypatch.setattr(select, "predict_ids", counting)
    project.run(strategy="margin", ruler_halfwidth=0.49)
    assert asked == []
    assert project.bytes("queue.parquet") == first
    added = project.add(20)
    project.curate()
    project.run(strategy="margin", ruler_halfwidth=0.49)
    assert len(asked) == 1
    assert set(asked[0]) <= set(added)
    grown = project.bytes("queue.parquet")
    shutil.rmtree(project.layout.scratch / "beliefs")
    project.run(strategy="margin", ruler_halfwidth=0.49)
    assert project.bytes("queue.parquet") == grown


def test_weights_that_are_not_the_champions_are_refused(project):
    champion = promote(project)
    write_champion(project.layout.champion, champion.model_copy(update={"model_sha256": "0" * 64}))
    with pytest.raises(MissingInput, match="is not the model"):
        project.run(strategy="margin", ruler_halfwidth=0.49)
    shutil.rmtree(project.layout.champion / "model")
    with pytest.raises(MissingInput, match="is not there") as error:
        project.run(strategy="margin", ruler_halfwidth=0.49)
    assert "dvc pull" in error.value.hint


def test_a_champion_file_that_is_none_is_said(project):
    project.layout.champion.mkdir(parents=True)
    (project.layout.champion / "champion.json").write_text("{}")
    with pytest.raises(AssayError, match="not a champion"):
        project.run()


def test_before_curate_it_says_what_to_run(tmp_path):
    with pytest.raises(MissingInput, match=r"samples\.parquet is not there") as error:
        Project(tmp_path).run()
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
    summary = project.run(strategy="maxherding", budget=20, cost="minutes", ruler_halfwidth=0.2)
    minutes = {row["id"]: float(json.loads(row["metadata"])["minutes"]) for row in samples(project)}
    spent = sum(minutes[sample] for sample in project.table("queue")["id"].to_pylist())
    assert 20 - 2 < spent <= 20
    assert summary["cost"] == spent
    assert summary["queue"]["ruler"] < 20


def test_the_ruler_waits_rather_than_pass_over_what_is_dear(project):
    free = project.run(budget=50, ruler_halfwidth=0.2)
    order = [row["id"] for row in project.table("queue").to_pylist() if row["strategy"] == "ruler"]
    assert free["queue"]["ruler"] == len(order) > 5
    dear = {order[2]}
    ids = [row["id"] for row in samples(project)]
    with_minutes(project, lambda k: 99 if ids[k] in dear else 1)
    project.run(budget=50, ruler_halfwidth=0.2, cost="minutes")
    asked = [row["id"] for row in project.table("queue").to_pylist() if row["strategy"] == "ruler"]
    assert asked == order[:2]


def test_an_image_without_a_cost_is_named(project):
    with_minutes(project, lambda k: "soon")
    with pytest.raises(ParamsError, match=r"select\.cost: .* have no positive number"):
        project.run(budget=200, cost="minutes")


def samples(project) -> list[dict]:
    return pq.read_table(project.layout.snapshot / "samples.parquet").to_pylist()


def test_auto_says_what_it_decided_and_on_what_evidence(project):
    embed(project)
    summary = project.run(strategy="auto", ruler_halfwidth=0.49)
    written = json.loads((project.layout.selection / "selection.json").read_text())
    assert summary["evidence"] == written["evidence"]
    assert written["evidence"]["strategy"] == "uncertainty_herding"
    assert written["evidence"]["comparison"] is None
    reasons = project.table("queue")["reason"].to_pylist()
    assert all(written["evidence"]["why"] in reason or "control" in reason for reason in reasons)


def test_classes_are_balanced_by_what_the_labels_teach(project):
    embed(project)
    plain = project.run(budget=20, ruler_halfwidth=0.49)
    even = project.run(budget=20, ruler_halfwidth=0.49, balance=True, diversity=2.0)
    assert plain["queue"] == even["queue"] == {"random": 20}
    assert plain != even
