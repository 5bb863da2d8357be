from __future__ import annotations

import subprocess
from io import StringIO

import pytest
import yaml
from rich.console import Console

from assay.commands import promote
from assay.data.champion import champion_model, read_champion
from assay.data.files import read_json, write_json
from assay.errors import MissingInput, PromotionRefused
from assay.lineage.revisions import run_dvc


class Run:
    """What train and evaluate left in outputs/."""

    def __init__(self, queued) -> None:
        self.queued, self.layout = queued, queued.layout

    def train(self, weights: str = "weights one") -> None:
        selection = read_json(self.layout.selection / "selection.json")
        folder = self.layout.outputs / "model"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.pt").unlink(missing_ok=True)
        (folder / "model.pt").write_text(weights)
        write_json(folder / "model.json", {"selection": selection["digest"]})

    def evaluate(self, value=None, low=None, high=None, metric="accuracy", against=None) -> None:
        champion = read_champion(self.layout.champion)
        compared = None
        if champion is not None:
            difference = {"value": value, "low": low, "high": high, "n": 50, "p_value": 0.1}
            compared = {"fingerprint": against or champion.fingerprint, "difference": {metric: difference}}
        test = {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50}}
        metrics = {"primary": "accuracy", "test": test, "champion": compared}
        write_json(self.layout.outputs / "metrics.json", metrics)

    def promote(self, seed=0, **options):
        params = self.queued.params().model_copy(update={"seed": seed})
        return promote.run(params, self.layout, by="ann", **options)


@pytest.fixture
def run(queued) -> Run:
    made = Run(queued)
    made.train()
    made.evaluate()
    return made


@pytest.fixture
def second(run) -> Run:
    """A champion is there, and another model stands in outputs/."""
    run.promote()
    run.train("weights two")
    return run


def test_the_first_model_becomes_the_champion(run):
    result = run.promote()
    champion = read_champion(run.layout.champion)
    assert result["promoted"]
    assert (champion.promoted_by, champion.forced, champion.why) == ("ann", False, "")
    assert champion.metrics["accuracy"]["value"] == 0.8
    assert champion.snapshot == run.queued.curate().digest()
    assert (champion_model(run.layout.champion, champion) / "model.pt").read_text() == "weights one"


def test_the_same_model_again_is_no_promotion(run):
    run.promote()
    before = (run.layout.champion / "champion.json").read_bytes()
    assert not run.promote()["promoted"]
    assert (run.layout.champion / "champion.json").read_bytes() == before


def test_worse_beyond_the_noise_is_refused_with_the_numbers(second):
    second.evaluate(-0.05, -0.08, -0.01)
    before = (second.layout.champion / "champion.json").read_bytes()
    with pytest.raises(PromotionRefused, match=r"accuracy −5\.0 points \[−8\.0, −1\.0\] on 50 test images"):
        second.promote(seed=1)
    assert (second.layout.champion / "champion.json").read_bytes() == before
    assert (second.layout.champion / "model" / "model.pt").read_text() == "weights one"


@pytest.mark.parametrize(("low", "high"), [(-0.08, 0.01), (-0.01, 0.05), (0.02, 0.1), (-0.1, 0.0)])
def test_not_worse_beyond_the_noise_is_promoted(second, low, high):
    second.evaluate((low + high) / 2, low, high)
    result = second.promote(seed=1)
    assert result["promoted"]
    assert not result["champion"]["forced"]
    console = Console(file=StringIO(), width=120)
    promote.render(result, console)
    assert "on 50 test images" in console.file.getvalue()


def test_force_needs_a_reason_and_keeps_it(second):
    second.evaluate(-0.05, -0.08, -0.01)
    with pytest.raises(PromotionRefused, match="needs a reason"):
        second.promote(seed=1, force=True)
    second.promote(seed=1, force=True, why="the old one cannot read 16-bit images")
    champion = read_champion(second.layout.champion)
    assert champion.forced
    assert champion.why == "the old one cannot read 16-bit images"


def test_force_that_was_not_needed_is_not_recorded_as_one(second):
    second.evaluate(0.05, 0.01, 0.08)
    assert not second.promote(seed=1, force=True, why="quickly")["champion"]["forced"]


def test_a_loss_that_grew_is_worse():
    grown = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 9}
    assert promote.gate(grown, "log_loss") is not None
    assert promote.gate(grown, "accuracy") is None


def test_numbers_that_do_not_belong_together_are_refused(second):
    second.evaluate(0.1, 0.05, 0.15, against="e" * 64)
    with pytest.raises(PromotionRefused, match="does not compare with the champion"):
        second.promote(seed=1, force=True, why="now")
    second.evaluate(0.1, 0.05, 0.15, metric="macro_f1")
    with pytest.raises(PromotionRefused, match="no paired difference of 'accuracy'"):
        second.promote(seed=1)
    write_json(second.layout.outputs / "model" / "model.json", {"selection": "another"})
    with pytest.raises(PromotionRefused, match="was not trained on this selection"):
        second.promote(seed=1)


def test_before_evaluate_it_says_what_to_run(run):
    (run.layout.outputs / "metrics.json").unlink()
    with pytest.raises(MissingInput) as error:
        run.promote()
    assert "assay evaluate" in error.value.hint


def test_in_a_dvc_project_the_weights_are_tracked_and_stale_outputs_refused(run):
    root = run.layout.root
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    run_dvc(["init", "-q"], root)
    run.promote()
    tracked = yaml.safe_load((root / "data/champion/model.dvc").read_text())["outs"][0]
    assert tracked["nfiles"] == 2
    (root / "dvc.yaml").write_text("stages: {train: {cmd: assay train}}\n")
    with pytest.raises(PromotionRefused, match="train is not up to date: never ran"):
        run.promote(seed=1)
