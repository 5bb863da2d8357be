"""`assay advise` on a small real project: what it says, that it repeats, and what it refuses."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil

import numpy as np
import pytest

from assay.commands import advise, label
from assay.commands.terminal import Console
from assay.data.files import read_json
from assay.errors import GateError, MissingInput
from assay.experiments.advice import plan
from assay.experiments.advice.labelled_data import open_labelled
from assay.experiments.advice.learners import LearnerRun, ModelLearner, ProbeLearner
from assay.experiments.advice.outcome_store import OutcomeStore
from assay.progress import Silent, silent
from assay.stages import train
from assay.training.predict import predict_ids


class Counting(Silent):
    """Counts the epochs that are trained; `stop` after so many, as Ctrl-C would."""

    def __init__(self, stop: int | None = None) -> None:
        self.epochs, self._stop = 0, stop

    def bar(self, text, total=None, unit="images"):
        from contextlib import contextmanager

        @contextmanager
        def counted():
            yield self._count if unit == "epochs" else lambda _done: None

        return counted()

    def _count(self, done: int) -> None:
        self.epochs += done
        if self._stop is not None and self.epochs > self._stop:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def steady_clock(monkeypatch):
    """Every training takes a second: how long it really took is in the advice, and no two are the same."""
    monkeypatch.setattr("assay.experiments.advice.learners.perf_counter", itertools.count().__next__)


@pytest.fixture
def told(workshop):
    workshop.fill(wrong=0.2)
    return advise.run(workshop.params(), workshop.layout)


def test_it_says_what_each_option_is_expected_to_gain_and_on_what(told, workshop):
    assert {option["kind"] for option in told["options"]} == {"labels", "review", "model"}
    for option in told["options"]:
        gain = option["gain"]
        assert gain["low"] <= gain["value"] <= gain["high"]
    assert told["measured_on"]["split"] == "val"
    assert told["measured_on"]["val"] == 45
    assert told["verdict"]["kind"] in ("recommend", "can't tell")
    labels = next(option for option in told["options"] if option["kind"] == "labels")
    assert labels["amount"] == 10  # an hour buys 360, and there are 10
    assert "all 10 unlabelled" in " ".join(labels["remarks"])
    json.dumps(told, allow_nan=False)
    console = Console(record=True, width=200, file=io.StringIO())
    advise.render(told, console)
    text = console.export_text()
    assert told["verdict"]["text"][:40] in text
    assert "replaces cnn" in text


def test_a_second_call_trains_nothing_and_from_nothing_it_comes_out_the_same(told, workshop):
    counting = Counting()
    assert advise.run(workshop.params(), workshop.layout, progress=counting) == told
    assert counting.epochs == 0
    other_costs = workshop.params(seconds_per_label=20.0)
    advise.run(other_costs, workshop.layout, progress=counting)
    assert counting.epochs == 0  # the trainings are known, whatever they cost
    shutil.rmtree(workshop.layout.scratch / "advice")
    assert advise.run(workshop.params(), workshop.layout) == told


def test_the_test_set_is_not_looked_at(told, workshop):
    (workshop.layout.snapshot / "ruler.parquet").unlink()
    shutil.rmtree(workshop.layout.scratch / "advice")
    assert advise.run(workshop.params(), workshop.layout) == told


def test_wrong_labels_are_suspected_and_the_file_goes_back_in_by_assay_label(told, workshop, tmp_path):
    file = tmp_path / "review.csv"
    found = advise.run(workshop.params(), workshop.layout, suspects=file)
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert found["suspects"]["reviewed"] == len(rows) > 0
    precision = np.mean([row["id"] in workshop.wrong for row in rows])
    assert precision > 0.6
    assert all(row["label"] == "" and row["given"] != row["suggested"] for row in rows)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": row["suggested"]} for row in rows)
    written = label.run(workshop.params(), workshop.layout, file, "ada")
    assert written["batch"]


def test_the_page_holds_all_it_needs(told, workshop, tmp_path):
    file = tmp_path / "advice.html"
    advise.run(workshop.params(), workshop.layout, page=file)
    text = file.read_text()
    assert text.count("<svg") >= 3
    assert "data:image/" in text
    assert not any(link in text for link in ("http://", "https://", "<link", "@import"))
    assert "NaN" not in text


def test_the_model_itself_is_asked_where_it_is_cheap_and_a_killed_study_carries_on(workshop):
    workshop.fill()
    params = workshop.params(learner="model")
    with pytest.raises(KeyboardInterrupt):
        advise.run(params, workshop.layout, progress=Counting(stop=20))
    counting = Counting()
    told = advise.run(params, workshop.layout, progress=counting)
    everything = Counting()
    shutil.rmtree(workshop.layout.scratch / "advice")
    again = advise.run(params, workshop.layout, progress=everything)
    assert again == told
    assert everything.epochs - 20 <= counting.epochs < everything.epochs
    assert told["measured_on"]["learner"] == "cnn"
    assert not told["measured_on"]["stands_in"]
    assert [trial["seeds"] for trial in told["trials"]] == [2, 2]


def test_the_baseline_is_the_model_that_train_makes_bit_for_bit(workshop):
    workshop.fill()
    params, layout = workshop.params(), workshop.layout
    data = open_labelled(layout)
    rows = np.arange(len(data.labels["train"]))
    learner = ModelLearner(params, layout, data, silent)
    mine = learner.learn(LearnerRun(rows, data.labels["train"], params.seed), lambda: None)
    train.run(params, layout, silent)
    theirs, _ = predict_ids(layout.outputs / "model", data.ids["val"], layout, 64, silent)
    assert mine.said.equals(theirs)


def test_every_change_of_a_run_is_another_run(workshop):
    layout = workshop.fill()
    data = open_labelled(layout)
    targets = data.labels["train"]
    rows = np.arange(len(targets))
    flipped = np.where(rows == 0, "left" if targets[0] == "top" else "top", targets)
    runs = [
        LearnerRun(rows, targets, 0),
        LearnerRun(rows, targets, 1),
        LearnerRun(rows, flipped, 0),
        LearnerRun(rows[1:], targets[1:], 0),
        LearnerRun(rows, targets, 0, {"lr": 0.5}),
    ]
    model = ModelLearner(workshop.params(), layout, data, silent)
    assert len({model.key(run) for run in runs}) == len(runs)
    probe = ProbeLearner(workshop.params(), data)
    assert probe.key(runs[0]) == probe.key(runs[1])  # there is no chance in it


def test_a_damaged_note_is_written_again(workshop):
    layout = workshop.fill()
    data = open_labelled(layout)
    probe, outcomes = ProbeLearner(workshop.params(), data), OutcomeStore(layout.scratch / "advice", silent)
    run = LearnerRun(np.arange(60), data.labels["train"][:60], 0)
    (first,) = outcomes.results("x", probe, [run])
    (file,) = outcomes.folder.glob("*.parquet")
    file.write_bytes(file.read_bytes()[:40])
    (second,) = outcomes.results("x", probe, [run])
    assert first.said.equals(second.said)
    assert len(first.said) == 45


def test_a_trial_that_diverges_is_told_and_left_out(workshop):
    workshop.fill()
    params = workshop.params(learner="model", seeds=2)
    broken = params.model_copy(update={"train": params.train.model_copy(update={"lr": 3e18})})
    data = open_labelled(workshop.layout)
    rows = np.arange(len(data.labels["train"]))
    learner = ModelLearner(params, workshop.layout, data, silent)
    assert learner.learn(LearnerRun(rows, data.labels["train"], 0, {"lr": 3e18}), lambda: None).failed
    with pytest.raises(Exception, match="diverged"):
        advise.run(broken, workshop.layout)


@pytest.mark.parametrize(
    ("filled", "complaint"),
    [
        ({"val": 12}, "12 labelled val images: gains are measured on val, which needs at least 30"),
        ({"train": 30}, "30 labelled train images: a learning curve needs at least 40"),
    ],
)
def test_too_few_labels_are_refused_with_what_to_do(workshop, filled, complaint):
    workshop.fill(**filled)
    with pytest.raises(GateError, match=complaint) as error:
        advise.run(workshop.params(), workshop.layout)
    assert "assay queue" in str(error.value.hint)


def test_what_is_not_there_is_named_with_the_stage_that_makes_it(workshop):
    with pytest.raises(MissingInput) as error:
        advise.run(workshop.params(), workshop.layout)
    assert "select" in str(error.value.hint)
    workshop.fill()
    shutil.rmtree(workshop.layout.embeddings)
    with pytest.raises(MissingInput) as error:
        advise.run(workshop.params(), workshop.layout)
    assert "embed" in str(error.value.hint)


def test_one_class_is_nothing_to_tell_apart(workshop, made):
    rng = np.random.default_rng(0)
    for split, count in (("train", 50), ("val", 35), ("test", 5)):
        for n in range(count):
            workshop.project.add(f"{split}{n}", made("plain", rng), split=split, label="plain")
    workshop.project.embed()
    from assay.stages import curate, select

    curate.run(workshop.params(), workshop.layout, silent)
    select.run(workshop.params(), workshop.layout, silent)
    with pytest.raises(GateError, match="only 'plain' has labelled training images"):
        advise.run(workshop.params(), workshop.layout)


def test_the_plan_shrinks_with_the_minutes_and_ends_with_the_probe(workshop):
    params = workshop.params(learner="auto", seeds=3, trials=6, minutes=5.0)
    rich, modest, none = (plan.make(params, seconds) for seconds in (5.0, 17.0, 60.0))
    assert (rich.learner, rich.seeds, rich.trials) == ("model", 3, 6)
    assert modest.learner == "model"
    assert modest.trainings * 17 <= 300 < rich.trainings * 17
    assert none.learner == "probe"
    assert "advise.minutes allows 5" in none.why
    assert plan.make(workshop.params(learner="model"), 1e6).learner == "model"


def test_trials_step_away_from_where_the_settings_are(workshop):
    settings = workshop.params().train
    for learner, images in (("model", True), ("model", False), ("probe", False)):
        tried = plan.trials(settings, learner, images, 6)
        assert len({name for name, _ in tried}) == 6
        if learner == "model":
            for _, change in tried:
                assert settings.model_validate({**settings.model_dump(), **change}) != settings


def test_groups_are_kept_together(workshop):
    workshop.fill(groups=24)
    data = open_labelled(workshop.layout)
    assert len(set(data.groups)) == 24
    advise.run(workshop.params(), workshop.layout)
    assert read_json(next((workshop.layout.scratch / "advice").glob("seconds-*.json")))["seconds"] > 0


def test_of_a_loss_less_is_more_and_a_gain_is_still_a_gain(workshop):
    workshop.fill(wrong=0.2)
    params = workshop.params(seconds_per_training_minute=1e9)
    params = params.model_copy(update={"track": params.track.model_copy(update={"primary": "log_loss"})})
    told = advise.run(params, workshop.layout)
    assert not told["higher_is_better"]
    first, *_, last = told["curve"]["points"]
    assert 0 < last["value"] < first["value"]
    gains = {option["kind"]: option["gain"] for option in told["options"]}
    assert gains["labels"]["value"] >= 0
    assert gains["model"] is None  # a training costs more than there is
    assert told["baseline"]["low"] <= told["baseline"]["value"] <= told["baseline"]["high"]
