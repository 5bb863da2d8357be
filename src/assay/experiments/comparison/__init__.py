"""Comparison of two versions of a project: data, model, code, environment, test set, metrics.

    compare(a, b, layout, params) -> Comparison     everything that differs, as JSON and as tables
    sentence(result)                                the result in one line

A part that one side lacks (never run, or in no cache) has the reason under `missing`; the other parts are compared.
Imports neither torch nor pandas, to start quickly.
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
from assay.experiments.comparison.objects import OBJECTS, objects_part
from assay.experiments.comparison.ruler import common, ruler_part
from assay.experiments.comparison.samples import Loaded, data_part
from assay.experiments.comparison.wording import sentence
from assay.experiments.predicted import Predicted
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress, silent

__all__ = ["Comparison", "compare", "sentence"]

Found = dict[str, Any]
OUTPUTS = ("data/snapshot", "data/selection", "outputs/predictions.parquet")
RESULT = ("curate", "select", "train", "evaluate")
"""Stages that must be up to date for the metrics of a side to belong to its data, params and code."""
BEHIND = ("stale", "after", "never ran")
SAMPLES = pa.schema([*CHANGED, pa.field("batch", pa.string()), pa.field("origin", pa.string())])


@dataclass(frozen=True)
class Comparison:
    """`result` is what `assay diff --json` prints, without the samples; the tables hold all of them."""

    result: Found
    samples: pa.Table
    """The changed samples: SAMPLES, by id."""
    flips: pa.Table | None
    """The test samples that the two models predict differently; None if one side has no predictions."""
    objects: pa.Table
    """The objects that changed: OBJECTS, by id of their image."""


def compare(a: Side, b: Side, layout: Layout, params: Params, progress: Progress = silent) -> Comparison:
    """Everything that differs between two sides. `layout` and `params` are those of the workspace."""
    progress.say(f"comparing {a.label} with {b.label}")
    absent = {side: _bring(side) for side in (a, b)}
    ruler: Found
    data, samples, objects = _data(a, b, absent)
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
    return Comparison(result, samples, flips, objects)


def _about(side: Side) -> Found:
    return {**side.described(), "kind": side.kind, "uncommitted": bool(side.patch)}


def _bring(side: Side) -> dict[str, str]:
    """Fetch the outputs that are compared. Returns {output: reason} for those that a side lacks."""
    with suppress(AssayError):  # if one is missing, they are fetched one by one, to find which
        side.bring(OUTPUTS)
    absent = {}
    for output in OUTPUTS:
        try:
            if not side.path(output).exists():
                absent[output] = f"{side.label} has no {output}: run `dvc repro`"
        except AssayError as error:
            absent[output] = str(error)
    return absent


def _why(absent: dict[Side, dict[str, str]], *outputs: str) -> str | None:
    """Reason why `outputs` cannot be compared; None if they can."""
    return next((why[output] for why in absent.values() for output in outputs if output in why), None)


def _data(a: Side, b: Side, absent: dict[Side, dict[str, str]]) -> tuple[Found, pa.Table, pa.Table]:
    if why := _why(absent, "data/snapshot"):
        return {"missing": why}, SAMPLES.empty_table(), OBJECTS.empty_table()
    before, after = (Loaded.of(side.path("data/snapshot")) for side in (a, b))
    summary, samples = data_part(a, b, before, after)
    counted, objects = objects_part(before.snapshot, after.snapshot)
    return summary | ({"objects": counted} if counted else {}), samples, objects


def _tables(
    a: Side, b: Side, output: str, name: str, absent: dict[Side, dict[str, str]]
) -> tuple[pa.Table, pa.Table] | str:
    """A table of each side, sorted by id; or the reason why one is missing."""
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
        return {"missing": "the two test sets have no sample with the same label in common"}, None
    return metrics_part(_predicted(a), _predicted(b), shared, params)


def _predicted(side: Side) -> Predicted:
    table = read_table(side.path("outputs/predictions.parquet"))
    selection = read_table(side.path("data/selection") / "train.parquet", ["id"])
    return Predicted(table, tuple(json.loads(selection.schema.metadata[b"categories"])), side.params.task)


def _behind(side: Side) -> Found:
    """{stage: reason} of the stages of a side that are not up to date."""
    found = side.states(outs=side.kind == "workspace")
    return {s.stage: s.why or s.state for s in found if s.stage in RESULT and s.state in BEHIND}


def _changed(result: Found, a: Side, b: Side, absent: dict[Side, dict[str, str]]) -> dict[str, bool | None]:
    """{part: whether it differs}, for the inputs of a result; None if unknown."""
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
