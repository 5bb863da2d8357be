"""evaluate: what the model is worth -> outputs/metrics.json, predictions.parquet and plots/.

JudgedSplit on the ruler (test) and on val; every number with n and a 95 % interval; against the champion, paired.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from assay import plugins, tasks
from assay.data.champion import MODEL, Champion, champion_model, read_champion, sha256
from assay.data.files import fresh_dir, read_table, write_json, write_table
from assay.data.images.decode import decode
from assay.data.metadata import listed, names
from assay.data.pool import Pool
from assay.errors import GateError, MissingInput, ParamsError
from assay.layout import Layout
from assay.metrics.judged import Judged, compare, measure
from assay.metrics.table import named
from assay.params import Params
from assay.progress import Progress
from assay.reports import object_plots, plots
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
        "quality": pa.float32(),
    }
)
"""What predictions.parquet has of every task, before the task's own columns; quality: how right, 0…1."""
DRAWN: Mapping[str, Callable[..., None]] = {
    "classification": plots.draw_classification,
    "detection": object_plots.draw_detection,
    "instance_segmentation": object_plots.draw_detection,
    "semantic_segmentation": object_plots.draw_semantic_segmentation,
}
"""The plots of a task beyond those of every task."""


@dataclass(frozen=True)
class JudgedSplit:
    """One split and what a model says about it."""

    ids: list[str]
    labels: list[str]
    said: pa.Table
    """The task's columns."""
    categories: tuple[str, ...]
    judged: Judged


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Predict, measure, compare, draw. GateError if no test image has a label."""
    ruler = read_table(layout.snapshot / "ruler.parquet", made_by="curate").sort_by("id")
    selection = read_table(layout.selection / "train.parquet", made_by="select").sort_by("id")
    check_ruler(ruler, params.task)
    columns = slice_columns(ruler, params.evaluate.slices)
    task = tasks.load(params.task)
    model, seed, draws = layout.outputs / "model", params.seed, params.evaluate.bootstrap
    val_rows = selection.filter(pc.equal(selection["split"], "val"))
    test, val = (predict(model, rows, task, params, layout, progress) for rows in (ruler, val_rows))
    classes = test.judged.per_class(test.categories)
    metrics: dict[str, Any] = {
        "primary": params.track.primary,
        "test": measure(test.judged, draws, seed)
        | {"per_class": classes, "slices": slices(test.judged, columns, draws, seed)}
        | details(test.judged, params.task),
        "val": measure(val.judged, draws, seed),
        "champion": against_champion(test, params, layout, progress),
    }
    write_json(layout.outputs / "metrics.json", metrics)
    write_table(layout.outputs / "predictions.parquet", predictions_table(val, test))
    with fresh_dir(layout.outputs / "plots") as folder:
        plots.draw_all(folder, test.judged, metrics, worst_mistakes(test, task, layout))
        if draw := DRAWN.get(params.task):
            draw(folder, test.judged, test.categories, metrics, classes)
    return summarise(metrics, test.judged.METRICS, params, progress)


def check_ruler(ruler: pa.Table, task: str) -> None:
    if not len(ruler):
        raise GateError(
            "no test image has a label: there is nothing to measure with",
            hint=f"label test images first, drawn at random: {tasks.how_to_label(task)}",
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
) -> JudgedSplit:
    """What a model folder says about labelled images; a label that the model has never heard of is an error."""
    ids, labels = rows["id"].to_pylist(), rows["label"].to_pylist()
    said, known = predict_ids(model, ids, layout, params.evaluate.batch, progress)
    task.targets(labels, known)  # a label outside the declared classes is an error here
    return JudgedSplit(ids, labels, said, known, judge(params, said, known, labels, known))


def judge(
    params: Params, said: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]
) -> Judged:
    judged: Judged = plugins.load("metrics", params.task).judge(said, known, labels, categories)
    return judged


def details(judged: Judged, task: str) -> dict[str, Any]:
    """What the metrics of a task say beyond METRICS, if anything."""
    more = getattr(plugins.load("metrics", task), "details", None)
    return {"details": more(judged)} if more else {}


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
    test: JudgedSplit, params: Params, layout: Layout, progress: Progress
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
    model = _weights(layout, champion)
    said, known = predict_ids(model, test.ids, layout, params.evaluate.batch, progress)
    everything = [*test.categories, *(c for c in known if c not in test.categories)]
    new = judge(params, test.said, test.categories, test.labels, everything)
    old = judge(params, said, known, test.labels, everything)
    compared = compare(new, old, params.evaluate.bootstrap, params.seed)
    metrics = measure(old, params.evaluate.bootstrap, params.seed)
    return {"fingerprint": champion.fingerprint, "metrics": metrics, **compared}


def _weights(layout: Layout, champion: Champion) -> Path:
    if not (layout.champion / MODEL / "model.pt").exists():
        raise MissingInput(
            f"the weights of the champion are not in {layout.champion / MODEL}",
            hint="run `dvc pull data/champion/model.dvc`",
        )
    return champion_model(layout.champion, champion)


def predictions_table(val: JudgedSplit, test: JudgedSplit) -> pa.Table:
    """PREDICTIONS of both splits and the task's columns, sorted by id."""
    tables = [_rows(split, part) for split, part in (("val", val), ("test", test))]
    return pa.concat_tables(tables).sort_by("id")


