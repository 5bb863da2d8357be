from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
import yaml
from pydantic import AfterValidator, BaseModel

from assay import plugins
from assay.errors import ParamsError
from assay.params import Params, flatten, load_params, parse_params

ROOT = Path(__file__).parents[1]
SOURCES = {"ingest": {"sources": [{"name": "a", "format": "imagefolder", "path": "raw"}]}}


def test_the_shipped_file_is_valid_and_has_every_key_with_no_default_left_unsaid():
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    said = set(flatten({k: v for k, v in raw.items() if k != "ingest"}))
    there = set(flatten(load_params(ROOT / "params.yaml").model_dump(exclude={"ingest"})))
    assert said == there


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"train": {"lr": "1e-3"}}, r"train\.lr: '1e-3' is text in YAML: write 1\.0e-3"),
        ({"train": {"epocs": 3}}, r"train\.epocs: there is no such key"),
        ({"select": {"strategy": "psychic"}}, r"(?s)select\.strategy.*'psychic'.*valid: .*margin"),
        ({"task": "poetry"}, r"(?s)task.*valid: .*classification"),
        ({"curate": {"splits": {"train": 0.9, "val": 0.2, "test": 0.2}}}, r"train \+ val \+ test must be 1"),
        (
            {"train": {"image_size": 0}},
            r"(?m)^  train\.image_size: valid: from 1 to 4,096; or valid: 'auto' \(given: 0\)$",
        ),
        ({"seed": -1}, r"seed: valid: from 0 to 4,294,967,295 \(given: -1\)"),
        ({"ingest": {"sources": []}}, r"ingest\.sources: .*at least 1 item"),
        ({"ingest": {"sources": SOURCES["ingest"]["sources"] * 2}}, r"two sources have the same name: a"),
    ],
)
def test_a_mistake_is_named_with_its_key(change, complaint):
    with pytest.raises(ParamsError, match=complaint):
        parse_params({**SOURCES, **change})


def test_the_params_of_an_older_revision_are_read():
    limits = {"blurry": 0.2}
    params = parse_params({**SOURCES, "curate": {"checks": [], "limits": limits, "split_seed": 3}})
    assert (params.audit.limits, params.curate.split_seed) == (limits, 3)


ABSURD = {
    "ingest.shard_images": [0, 10**400],
    "ingest.max_pixels": [0, 10**12],
    "ingest.max_mb": [0, 10**9],
    "embed.batch": [0, 10**9],
    "curate.classes": [[], ["2", "2"], [" 0"], [""], ["a\nb"], [0, 1], ["x" * 10**5]],
    "curate.near_duplicate": [0.5, 1.1, math.nan],
    "audit.limits": [{"blank": -1.0}, {"blank": math.inf}, {"blank": math.nan}],
    "select.budget": [0, -1, 10**400],
    "select.diversity": [0.5, 1e300, math.inf],
    "select.ruler_halfwidth": [1e-200, 0.0, 0.5, math.nan],
    "select.review_share": [1.5, math.nan],
    "select.train_limit": [0, 10**400],
    "train.image_size": [0, 10**9],
    "train.epochs": [0, 10**10],
    "train.batch": [0, 10**9],
    "train.lr": [0.0, math.inf, math.nan, 1e300],
    "train.weight_decay": [-1.0, math.inf],
    "train.label_smoothing": [1.0, -0.1],
    "train.scale": [[1.0], [0.75, 9.0], [1.25, 0.75], [0.5, 1.0, 1.5], [0.1, 1.0]],
    "train.patience": [0, 10**10],
    "train.threads": [0, 100_000],
    "evaluate.bootstrap": [99, 10**10],
    "evaluate.batch": [0, 10**9],
    "evaluate.slices": [["ink", "ink"]],
    "track.experiment": ["", " x", "x" * 10**5],
    "race.steps": [0, 10**9],
    "race.labels_per_step": [0, 10**400],
    "race.seeds": [1, 10**9],
    "race.space": [{"epochs": [10**400]}, {"epochs": [math.inf]}, {"lr": {"low": math.nan, "high": 1.0}}],
    "advise.hours": [0.0, math.inf, 1e300],
    "advise.minutes": [0.0, math.nan],
    "advise.seconds_per_label": [0.0, math.inf],
    "simulate.budgets": [[10], [0, 1], [10, 10**400]],
    "simulate.seeds": [1, 10**9],
    "simulate.to_accuracy": [0.0, 1.0, math.nan],
    "effort.hours": [[1.0], [0.0, 1.0], [1.0, math.inf]],
    "effort.schemes": [["mask"], ["boxes", "boxes"], ["masks@0"], ["0.5*masks"], ["x" * 10**5]],
    "effort.seconds": [{"box": 0.0}, {"mask": math.nan}],
    "effort.vertices": [2, 10**9],
    "effort.image_size": [0, 10**9],
    "iterate.rounds": [0, 10**9],
    "iterate.target": [math.inf, math.nan],
    "iterate.plateau_gain": [0.0, math.inf],
    "iterate.enough": [0.0, 1.1, math.nan],
}


