"""One MLflow run per fingerprint, on a real SQLite store and a real server; and what happens when it is away."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from assay import plugins
from assay.data.champion import Champion, sha256, write_champion
from assay.data.files import write_json, write_table
from assay.errors import MissingInput, TrackingError
from assay.layout import Layout
from assay.models import ModelSpec
from assay.params import Params, parse_params
from assay.progress import Silent, silent
from assay.stages import track as stage
from assay.tracking import LiveCurves, environment, last_run, registry, track, view
from assay.tracking import server as serving
from assay.tracking.content import choice_tags, flat_params, metric_key
from assay.tracking.families import Node, write_family
from assay.tracking.numbers import headline_metrics, result_tags
from assay.tracking.numbers import table as numbers_table
from assay.tracking.store import FINGERPRINT, connect, create_sqlite, redacted, reporting, tracking_uri
from assay.training.predict import load_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]

HISTORY = "epoch,train_loss,val_loss,val_accuracy,lr\n0,2.0,1.9,0.3,0.001\n1,1.5,1.6,,0.001\n"


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 2}


def fill(
    layout: Layout, *, selection: str = "d" * 64, accuracy: float = 0.75, primary: str = "accuracy"
) -> None:
    """What the stages before `track` leave behind."""
    row = {"id": ["a", "b"], "label": ["even", "odd"], "metadata": ["{}", "{}"]}
    write_table(layout.snapshot / "ruler.parquet", pa.table(row))
    counts = {"samples": 9, "excluded": 1, "labelled": {"train": 4}, "unlabelled": {"train": 4}}
    write_json(layout.snapshot / "snapshot.json", {"digest": "5" * 64, "categories": [], "counts": counts})
    write_json(layout.selection / "selection.json", {"digest": selection})
    train = {"id": ["c", "d", "e"], "split": ["train"] * 3, "label": ["odd", "odd", "even"]}
    write_table(layout.selection / "train.parquet", pa.table(train))
    queue = {"rank": [0], "id": ["f" * 64], "score": [1.0], "strategy": ["margin"], "reason": ["close call"],
             "predicted": ["odd"], "confidence": [0.51], "split": ["train"]}  # fmt: skip
    write_table(layout.selection / "queue.parquet", pa.table(queue))
    test = {"accuracy": score(accuracy), "ece": score(0.5), "per_class": {"a/b": {"f1": score(0.5)}}}
    test.setdefault(primary, score(0.4))
    write_json(
        layout.outputs / "metrics.json",
        {"primary": primary, "test": test, "val": {"accuracy": score(0.7)}, "champion": None},
    )
    (layout.outputs / "history.csv").write_text(HISTORY)
    (layout.outputs / "plots").mkdir(exist_ok=True)
    (layout.outputs / "plots" / "confusion.csv").write_text("actual,predicted\nodd,even\n")
    layout.params.write_text("seed: 0\n")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a process was killed while it made the store."""
    path = tmp_path_factory.mktemp("schema") / "mlflow.db"
    code = "import sys, pathlib; from assay.tracking import store; store.create_sqlite(pathlib.Path(sys.argv[1]))"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.DEVNULL)
    while not path.with_name("mlflow.db.tmp").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not path.exists()
    return path


@pytest.fixture(scope="module")
def schema(killed: Path) -> Path:
    """An empty MLflow database: its schema takes seconds to make."""
    create_sqlite(killed)
    return killed


@pytest.fixture
def params() -> Params:
    source = {"name": "digits", "format": "imagefolder"}
    return parse_params({"ingest": {"sources": [source]}, "track": {"experiment": "digits"}})


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A workspace with results and no store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    layout = Layout(tmp_path)
    fill(layout)
    return layout


@pytest.fixture
def layout(empty: Layout, schema: Path) -> Layout:
    """A workspace with results and a store of its own."""
    shutil.copy(schema, empty.root / "mlflow.db")
    return empty


