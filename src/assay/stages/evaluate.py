"""evaluate: what the model is worth -> outputs/metrics.json, predictions.parquet and plots/.

Measured on the ruler (test) and on val; every number with n and a 95 % interval; against the champion, paired.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from assay import plugins
from assay.data.champion import MODEL, Champion, champion_model, read_champion, sha256
from assay.data.files import fresh_dir, read_table, write_json, write_table
from assay.data.images.decode import decode
from assay.data.metadata import listed, names
from assay.data.pool import Pool
from assay.errors import GateError, MissingInput, ParamsError
from assay.layout import Layout
from assay.metrics.classification import METRICS, Judged, compare, measure, per_class
from assay.metrics.table import named
from assay.params import Params
from assay.progress import Progress
from assay.reports.plots import THUMBNAILS, Mistake, draw_all
from assay.training.predict import predict_ids

FEW = 100
"""Test images below which the summary says how little they can tell."""
MOST_VALUES = 50
"""Of a slice column: the most frequent values are measured, the others are counted."""
PREDICTIONS = pa.schema(
    {
        "id": pa.string(),
        "split": pa.string(),
        "label": pa.string(),
        "predicted": pa.string(),
        "correct": pa.bool_(),
        "confidence": pa.float32(),
        "probabilities": pa.list_(pa.float32()),
        "loss": pa.float32(),
    }
)


@dataclass(frozen=True)
class Measured:
    """One split and what a model says about it."""

    ids: list[str]
    labels: list[str]
    categories: tuple[str, ...]
    judged: Judged


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Predict, measure, compare, draw. GateError if no test image has a label."""
    ruler = read_table(layout.snapshot / "ruler.parquet", made_by="curate").sort_by("id")
    selection = read_table(layout.selection / "train.parquet", made_by="select").sort_by("id")
    check_ruler(ruler)
    columns = slice_columns(ruler, params.evaluate.slices)
    task = plugins.load("tasks", params.task)
    model, seed, draws = layout.outputs / "model", params.seed, params.evaluate.bootstrap
    val_rows = selection.filter(pc.equal(selection["split"], "val"))
    test, val = (predict(model, rows, task, params, layout, progress) for rows in (ruler, val_rows))
    classes = per_class(test.judged, test.categories)
    metrics: dict[str, Any] = {
        "primary": params.track.primary,
        "test": measure(test.judged, draws, seed)
        | {"per_class": classes, "slices": slices(test.judged, columns, draws, seed)},
        "val": measure(val.judged, draws, seed),
        "champion": against_champion(test, ruler, task, params, layout, progress),
    }
    write_json(layout.outputs / "metrics.json", metrics)
    write_table(layout.outputs / "predictions.parquet", predictions_table(val, test))
    with fresh_dir(layout.outputs / "plots") as folder:
        draw_all(folder, test.judged, test.categories, metrics, classes, surest_mistakes(test, layout))
    return summarise(metrics, params, progress)


def check_ruler(ruler: pa.Table) -> None:
    if not len(ruler):
        raise GateError(
            "no test image has a label: there is nothing to measure with",
            hint="`assay queue` lists test images, drawn at random, to label first; then `assay label FILE`",
        )


def slice_columns(ruler: pa.Table, wanted: Sequence[str]) -> dict[str, list[str]]:
    """The value of each test image in each metadata column asked for; ParamsError for a column nobody has."""
    rows = [json.loads(text or "{}") for text in ruler["metadata"].to_pylist()]
    there = names(ruler["metadata"])
    if unknown := sorted(set(wanted) - there):
        raise ParamsError(
            f"evaluate.slices: no test image has the metadata {', '.join(unknown)}",
            hint=f"there is: {listed(there)}",
        )
    return {column: [str(row.get(column, "")) for row in rows] for column in wanted}


def predict(
    model: Path, rows: pa.Table, task: ModuleType, params: Params, layout: Layout, progress: Progress
) -> Measured:
    """What a model folder says about labelled images; a label that the model has never heard of is an error."""
    ids, labels = rows["id"].to_pylist(), rows["label"].to_pylist()
    made = predict_ids(model, ids, layout, params.evaluate.batch, progress)
    judged = Judged(made.probabilities, task.targets(labels, made.categories))
    return Measured(ids, labels, tuple(made.categories), judged)


def slices(
    judged: Judged, columns: dict[str, list[str]], draws: int, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Metrics of the test images with each value of each column, the MOST_VALUES most frequent."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for column, values in columns.items():
        ranked = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]
        array = np.array(values, dtype=object)
        found[column] = {v or "(none)": measure(judged.take(array == v), draws, seed) for v, _ in ranked}
    return found


