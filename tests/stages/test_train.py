from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from assay.data.files import read_json, read_table, write_table
from assay.data.training_set import TRAIN
from assay.errors import AssayError, GateError, MissingInput, ParamsError
from assay.layout import Layout
from assay.models import cnn
from assay.params import Params
from assay.progress import Silent, silent
from assay.stages import train
from assay.training.fit import Row, best_epoch, deterministic, schedule
from assay.training.predict import load_model, predict_ids
from tests.project import Project


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def outputs(layout: Layout) -> dict[str, bytes]:
    files = ("model/model.pt", "model/model.json", "history.csv")
    return {name: (layout.outputs / name).read_bytes() for name in files}


def digest(layout: Layout) -> str:
    """Of the training set."""
    return Project(layout.root).table("train").schema.metadata[b"digest"].decode()


def keep(layout: Layout, condition: pc.Expression) -> None:
    file = layout.selection / "train.parquet"
    write_table(file, read_table(file).filter(condition))


def test_it_learns(learnable: Layout, make_params) -> None:
    summary = train.run(make_params(train={"epochs": 12}), learnable, silent)
    assert summary["best"]["val_accuracy"] > 0.8
    about = read_json(learnable.outputs / "model" / "model.json")
    assert about["categories"] == ["across", "down", "plain"]
    assert about["selection"] == digest(learnable)
    assert about["best_epoch"] == summary["best_epoch"] <= about["epochs_run"]
    assert not list((learnable.scratch / "checkpoints").iterdir())


@pytest.mark.parametrize("augment", ["none", "strong"])
def test_a_repeat_is_the_same_bits_and_another_seed_is_not(
    learnable: Layout, make_params, augment: str
) -> None:
    params = make_params(train={"augment": augment})
    train.run(params, learnable, silent)
    first = outputs(learnable)
    torch.rand(3)  # what happened before in the process has no say
    train.run(params, learnable, silent)
    assert outputs(learnable) == first
    train.run(make_params(train={"augment": augment}, seed=1), learnable, silent)
    again = outputs(learnable)
    assert again["model/model.pt"] != first["model/model.pt"]
    assert again["history.csv"] != first["history.csv"]


def test_batches_of_several_sizes_repeat_and_resume_with_the_same_bits(
    learnable: Layout, make_params
) -> None:
    params = make_params(train={"scale": [0.5, 1.5], "image_size": 64, "batch": 24})
    train.run(params, learnable, silent)
    first = outputs(learnable)

    def stop(row: Row) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.run(params, learnable, silent, on_epoch=stop)
    heard = Heard()
    train.run(params, learnable, heard)
    assert heard.said == ["resuming after epoch 1"]
    assert outputs(learnable) == first
    plain = make_params(train={"image_size": 64, "batch": 24})
    train.run(plain, learnable, silent)
    assert outputs(learnable)["model/model.pt"] != first["model/model.pt"]


def test_scales_that_cannot_be_are_refused(learnable: Layout, make_params) -> None:
    with pytest.raises(ParamsError, match=r"train\.scale: probe takes images of one size") as error:
        train.run(make_params(train={"scale": [0.5, 1.5], "model": "probe"}), learnable, silent)
    assert "cnn, lite0_detector" in str(error.value.hint)
    with pytest.raises(ParamsError, match="leaves 1 size in steps of 32 px"):
        train.run(make_params(train={"scale": [0.75, 1.25], "image_size": 28}), learnable, silent)


