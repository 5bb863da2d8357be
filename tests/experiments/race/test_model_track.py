"""What a trial may change, and who proposes it."""

from __future__ import annotations

import pytest
import yaml

from assay.errors import ParamsError
from assay.experiments.race import space
from assay.experiments.race.model_track import Search
from assay.params import Params, Range, Train, parse_params

SOURCE = {"ingest": {"sources": [{"name": "a", "format": "demo"}]}}


def make(train=None, **race) -> Params:
    return parse_params({**SOURCE, "train": train or {}, "race": race})


def test_auto_fits_the_baseline():
    small = make({"epochs": 9, "model": "cnn", "options": {"width": 48}, "image_size": 28})
    found = space.resolve(small.race.space, small)
    assert found["epochs"] == Range(low=4.0, high=18.0)
    assert found["model"][0] == 'cnn {"width": 48}', "the baseline's own model is one of them"
    assert "cnn" in found["model"]
    assert "probe" not in found["model"], "a probe on the pixels is no serious model"
    assert found["lr"] == Range(low=small.train.lr / 4, high=small.train.lr * 4, log=True)
    assert found["weight_decay"].low < small.train.weight_decay < found["weight_decay"].high
    large = make(
        {"image_size": 224, "model": "torchvision", "options": {"name": "resnet18", "weights": "none"}}
    )
    models = [space.parse_model(text) for text in space.resolve(large.race.space, large)["model"]]
    assert ("torchvision", {"name": "resnet18", "weights": "none"}) in models
    assert len(models) == len({str(m) for m in models})
    assert not any(name == "cnn" for name, _ in models)
    embedded = large.model_copy(update={"embed": large.embed.model_copy(update={"encoder": "torchvision"})})
    assert space.resolve(large.race.space, embedded)["model"][-1] == "probe"
    photographs = make({"model": "torchvision", "image_size": "auto"})
    others = space.resolve(photographs.race.space, photographs)["model"][1:]
    assert others == ["torchvision " + f'{{"name": "{name}"}}' for name in space.LARGE_MODELS]
    drawings = make({"model": "cnn", "image_size": "auto"})
    assert space.resolve(drawings.race.space, drawings)["model"][0] == "cnn"
    no_decay = make({"weight_decay": 0.0})
    assert space.resolve(no_decay.race.space, no_decay)["weight_decay"] == Range(
        low=1e-4, high=1e-2, log=True
    )


def test_what_means_nothing_to_the_task_is_not_tried():
    detector = {"model": "lite0_detector", "image_size": 320}
    found = parse_params({**SOURCE, "task": "detection", "train": detector, "track": {"primary": "ap"}})
    tried = space.resolve(found.race.space, found)
    assert tried.keys() == {"lr", "weight_decay", "augment", "epochs", "model"}
    assert tried["model"] == ["lite0_detector"], "no classifier"


def test_a_trial_changes_train_and_nothing_else():
    raw = yaml.safe_load("{seed: 3, train: {lr: 0.1, model: cnn, options: {width: 8}}, evaluate: {batch: 7}}")
    tried = space.apply({"lr": 0.5, "model": 'cnn {"blocks": 4}'}, raw)
    assert tried == {**raw, "train": {"lr": 0.5, "model": "cnn", "options": {"blocks": 4}}}
    assert space.apply({}, raw) == raw


def test_models_are_one_text_each():
    for model in ("probe", {"cnn": {"width": 64, "blocks": 4}}, {"cnn": {}}):
        text = space.model_text(model)
        assert space.model_text({space.parse_model(text)[0]: space.parse_model(text)[1]}) == text


def test_the_baseline_is_a_trial_if_it_lies_within_the_space():
    choices = space.resolve(make().race.space, make())
    assert space.standing(choices, Train(lr=1e-3)) == {
        "augment": "light", "epochs": 10, "label_smoothing": 0.0, "lr": 1e-3, "model": "cnn", "weight_decay": 1e-2,
    }  # fmt: skip
    assert space.standing(choices, Train(lr=1.0)) is None
    assert space.standing(choices, Train(augment="flips")) is None


def propose(seed: int, trials: int, score) -> list[dict]:
    params = make()
    search = Search(space.resolve(params.race.space, params), params, seed, maximise=True)
    search.tell_baseline(0.5)
    found = []
    for _ in range(trials):
        found.append(search.ask())
        search.tell(score(found[-1]))
    return found


def test_the_same_seed_and_scores_propose_the_same_trials():
    def score(tried):
        return None if tried["model"] == "cnn" else 1 - abs(tried["lr"] - 0.002)

    assert propose(1, 8, score) == propose(1, 8, score)
    assert propose(1, 8, score)[0] != propose(2, 8, score)[0]
    for tried in propose(3, 8, score):
        Train.model_validate({**tried, "model": space.parse_model(tried["model"])[0]})
        assert len(f"{tried['lr']:.10g}".replace("0.", "").strip("0")) <= 3


def test_the_search_learns():
    def score(tried):
        return -abs(tried["weight_decay"] - 0.05)

    late = propose(0, 40, score)[25:]
    assert sum(0.02 < tried["weight_decay"] < 0.1 for tried in late) > len(late) / 2


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"learning_rate": [1]}, r"space\.learning_rate: a trial cannot change this key; valid: lr, "),
        ({"batch": "auto"}, r"space\.batch: only lr, weight_decay, epochs, model can be auto"),
        ({"lr": {"low": 2.0, "high": 1.0}}, r"low must be less than high"),
        ({"lr": [0.1, -1.0]}, r"space\.lr: -1\.0: valid: above 0 to 1,000"),
        ({"augment": ["none", "wild"]}, r"space\.augment: 'wild'"),
        ({"augment": []}, r"space\.augment: must be a list"),
        ({"model": {"low": 1.0, "high": 2.0}}, r"space\.model: must be a list"),
        ({"model": ["cnn", "psychic"]}, r"space\.model: 'psychic'.*valid: .*cnn"),
        ({"epochs": {"low": 0.5, "high": 2.0}}, r"space\.epochs: 0\.5"),
    ],
)
def test_a_space_that_train_does_not_understand_is_refused(given, complaint):
    with pytest.raises(ParamsError, match=f"(?s){complaint}"):
        make(space=given)


def test_options_of_a_model_are_a_choice():
    params = make(space={"model": ["probe", {"cnn": {"width": 64}}]})
    assert space.resolve(params.race.space, params) == {"model": ["probe", 'cnn {"width": 64}']}