def _rows(split: str, part: JudgedSplit) -> pa.Table:
    columns = [
        pa.array(part.ids, pa.string()),
        pa.array([split] * len(part.ids), pa.string()),
        pa.array(part.labels, pa.string()),
        pa.array(part.judged.quality.astype(np.float32)),
    ]
    table, own = pa.table(columns, schema=PREDICTIONS), part.said
    for name in own.column_names:
        table = table.append_column(own.schema.field(name), own[name])
    return table


def worst_mistakes(test: JudgedSplit, task: ModuleType, layout: Layout) -> list[plots.Mistake]:
    """The predictions furthest from right, of equal ones those of highest confidence, with their pictures."""
    judged = test.judged
    wrong = np.flatnonzero(judged.quality < 1)
    order = np.lexsort([-np.nan_to_num(judged.confidence[wrong]), judged.quality[wrong]])
    pool, words = Pool.open(layout.pool), judged.words
    return [
        plots.Mistake(
            test.ids[row],
            decode(pool.read(test.ids[row])),
            task.words(test.labels[row]),
            words[row],
            float(judged.confidence[row]),
            judged.objects_on(int(row)),
        )
        for row in wrong[order][: plots.THUMBNAILS]
    ]


def summarise(
    metrics: dict[str, Any], names: Sequence[str], params: Params, progress: Progress
) -> dict[str, Any]:
    """The metrics of `names`, the difference to the champion, and what they are too few to tell."""
    first = named(names[0])
    found = metrics["test"][first.name]
    notes = []
    halfwidth = (found["high"] - found["low"]) / 2
    if found["n"] < FEW or (first.is_share and halfwidth > params.select.ruler_halfwidth):
        notes.append(
            f"{found['n']} labelled test images leave the {first.title} uncertain by "
            f"±{first.number(halfwidth)}{' %' * first.is_share}: "
            "smaller gains than that cannot be seen; `assay status` counts the test images without a label"
        )
    if not metrics["val"][first.name]["n"]:
        notes.append("no val image has a label: val was not measured")
    for note in notes:
        progress.say(note)
    champion = metrics["champion"]
    return {
        "primary": metrics["primary"],
        "test": {name: metrics["test"][name] for name in names},
        "val": metrics["val"],
        "champion": champion and {key: champion[key] for key in ("fingerprint", "difference", "mcnemar")},
        "notes": notes,
    }


def render(summary: dict[str, Any], console: Console) -> None:
    """A table of the metrics, the primary one first."""
    names = sorted(summary["test"], key=lambda name: name != summary["primary"])
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
    n = {split: summary[split][names[0]]["n"] for split in ("test", "val")}
    console.print(f"95 % intervals; {n['test']:,} test and {n['val']:,} val images", style="dim")