@pytest.fixture(scope="module", autouse=True)
def starting(schema: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A real tracking server on a free port, which comes up while the tests without it run."""
    home = tmp_path_factory.mktemp("server")
    shutil.copy(schema, home / "mlflow.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    store, files = f"sqlite:///{home / 'mlflow.db'}", str(home / "artifacts")
    options = [
        "--backend-store-uri",
        store,
        "--artifacts-destination",
        files,
        "--port",
        port,
        "--workers",
        "1",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *options],
        cwd=home,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield f"http://127.0.0.1:{port}", process
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(20)


@pytest.fixture
def server(starting: tuple[str, Any]) -> str:
    url, process = starting
    wait_for(f"{url}/health", process)
    return url


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server has ended"
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def runs(layout: Layout) -> list[Any]:
    store = connect(layout.root, "digits")
    return list(store.client.search_runs([store.experiment_id], order_by=["attributes.start_time ASC"]))


def history(layout: Layout, run: Any, key: str) -> list[tuple[int, float]]:
    store = connect(layout.root, "digits")
    return sorted((m.step, m.value) for m in store.client.get_metric_history(run.info.run_id, key))


def artifacts(layout: Layout, run: Any) -> set[str]:
    client = connect(layout.root, "digits").client
    top = [file.path for file in client.list_artifacts(run.info.run_id)]
    return {*top, *(file.path for file in client.list_artifacts(run.info.run_id, "plots"))}


def test_a_run_holds_all_that_is_known(params: Params, layout: Layout) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", str(layout.root)], check=True)
    (layout.root / "code.py").write_text("x = 1\n")
    subprocess.run([*git, "add", "code.py"], cwd=layout.root, check=True)
    subprocess.run([*git, "commit", "-qm", "one"], cwd=layout.root, check=True)
    (layout.root / "code.py").write_text("x = 2\n")

    result = stage.run(params, layout, silent)

    (run,) = runs(layout)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"cnn-{result['fingerprint'][:8]}"
    assert json.loads((layout.outputs / "tracked.json").read_text()) == {"fingerprint": result["fingerprint"]}
    assert run.data.params["train.lr"] == "0.001"
    assert run.data.metrics["accuracy/test"] == 0.75
    curves = {"train_loss", "val_loss", "val_accuracy", "lr"}
    assert set(run.data.metrics) == {"accuracy/test", "accuracy/val", "ece/test"} | curves, (
        "few, and no bounds"
    )
    assert history(layout, run, "train_loss") == [(0, 2.0), (1, 1.5)]
    assert history(layout, run, "val_accuracy") == [(0, 0.3)], "an empty cell is no point"
    tags = run.data.tags
    assert (tags["assay.changed"], tags[FINGERPRINT]) == ("first", result["fingerprint"])
    assert tags["mlflow.source.git.commit"] == tags["assay.git.commit"] != ""
    assert (tags["assay.git.dirty"], tags["assay.snapshot"], tags["assay.selection"]) == (
        "true",
        "5" * 64,
        "d" * 64,
    )
    assert tags[view.RESULT] == "accuracy 75.0 % [65.0, 85.0]"
    assert "| accuracy | 75.0 % \\[65.0, 85.0\\] |" in tags["mlflow.note.content"]
    assert {
        "metrics.json",
        "metrics.csv",
        "history.csv",
        "params.yaml",
        "environment.json",
        "queue.csv",
        "dirty.patch",
        "plots/confusion.csv",
    } <= artifacts(layout, run)
    assert last_run(layout) == result


def test_the_snapshot_is_the_dataset_of_training_and_test(params: Params, layout: Layout) -> None:
    track(params, layout)
    (run,) = runs(layout)
    inputs = {
        i.dataset.name: (i.dataset, {t.key: t.value for t in i.tags}) for i in run.inputs.dataset_inputs
    }
    assert {tags["mlflow.data.context"] for _, tags in inputs.values()} == {"train", "test"}
    dataset, tags = inputs["snapshot-train"]
    assert "5" * 64 == tags["assay.digest"] == json.loads(dataset.source)["digest"]
    assert dataset.digest == "5" * 36
    assert json.loads(dataset.profile)["labels"] == {"even": 1, "odd": 2}


def test_the_same_fingerprint_is_the_same_run(params: Params, layout: Layout) -> None:
    first = track(params, layout)
    (before,) = runs(layout)
    fill(layout, accuracy=0.8)
    wider = params.model_copy(update={"select": params.select.model_copy(update={"budget": 7})})
    again = track(wider, layout)
    (run,) = runs(layout)
    assert (first["run_id"], first["new"], again["new"]) == (again["run_id"], True, False)
    assert run.data.metrics["accuracy/test"] == 0.8
    assert history(layout, run, "train_loss") == [(0, 2.0), (1, 1.5)]
    assert len(history(layout, run, "accuracy/val")) == 1
    assert len(run.inputs.dataset_inputs) == 2
    assert "`select.budget` 100 → 7" in run.data.tags["mlflow.note.content"]
    assert run.info.end_time == before.info.end_time


def test_changed_says_what_differs_from_the_run_before(params: Params, layout: Layout) -> None:
    slower = params.model_copy(update={"train": params.train.model_copy(update={"lr": 0.5})})
    assert track(params, layout)["changed"] == "first"
    assert track(slower, layout)["changed"] == "model"
    fill(layout, selection="e" * 64)
    assert track(slower, layout)["changed"] == "data"
    fill(layout)
    assert track(params, layout)["changed"] == "first", "an old run keeps what it said"
    assert len(runs(layout)) == 3


def test_the_environment_of_a_run_is_that_of_its_training(params: Params, layout: Layout) -> None:
    track(params, layout)
    (run,) = runs(layout)
    assert run.data.tags["assay.environment"] == "track", "nobody knows where the model was trained"
    environment.note(params, layout)
    track(params, layout)
    (layout.scratch / environment.NAME).unlink()
    track(params, layout)
    (run,) = runs(layout)
    assert run.data.tags["assay.environment"] == "train", "a track elsewhere does not take its place"


def test_two_that_create_the_run_at_once_keep_one(params: Params, layout: Layout) -> None:
    store = connect(layout.root, "digits")
    ready = threading.Barrier(2)
    found: list[str] = []

    def create() -> None:
        ready.wait()
        found.append(store.open_run("f" * 64, "cnn", {})[0].info.run_id)

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept, is_new = store.open_run("f" * 64, "cnn", {})
    assert not is_new
    assert [run.info.run_id for run in runs(layout)] == [kept.info.run_id]
    assert kept.info.run_id in found


def test_before_evaluate_there_is_nothing_to_track(params: Params, empty: Layout) -> None:
    (empty.outputs / "metrics.json").unlink()
    with pytest.raises(MissingInput, match=r"metrics\.json"):
        track(params, empty)


def test_curves_appear_while_training_and_are_not_doubled(params: Params, layout: Layout) -> None:
    with LiveCurves(params, layout) as curves:
        curves.on_epoch({"epoch": 0, "train_loss": 2.0, "val_loss": 1.9, "val_accuracy": 0.3, "lr": 0.001})
    (run,) = runs(layout)
    assert run.info.status == "RUNNING"
    assert history(layout, run, "train_loss") == [(0, 2.0)]
    track(params, layout)
    with LiveCurves(params, layout) as curves:
        curves.on_epoch({"epoch": 0, "train_loss": 2.0})
    (run,) = runs(layout)
    assert run.info.status == "FINISHED"
    assert history(layout, run, "train_loss") == [(0, 2.0), (1, 1.5)]


def test_a_training_that_fails_is_a_failed_run(params: Params, layout: Layout) -> None:
    with pytest.raises(ZeroDivisionError), LiveCurves(params, layout):
        1 / 0  # noqa: B018
    assert [run.info.status for run in runs(layout)] == ["FAILED"]
    track(params, layout)
    assert [run.info.status for run in runs(layout)] == ["FINISHED"]


def test_with_the_server_away_training_goes_on_and_track_says_so(
    params: Params, empty: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    heard = Heard()
    with LiveCurves(params, empty, heard) as curves:
        for epoch in range(3):
            curves.on_epoch({"epoch": epoch, "train_loss": 1.0})
    assert len(heard.lines) == 2
    assert "http://127.0.0.1:9 does not answer" in heard.lines[0]
    assert "`assay track`" in heard.lines[1]
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1:9 does not answer") as caught:
        track(params, empty)
    assert "outputs/" in str(caught.value.hint)
    assert "secret" not in f"{caught.value} {heard.lines}"
    assert not last_run(empty)


def test_with_the_server_away_a_family_is_a_remark(
    params: Params, empty: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    heard = Heard()
    assert write_family("effort 1", Node("parent", {}, {}, {}), [], [], params, empty, heard) is None
    assert len(heard.lines) == 1
    assert (
        "not written to MLflow: the tracking server at http://127.0.0.1:9 does not answer" in heard.lines[0]
    )
    assert "secret" not in heard.lines[0]


def test_a_store_is_made_whole_after_a_kill_while_it_was_made(
    schema: Path, params: Params, layout: Layout
) -> None:
    assert sorted(file.name for file in schema.parent.iterdir()) == ["mlflow.db", "mlflow.db.lock"]
    assert track(params, layout)["new"]


def test_a_store_that_is_no_database_is_a_tracking_error(params: Params, empty: Layout) -> None:
    (empty.root / "mlflow.db").write_text("not a database, surely")
    with pytest.raises(TrackingError, match="does not answer or refuses"):
        track(params, empty)


NESTED = {
    "primary": "accuracy",
    "test": {
        "accuracy": score(0.5),
        "per_class": {"a/b, c": {"f1": score(0.2)}},
        "slices": {"cam": {"#1": {"ece": score(0.3)}}},
        "details": {"threshold": 0.4, "sizes": {"small": score(0.1)}, "confusion": [[1]]},
    },
    "val": {"accuracy": {"value": None, "low": None, "high": None, "n": 0}},
    "champion": {"difference": {"accuracy": {**score(0.02), "p_value": 0.5}}, "metrics": {"accuracy": score(0.48)}},
}  # fmt: skip


def test_few_numbers_are_metrics_and_all_of_them_a_table() -> None:
    assert headline_metrics(NESTED) == {"accuracy/test": 0.5, "accuracy/vs_champion": 0.02}
    assert result_tags(NESTED) == {
        "assay.result": "accuracy 50.0 % [40.0, 60.0]",
        "assay.vs_champion": "+2.0 points [−8.0, +12.0]",
    }
    rows = {(r["of"], r["part"], r["metric"]): r for r in csv.DictReader(numbers_table(NESTED).splitlines())}
    assert rows["test", "class a/b, c", "f1"]["value"] == "0.2"
    assert rows["test", "cam = #1", "ece"]["n"] == "2"
    assert rows["test", "sizes", "small"]["value"] == "0.1"
    assert rows["difference to the champion", "", "accuracy"]["p_value"] == "0.5"
    assert (rows["val", "", "accuracy"]["value"], rows["val", "", "accuracy"]["n"]) == ("", "0")
    assert len(rows) == 7
    assert metric_key("größe #1") == "größe _1"


@pytest.mark.parametrize(
    ("primary", "better"), [("accuracy", "true"), ("log_loss", "false"), ("ece", "false")]
)
def test_the_experiment_says_what_is_better_and_which_columns_decide(
    layout: Layout, primary: str, better: str
) -> None:
    """Also one that was made by an older assay; what people wrote about it stays."""
    old = connect(layout.root, "digits", {"mlflow.note.content": "ours"})
    source = {"name": "digits", "format": "imagefolder"}
    params = parse_params(
        {"ingest": {"sources": [source]}, "track": {"experiment": "digits", "primary": primary}}
    )
    fill(layout, primary=primary)
    track(params, layout)
    tags = old.client.get_experiment(old.experiment_id).tags
    assert tags["mlflow.experiment.primaryMetric.name"] == f"{primary}/test"
    assert tags["mlflow.experiment.primaryMetric.greaterIsBetter"] == better
    assert tags["mlflow.note.content"] == "ours"
    columns = json.loads(tags[view.VIEW])["selectedColumns"]
    assert columns[:2] == ["tags.`assay.result`", "tags.`assay.changed`"]
    assert len(tags[view.VIEW]) < 5000, "older servers take no more"


def test_a_run_lasts_as_long_as_its_training(params: Params, layout: Layout) -> None:
    with LiveCurves(params, layout) as curves:
        curves.on_epoch({"epoch": 0, "train_loss": 2.0})
    environment.note(params, layout, curves.began, curves.ended)
    time.sleep(0.05)
    track(params, layout)
    (run,) = runs(layout)
    assert (run.info.start_time, run.info.end_time) == (curves.began, curves.ended)
    fill(layout, selection="e" * 64)
    track(params, layout)
    assert runs(layout)[1].info.start_time == runs(layout)[1].info.end_time, "of a cached model nobody knows"


def test_params_are_short_texts(params: Params) -> None:
    long = params.model_copy(update={"curate": params.curate.model_copy(update={"classes": ["c" * 30] * 30})})
    flat = flat_params(long)
    assert flat["seed"] == "0"
    assert len(flat["curate.classes"]) == 250
    assert flat["select.annotator"] == "null"


def test_no_password_is_shown() -> None:
    assert redacted("postgresql://me:secret@db:5432/x") == "postgresql://db:5432/x"


def test_a_later_track_fills_the_run_in(
    params: Params, empty: Layout, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    result = track(params, empty)
    (run,) = runs(empty)
    assert history(empty, run, "train_loss") == [(0, 2.0), (1, 1.5)]
    assert {"metrics.json", "plots/confusion.csv"} <= artifacts(empty, run)
    assert (
        result["url"]
        == f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?{view.TRAINING}"
    )
    assert track(params, empty)["run_id"] == run.info.run_id
    assert not (empty.root / "mlflow.db").exists()


def test_the_tags_say_who_chose_the_next_images_and_why():
    cold = {"strategy": "margin", "used": "maxherding", "why": "no champion yet", "evidence": None}
    assert choice_tags(cold) == {
        "assay.select.strategy": "margin",
        "assay.select.used": "maxherding",
        "assay.select.why": "no champion yet",
    }
    decided = {
        "strategy": "auto",
        "used": "auto",
        "why": "",
        "evidence": {"strategy": "random", "why": "it pays not"},
    }
    assert choice_tags(decided)["assay.select.used"] == "random"
    assert choice_tags(decided)["assay.select.why"] == "it pays not"
    assert choice_tags({}) == {}


@pytest.mark.skipif(find_spec("psycopg2") is not None, reason="the driver is there")
def test_a_database_without_its_driver_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host/db")
    with (
        pytest.raises(TrackingError, match="needs the package 'psycopg2'") as error,
        reporting(tracking_uri(tmp_path)),
    ):
        connect(tmp_path, "e")
    assert "pip install psycopg2-binary" in error.value.hint
    assert "secret" not in str(error.value)


def crowned(params: Params, layout: Layout, model: str = "cnn") -> Champion:
    """A small model, tracked and promoted."""
    folder = layout.champion / "model"
    folder.mkdir(parents=True, exist_ok=True)
    kind = "embeddings" if model == "probe" else "pixels"
    about = {
        "model": model,
        "options": {"width": 4, "blocks": 1} if model == "cnn" else {},
        "task": "classification",
        "categories": ["even", "odd", "other"],
        "embedding_dim": 5,
        "inputs": {"kind": kind, "image_size": 8, "color": "gray", "encoder": None, "encoder_options": {}},
        "train": {"device": "cpu", "threads": 1},
    }
    write_json(folder / "model.json", about)
    spec = ModelSpec(3, 8, "gray", 5, about["options"])
    torch.save(plugins.load("models", model).build(spec).state_dict(), folder / "model.pt")
    champion = Champion(
        fingerprint=track(params, layout)["fingerprint"], model_sha256=sha256(folder / "model.pt"), snapshot="s",
        params={}, metrics={}, promoted_by="t", promoted_at="2026-01-02T00:00:00Z",
    )  # fmt: skip
    write_champion(layout.champion, champion)
    return champion


@pytest.mark.filterwarnings("ignore")  # of torch.export and of MLflow's import
@pytest.mark.parametrize(("model", "shape"), [("cnn", (1, 8, 8)), ("probe", (5,))])
def test_the_champion_is_registered_once_and_can_be_served(
    params: Params, layout: Layout, monkeypatch: pytest.MonkeyPatch, model: str, shape: tuple[int, ...]
) -> None:
    """Under its alias, with a signature, as a graph: no pickle, no code of ours."""
    import mlflow.pyfunc

    champion = crowned(params, layout, model)
    done = registry.register(champion, params, layout)
    assert done == {"model": "digits", "version": done.get("version"), "new": True}
    assert registry.register(champion, params, layout) == {**done, "new": False}
    client = connect(layout.root, "digits").client
    version = client.get_model_version_by_alias("digits", "champion")
    assert (version.version, version.tags[FINGERPRINT]) == (done["version"], champion.fingerprint)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{layout.root / 'mlflow.db'}")
    served = mlflow.pyfunc.load_model("models:/digits@champion")
    batch = np.random.default_rng(0).random((7, *shape), dtype=np.float32)
    with torch.inference_mode():
        expected = load_model(layout.champion / "model").module(torch.from_numpy(batch)).softmax(1)
    assert served.predict(batch) == pytest.approx(expected.numpy(), abs=1e-6)
    assert served.metadata.metadata["categories"] == ["even", "odd", "other"]
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, *shape)
    (run,) = runs(layout)
    assert run.data.tags[view.CHAMPION] == "since 2026-01-02"
    assert version.source == f"models:/{run.outputs.model_outputs[0].model_id}"
    fill(layout, selection="e" * 64)
    following = champion.model_copy(update={"fingerprint": track(params, layout)["fingerprint"]})
    assert registry.register(following, params, layout)["new"]
    assert [run.data.tags.get(view.CHAMPION) for run in runs(layout)] == [
        "until 2026-01-02",
        "since 2026-01-02",
    ]


def test_a_promotion_does_without_mlflow(
    params: Params, empty: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = Champion(
        fingerprint="f", model_sha256="m", snapshot="s", params={}, metrics={}, promoted_by="t", promoted_at="2026",
    )  # fmt: skip
    assert "no run of it is in MLflow yet" in registry.register(champion, params, empty)["trouble"]
    assert not (empty.root / "mlflow.db").exists(), "no 15 seconds for a store with nothing in it"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    assert "http://127.0.0.1:9 does not answer" in registry.register(champion, params, empty)["trouble"]


def test_the_ui_is_a_link_to_the_runs_and_a_server_that_ends_with_the_command(
    params: Params, layout: Layout, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert serving.serve(params, layout, 5000, said.append) == 0, "it runs already"
    assert said[0].startswith(f"{server}/#/experiments/")
    assert said[0].endswith("/runs?workflowType=machine_learning&viewStateShareKey=assay")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    port = int(server.rsplit(":", 1)[1])
    with pytest.raises(TrackingError, match=f"port {port} is taken"):
        serving.serve(params, layout, port, said.append)