def against_champion(
    test: Measured, ruler: pa.Table, task: ModuleType, params: Params, layout: Layout, progress: Progress
) -> dict[str, Any] | None:
    """The paired difference on the same test images; None while there is no champion.

    The champion itself is not compared: `itself` is true, and there is no difference.
    """
    champion = read_champion(layout.champion)
    if champion is None:
        return None
    if champion.model_sha256 == sha256(layout.outputs / "model" / "model.pt"):
        own = measure(test.judged, params.evaluate.bootstrap, params.seed)
        return {
            "fingerprint": champion.fingerprint,
            "itself": True,
            "metrics": own,
            "difference": {},
            "mcnemar": None,
        }
    old = predict_ids(_weights(layout, champion), test.ids, layout, params.evaluate.batch, progress)
    everything = [*test.categories, *(c for c in old.categories if c not in test.categories)]
    targets = task.targets(test.labels, everything)
    pair = (
        Judged(spread(test.judged.probabilities, test.categories, everything), targets),
        Judged(spread(old.probabilities, old.categories, everything), targets),
    )
    compared = compare(*pair, params.evaluate.bootstrap, params.seed)
    metrics = measure(pair[1], params.evaluate.bootstrap, params.seed)
    return {"fingerprint": champion.fingerprint, "metrics": metrics, **compared}


def _weights(layout: Layout, champion: Champion) -> Path:
    if not (layout.champion / MODEL / "model.pt").exists():
        raise MissingInput(
            f"the weights of the champion are not in {layout.champion / MODEL}",
            hint="run `dvc pull data/champion/model.dvc`",
        )
    return champion_model(layout.champion, champion)


def spread(
    probabilities: NDArray[np.float32], categories: Sequence[str], wider: Sequence[str]
) -> NDArray[np.float32]:
    """The same probabilities in the columns of more categories; the ones the model does not know get 0."""
    out = np.zeros((len(probabilities), len(wider)), np.float32)
    out[:, [list(wider).index(category) for category in categories]] = probabilities
    return out


def predictions_table(val: Measured, test: Measured) -> pa.Table:
    """PREDICTIONS of both splits, sorted by id."""
    return pa.concat_tables(_rows(split, part) for split, part in (("val", val), ("test", test))).sort_by(
        "id"
    )


def _rows(split: str, part: Measured) -> pa.Table:
    judged, names = part.judged, np.array(part.categories, dtype=object)
    flat = pa.array(judged.probabilities.ravel(), pa.float32())
    offsets = pa.array(np.arange(len(judged) + 1, dtype=np.int32) * judged.classes)
    columns = [
        pa.array(part.ids, pa.string()),
        pa.array([split] * len(judged), pa.string()),
        pa.array(part.labels, pa.string()),
        pa.array(names[judged.predicted], pa.string()),
        pa.array(judged.correct),
        pa.array(judged.confidence.astype(np.float32)),
        pa.ListArray.from_arrays(offsets, flat),
        pa.array(judged.losses.astype(np.float32)),
    ]
    return pa.table(columns, schema=PREDICTIONS)


def surest_mistakes(test: Measured, layout: Layout) -> list[Mistake]:
    """The wrong predictions with the highest confidence, with their pictures."""
    judged = test.judged
    wrong = np.flatnonzero(~judged.correct)
    wrong = wrong[np.argsort(-judged.confidence[wrong], kind="stable")][:THUMBNAILS]
    pool = Pool.open(layout.pool)
    return [
        Mistake(
            test.ids[row],
            decode(pool.read(test.ids[row])),
            test.labels[row],
            test.categories[judged.predicted[row]],
            float(judged.confidence[row]),
        )
        for row in wrong
    ]


def summarise(metrics: dict[str, Any], params: Params, progress: Progress) -> dict[str, Any]:
    """The overall numbers, the difference to the champion, and what they are too few to tell."""
    accuracy = metrics["test"]["accuracy"]
    notes = []
    halfwidth = (accuracy["high"] - accuracy["low"]) / 2
    if accuracy["n"] < FEW or halfwidth > params.select.ruler_halfwidth:
        notes.append(
            f"{accuracy['n']} labelled test images leave the accuracy uncertain by ±{halfwidth:.1%}: "
            "smaller gains than that cannot be seen; `assay queue` lists the next ones to label"
        )
    if not metrics["val"]["accuracy"]["n"]:
        notes.append("no val image has a label: val was not measured")
    for note in notes:
        progress.say(note)
    champion = metrics["champion"]
    return {
        "primary": metrics["primary"],
        "test": {name: metrics["test"][name] for name in METRICS},
        "val": metrics["val"],
        "champion": champion and {key: champion[key] for key in ("fingerprint", "difference", "mcnemar")},
        "notes": notes,
    }


def render(summary: dict[str, Any], console: Console) -> None:
    """A table of the metrics, the primary one first."""
    names = sorted(METRICS, key=lambda name: (name != summary["primary"], METRICS.index(name)))
    champion = summary["champion"] if (summary["champion"] or {}).get("difference") else None
    table = Table(
        "metric",
        "test",
        "val",
        *(["against the champion"] if champion else []),
        box=None,
        header_style="bold",
    )
    for name in names:
        row = named(name)
        against = [row.change(champion["difference"][name])] if champion else []
        table.add_row(
            row.title, row.interval(summary["test"][name]), row.interval(summary["val"][name]), *against
        )
    console.print(table)
    n = {split: summary[split]["accuracy"]["n"] for split in ("test", "val")}
    console.print(f"95 % intervals; {n['test']:,} test and {n['val']:,} val images", style="dim")
