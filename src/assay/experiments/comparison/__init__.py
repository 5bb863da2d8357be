"""Two versions of a project side by side: data, model, code, environment, ruler, metrics.

    compare(a, b, layout, params) -> Comparison     everything that differs, as JSON and as tables
    sentence(result)                                the verdict in one line

A part that a side does not have (nothing has run there; its output is in no cache) says why under `missing`, and the
others stand. No torch, no pandas: this runs in the seconds that a person waits.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from assay.data.difference import CHANGED
from assay.data.files import read_json, read_table
from assay.errors import AssayError
from assay.experiments.comparison.factors import (
    code_part,
    environment_part,
    params_part,
    recorded_environments,
)
from assay.experiments.comparison.measured import metrics_part
from assay.experiments.comparison.ruler import common, ruler_part
from assay.experiments.comparison.samples import Loaded, data_part
from assay.experiments.comparison.wording import sentence
from assay.experiments.predicted import Predicted
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.lineage.staleness import stage_states
from assay.params import Params
from assay.progress import Progress, silent

__all__ = ["Comparison", "compare", "sentence"]

Found = dict[str, Any]
OUTPUTS = ("data/snapshot", "data/selection", "outputs/predictions.parquet")
RESULT = ("curate", "select", "train", "evaluate")
"""Stages that must be up to date for the numbers of a side to be those of what it holds."""
BEHIND = ("stale", "after", "never ran")
SAMPLES = pa.schema([*CHANGED, pa.field("batch", pa.string()), pa.field("origin", pa.string())])


@dataclass(frozen=True)
class Comparison:
    """`result` is what `assay diff --json` prints, but for the samples: those are in the tables, all of them."""

    result: Found
    samples: pa.Table
    """The changed samples: SAMPLES, by id."""
    flips: pa.Table | None
    """The test samples of which the two models say different things; None where one was not measured."""


def compare(a: Side, b: Side, layout: Layout, params: Params, progress: Progress = silent) -> Comparison:
    """Everything that differs between two sides; `layout` and `params` are those of the workspace."""
    progress.say(f"comparing {a.label} with {b.label}")
    absent = {side: _bring(side) for side in (a, b)}
    ruler: Found
    data, samples = _data(a, b, absent)
    rulers = _tables(a, b, "data/snapshot", "ruler.parquet", absent)
    ruler = {"missing": rulers} if isinstance(rulers, str) else ruler_part(*rulers, samples)
    metrics, flips = _metrics(a, b, rulers, params, absent)
    result: Found = {
        "a": _about(a),
        "b": _about(b),
        "data": data,
        "model": params_part(a, b),
        "code": code_part(a, b),
        "environment": environment_part(a, b, recorded_environments(a, b, params, layout)),
        "ruler": ruler,
        "metrics": metrics,
        "behind": {name: _behind(side) for name, side in (("a", a), ("b", b))},
    }
    result["changed"] = _changed(result, a, b, absent)
    result["verdict"] = sentence(result)
    return Comparison(result, samples, flips)


def _about(side: Side) -> Found:
    return {**side.described(), "kind": side.kind, "uncommitted": bool(side.patch)}


def _bring(side: Side) -> dict[str, str]:
    """Fetch what is compared; for each output that a side does not have, why."""
    with suppress(AssayError):  # if one is nowhere, all are asked for singly, to learn which it is
        side.bring(OUTPUTS)
    absent = {}
    for output in OUTPUTS:
        try:
            if not side.path(output).exists():
                absent[output] = f"{side.label} has no {output}: `dvc repro` makes it"
        except AssayError as error:
            absent[output] = str(error)
    return absent


def _why(absent: dict[Side, dict[str, str]], *outputs: str) -> str | None:
    """Why a comparison of some outputs cannot be made; None if it can."""
    return next((why[output] for why in absent.values() for output in outputs if output in why), None)


def _data(a: Side, b: Side, absent: dict[Side, dict[str, str]]) -> tuple[Found, pa.Table]:
    if why := _why(absent, "data/snapshot"):
        return {"missing": why}, SAMPLES.empty_table()
    before, after = (Loaded.of(side.path("data/snapshot")) for side in (a, b))
    return data_part(a, b, before, after)


def _tables(
    a: Side, b: Side, output: str, name: str, absent: dict[Side, dict[str, str]]
) -> tuple[pa.Table, pa.Table] | str:
    """A table of either side, sorted by id; or why there are not both."""
    if why := _why(absent, output):
        return why
    before, after = (read_table(side.path(output) / name).sort_by("id") for side in (a, b))
    return before, after


def _metrics(
    a: Side,
    b: Side,
    rulers: tuple[pa.Table, pa.Table] | str,
    params: Params,
    absent: dict[Side, dict[str, str]],
) -> tuple[Found, pa.Table | None]:
    if isinstance(rulers, str):
        return {"missing": rulers}, None
    if why := _why(absent, "data/selection", "outputs/predictions.parquet"):
        return {"missing": why}, None
    if a.params.task != b.params.task:
        return {"missing": f"A is {a.params.task} and B {b.params.task}: they share no metric"}, None
    shared = common(*rulers)
    if not len(shared):
        return {"missing": "the two rulers have no sample with the same label in common"}, None
    return metrics_part(_predicted(a), _predicted(b), shared, params)


def _predicted(side: Side) -> Predicted:
    table = read_table(side.path("outputs/predictions.parquet"))
    selection = read_table(side.path("data/selection") / "train.parquet", ["id"])
    return Predicted(table, tuple(json.loads(selection.schema.metadata[b"categories"])), side.params.task)


def _behind(side: Side) -> Found:
    """The stages whose outputs are older than what the side holds now, and why."""
    states = stage_states(side.root, outs=side.kind == "workspace")
    return {s.stage: s.why or s.state for s in states if s.stage in RESULT and s.state in BEHIND}


def _changed(result: Found, a: Side, b: Side, absent: dict[Side, dict[str, str]]) -> dict[str, bool | None]:
    """What a result follows from, and whether it differs; None where that cannot be known."""
    parts = {row["part"] for row in result["model"]["differ"]}
    digests = result["data"].get("digests")
    stages = {row["stage"] for row in result["code"].get("stages", [])}
    return {
        "data": _selections_differ(a, b, absent),
        "dataset": digests and digests["a"] != digests["b"],
        "model": "model" in parts,
        "seed": "seed" in parts,
        "code": None if "missing" in result["code"] else bool(stages & {"train", "evaluate"}),
        "environment": None if "missing" in result["environment"] else bool(result["environment"]["differ"]),
        "ruler": result["ruler"].get("changed"),
    }


def _selections_differ(a: Side, b: Side, absent: dict[Side, dict[str, str]]) -> bool | None:
    if _why(absent, "data/selection"):
        return None
    digests = [read_json(side.path("data/selection") / "selection.json")["digest"] for side in (a, b)]
    return bool(digests[0] != digests[1])