def test_the_rows_of_the_history_are_told_as_they_come(learnable: Layout, make_params) -> None:
    told: list[Row] = []
    train.run(make_params(), learnable, silent, on_epoch=told.append)
    assert [row["epoch"] for row in told] == [1, 2, 3]
    lines = (learnable.outputs / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,lr,train_loss,val_loss,val_accuracy"
    assert lines[1:] == [",".join(map(str, row.values())) for row in told]


CHILD = """
import json, sys
from pathlib import Path
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import train
params = parse_params(json.loads(sys.argv[2]))
train.run(params, Layout(Path(sys.argv[1])), silent, on_epoch=lambda row: print(int(row["epoch"]), flush=True))
"""


def killed_after(epoch: int, params: Params, layout: Layout) -> None:
    """Train in a process of its own, and kill -9 it once that epoch has been told, in the middle of the next."""
    command = [sys.executable, "-c", CHILD, str(layout.root), json.dumps(params.model_dump(mode="json"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline().strip() != str(epoch):
            assert child.poll() is None
        checkpoints = layout.scratch / "checkpoints"
        while not list(checkpoints.glob("*.pt")):
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)


def test_after_a_kill_it_ends_in_the_same_bits(learnable: Layout, make_params) -> None:
    params = make_params(train={"epochs": 25, "augment": "light", "patience": 25})
    train.run(params, learnable, silent)
    undisturbed = outputs(learnable)
    for name in undisturbed:
        (learnable.outputs / name).unlink()
    killed_after(3, params, learnable)
    assert not (learnable.outputs / "history.csv").exists()
    heard, told = Heard(), list[Row]()
    train.run(params, learnable, heard, on_epoch=told.append)
    assert any(text.startswith("resuming after epoch") for text in heard.said)
    assert [row["epoch"] for row in told] == list(range(1, 26))
    assert outputs(learnable) == undisturbed


def test_a_checkpoint_of_other_params_is_not_resumed(learnable: Layout, make_params) -> None:
    told: list[Row] = []

    def stop(row: Row) -> None:
        told.append(row)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.run(make_params(), learnable, silent, on_epoch=stop)
    heard = Heard()
    train.run(make_params(train={"lr": 0.01}), learnable, heard)
    assert heard.said == []
    assert not list((learnable.scratch / "checkpoints").iterdir())


def test_a_damaged_checkpoint_is_said_and_left(learnable: Layout, make_params) -> None:
    params = make_params()
    key = train.run_key(params, digest(learnable))
    (learnable.scratch / "checkpoints").mkdir(parents=True)
    (learnable.scratch / "checkpoints" / f"{key}.pt").write_bytes(b"half a checkpoint")
    heard = Heard()
    train.run(params, learnable, heard)
    assert "cannot be read" in heard.said[0]


def test_it_stops_when_val_gets_no_better(learnable: Layout, make_params) -> None:
    summary = train.run(make_params(train={"epochs": 60, "lr": 0.1, "patience": 2}), learnable, silent)
    assert summary["stopped_early"]
    assert summary["epochs_run"] == summary["best_epoch"] + 2
    lines = (learnable.outputs / "history.csv").read_text().splitlines()[1:]
    losses = [float(line.split(",")[3]) for line in lines]
    assert losses.index(min(losses)) + 1 == summary["best_epoch"]


def test_without_val_it_says_so_and_runs_all_epochs(learnable: Layout, make_params) -> None:
    keep(learnable, pc.field("split") == "train")
    heard = Heard()
    summary = train.run(make_params(train={"patience": 1}), learnable, heard)
    assert any("no labelled val image" in text for text in heard.said)
    assert (summary["epochs_run"], summary["best_epoch"]) == (3, 3)
    assert "val_loss" not in (learnable.outputs / "history.csv").read_text()


def test_divergence_is_named_with_what_to_do(learnable: Layout, make_params) -> None:
    params = make_params()
    beyond = params.train.model_copy(update={"lr": 1e30})  # past the bounds: so that it surely diverges
    said = r"diverged: the loss of epoch \d is not a number \(train.lr 1e\+30"
    with pytest.raises(AssayError, match=said) as caught:
        train.run(params.model_copy(update={"train": beyond}), learnable, silent)
    assert "lower train.lr" in str(caught.value.hint)
    assert not (learnable.outputs / "model").exists()
    assert not list((learnable.scratch / "checkpoints").glob("*"))


CELL = '[{"bbox":[1.0,1.0,4.0,4.0],"category":"cell"}]'


@pytest.mark.parametrize("task", ["detection", "semantic_segmentation", "instance_segmentation"])
@pytest.mark.parametrize(("labels", "enough"), [([CELL], True), ([CELL, CELL], True), (["[]", "[]"], False)])
def test_one_image_with_an_object_has_a_background_too(task, labels, enough):
    n = len(labels)
    table = pa.table([list(map(str, range(n))), ["train"] * n, labels, labels], schema=TRAIN)
    if enough:
        train.check_enough(table, ["cell"], task, silent)
        return
    with pytest.raises(GateError, match="2 labelled training images of 0 classes") as error:
        train.check_enough(table, ["cell"], task, silent)
    assert "at least one image with an object" in str(error.value.hint)


def test_nothing_to_learn_from(learnable: Layout, make_params) -> None:
    keep(learnable, pc.field("label") == "down")
    with pytest.raises(GateError, match="too little to learn from: 24 labelled training images of 1 classes"):
        train.run(make_params(), learnable, silent)
    (learnable.selection / "train.parquet").unlink()
    with pytest.raises(MissingInput, match=r"train.parquet is not there"):
        train.run(make_params(), learnable, silent)


def test_a_class_without_training_images_is_said(learnable: Layout, make_params) -> None:
    keep(learnable, (pc.field("label") != "down") | (pc.field("split") == "val"))
    heard = Heard()
    train.run(make_params(), learnable, heard)
    assert heard.said == ["no training image of down: the model cannot learn to see these"]


def test_a_label_that_is_no_category(learnable: Layout, make_params) -> None:
    file = learnable.selection / "train.parquet"
    table = read_table(file)
    labels = pa.array(["sideways", *table["label"].to_pylist()[1:]])
    write_table(file, table.set_column(2, "label", labels))
    with pytest.raises(ParamsError, match="outside the declared classes: 'sideways'"):
        train.run(make_params(), learnable, silent)


def test_a_linear_probe_on_the_embeddings(learnable: Layout, make_params) -> None:
    params = make_params(train={"model": "probe", "options": {}, "epochs": 20, "lr": 0.05})
    summary = train.run(params, learnable, silent)
    assert summary["best"]["val_accuracy"] > 0.9
    assert not (learnable.scratch / "decoded").exists()
    module = load_model(learnable.outputs / "model").module
    assert module.scale.min() > 0, "a constant dimension divides nothing by zero"
    assert module.mean[1] == pytest.approx(10_130, rel=0.01)


def test_a_saved_model_is_built_by_the_defaults_of_its_day(
    learnable: Layout, make_params, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(make_params(train={"epochs": 1, "options": {}}), learnable, silent)

    class Later(cnn.Options):
        width: int = 24

    monkeypatch.setattr(cnn, "Options", Later)
    weights = torch.load(learnable.outputs / "model" / "model.pt", weights_only=True)
    kept = load_model(learnable.outputs / "model").module.state_dict()
    assert all(kept[name].equal(tensor) for name, tensor in weights.items())


def test_a_torchvision_network(learnable: Layout, make_params) -> None:
    options = {"name": "resnet18"}
    settings = {"model": "torchvision", "options": options, "image_size": 32, "epochs": 1, "batch": 36}
    summary = train.run(make_params(train=settings), learnable, silent)
    assert summary["parameters"] > 11_000_000
    ids = read_table(learnable.selection / "train.parquet")["id"].to_pylist()[:3]
    table, known = predict_ids(learnable.outputs / "model", ids, learnable, 2, silent)
    assert [len(row) for row in table["probabilities"].to_pylist()] == [3] * 3 == [len(known)] * 3


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_and_repeats(learnable: Layout, make_params, precision: str) -> None:
    params = make_params(train={"precision": precision, "epochs": 6, "class_weights": "balanced"})
    first = train.run(params, learnable, silent)
    bits = outputs(learnable)
    train.run(params, learnable, silent)
    assert outputs(learnable) == bits
    assert first["best"]["val_accuracy"] > 0.6
    weights = torch.load(learnable.outputs / "model" / "model.pt", weights_only=True)
    assert {t.dtype for t in weights.values()} <= {torch.float32, torch.int64}


def test_class_weights_lift_the_rare_class(learnable: Layout, make_params) -> None:
    rare = pc.field("label") == "plain"
    some = read_table(learnable.selection / "train.parquet").filter(rare & (pc.field("split") == "train"))
    keep(learnable, (~rare | (pc.field("split") == "val")) | (pc.field("id") < some["id"].to_pylist()[3]))
    ids = (
        read_table(learnable.selection / "train.parquet").filter(pc.field("split") == "val")["id"].to_pylist()
    )
    given = {}
    for how in ("none", "balanced"):
        params = make_params(train={"class_weights": how, "epochs": 4, "augment": "none"})
        train.run(params, learnable, silent)
        table, _ = predict_ids(learnable.outputs / "model", ids, learnable, 24, silent)
        given[how] = np.array(table["probabilities"].to_pylist())[:, 2].mean()
    assert given["balanced"] > 1.5 * given["none"]


def test_a_misspelt_option_lists_the_valid_ones(learnable: Layout, make_params) -> None:
    with pytest.raises(ParamsError, match=r"train\.options\.widht") as caught:
        train.run(make_params(train={"options": {"widht": 8}}), learnable, silent)
    assert "width (default 32)" in str(caught.value.hint)


def test_the_rate_rises_and_falls_to_nothing() -> None:
    rates = [schedule(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert np.all(np.diff(rates[9:]) < 0)
    assert 0 <= rates[-1] < 0.01
    assert schedule(0, 1) == 1


def test_the_best_epoch_is_the_first_of_equals() -> None:
    assert best_epoch([{"epoch": e, "val_loss": v} for e, v in ((1, 2.0), (2, 1.0), (3, 1.0))]) == 2
    assert best_epoch([{"epoch": 1}, {"epoch": 2}]) == 2


def test_determinism_is_put_back() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    with deterministic(1):
        assert torch.are_deterministic_algorithms_enabled()
        torch.rand(1)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_determinism_does_not_import_the_compiler() -> None:
    program = """
import sys
from assay.training.fit import deterministic
with deterministic(1):
    print("torch._inductor" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "False\n", "it takes 4 s, in each stage that runs a model"


def test_outputs_hold_no_place_of_this_machine(learnable: Layout, make_params, tmp_path: Path) -> None:
    train.run(make_params(), learnable, silent)
    assert all(str(tmp_path).encode() not in data for data in outputs(learnable).values())