@pytest.mark.parametrize("key", ABSURD)
def test_a_value_that_cannot_be_meant_is_refused_in_a_short_line(key):
    section, name = key.split(".")
    for value in ABSURD[key]:
        given = {**SOURCES, section: {**SOURCES.get(section, {}), name: value}}
        with pytest.raises(ParamsError, match=rf"(?m)^  {section}\.{name}|^  {section}: space\.") as error:
            parse_params(given)
        assert len(str(error.value)) < 400, value


def numbers(model, prefix=""):
    """(dotted key, how it is constrained) of every number in params, also in lists and alternatives."""
    for name, field in model.model_fields.items():
        kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        yield from _numbers(kind, f"{prefix}{name}", ())


def _numbers(kind, key, notes):
    if get_origin(kind) is Annotated:
        yield from _numbers(kind.__origin__, key, (*notes, *kind.__metadata__))
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from numbers(kind, f"{key}.")
    elif kind in (int, float):
        yield key, any(isinstance(note, AfterValidator) for note in notes)
    else:
        for inner in get_args(kind):
            yield from _numbers(inner, key, notes)


def test_every_number_has_two_ends():
    found = dict(numbers(Params))
    assert len(found) > 40
    unbound = {key for key, is_bound in found.items() if not is_bound}
    assert unbound == {"iterate.target", "race.space.low", "race.space.high"}, (
        "of any metric; of any key of train"
    )


@pytest.mark.parametrize("kind", ["annotators", "encoders", "formats", "models"])
def test_every_number_among_the_options_of_a_plugin_has_two_ends(kind):
    for name in plugins.names(kind):
        options = plugins.load(kind, name).Options
        assert options.model_config["allow_inf_nan"] is False, name
        assert [key for key, is_bound in numbers(options) if not is_bound] == [], name


@pytest.mark.parametrize(
    "text", ['track: {experiment: "a\\0b"}', 'track: {experiment: "\\ud800"}', "a: &a [*a]",
             "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
                 f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefgh"))],
)  # fmt: skip
def test_what_yaml_can_say_and_nobody_means_is_refused(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        load_params(tmp_path / "params.yaml")


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ParamsError) as error:
        parse_params({**SOURCES, "train": {"lr": "x", "epochs": 0}, "bogus": 1})
    assert all(key in str(error.value) for key in ("train.lr", "train.epochs", "bogus"))


def test_what_is_no_yaml_or_not_there_is_said(tmp_path):
    with pytest.raises(ParamsError, match="is not there"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("train: [unclosed")
    with pytest.raises(ParamsError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


def test_a_model_learns_the_tasks_it_names_and_those_that_name_it(tmp_path):
    raw = yaml.safe_load(Path("params.yaml").read_text()) | {"task": "detection", "track": {"primary": "ap"}}
    with pytest.raises(ParamsError, match=r"cnn cannot learn the task detection; valid: .*lite0_detector"):
        parse_params(raw)
    assert parse_params(raw | {"train": {"model": "lite0_detector"}}).train.model == "lite0_detector"
    folder = tmp_path / "plugins" / "tasks"
    folder.mkdir(parents=True)
    (folder / "ranking.py").write_text('MODELS = ("cnn",)')
    own = raw | {"task": "ranking"}
    assert parse_params(own, root=tmp_path).task == "ranking"
    with pytest.raises(ParamsError, match="probe cannot learn the task ranking; valid: cnn"):
        parse_params(own | {"train": {"model": "probe"}}, root=tmp_path)


def test_flat_params_name_every_leaf():
    flat = flatten(Params.model_validate(SOURCES))
    assert flat["train.lr"] == 0.001
    assert flat["curate.splits.test"] == 0.2
    assert flat["embed.options"] == {}
