"""A run records the environment it was trained in, also when another process, or another machine, tracks it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from assay.data.files import write_json, write_table
from assay.layout import Layout
from assay.lineage.fingerprint import fingerprint
from assay.params import Params, parse_params
from assay.tracking import environment


@pytest.fixture
def params() -> Params:
    return parse_params({"ingest": {"sources": [{"name": "d", "format": "demo"}]}, "train": {"threads": 1}})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """As after `select`."""
    layout = Layout(tmp_path)
    write_json(layout.selection / "selection.json", {"digest": "d" * 64})
    write_table(
        layout.snapshot / "ruler.parquet", pa.table({"id": ["a"], "label": ["x"], "metadata": ["{}"]})
    )
    return layout


def test_the_environment_is_python_the_machine_torch_and_the_packages(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = environment.describe(params)
    assert found["torch"]["version"] == torch.__version__
    assert found["torch"]["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert found["torch"]["threads"] == 1
    assert found["variables"]["OMP_NUM_THREADS"] == "1"
    assert {"numpy", "pyarrow", "scikit-learn", "assay"} <= set(found["packages"]), "normalised names"
    assert found["machine"]["processor"]
    assert "/" not in json.dumps(found["machine"]["libc"])


def test_what_a_training_noted_is_of_that_training_only(params: Params, layout: Layout) -> None:
    mark = fingerprint(params, layout)
    assert environment.noted(layout, mark) is None
    environment.note(params, layout)
    noted = environment.noted(layout, mark)
    assert noted is not None
    assert noted.environment == environment.describe(params)
    other = params.model_copy(update={"seed": 1})
    assert environment.noted(layout, fingerprint(other, layout)) is None


def test_the_tags_are_what_one_would_filter_by(params: Params) -> None:
    tags = environment.tags(environment.describe(params), "train")
    assert tags["assay.environment"] == "train"
    assert set(tags) == {"assay.environment"} | {
        f"assay.environment.{name}" for name in ("python", "torch", "machine", "device")
    }
