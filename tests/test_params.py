from __future__ import annotations

from pathlib import Path

import pytest
import yaml

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
        ({"train": {"lr": "1e-3"}}, r"train\.lr: '1e-3' is text to YAML: write 1\.0e-3"),
        ({"train": {"epocs": 3}}, r"train\.epocs: there is no such key"),
        ({"select": {"strategy": "psychic"}}, r"(?s)select\.strategy.*'psychic'.*valid: .*margin"),
        ({"task": "poetry"}, r"(?s)task.*valid: .*classification"),
        ({"curate": {"splits": {"train": 0.9, "val": 0.2, "test": 0.2}}}, r"train \+ val \+ test must be 1"),
        ({"seed": -1}, r"seed: .*greater than or equal to 0 \(given: -1\)"),
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


def test_flat_params_name_every_leaf():
    flat = flatten(Params.model_validate(SOURCES))
    assert flat["train.lr"] == 0.001
    assert flat["curate.splits.test"] == 0.2
    assert flat["embed.options"] == {}
