"""Content of an MLflow run: params, metrics, curves, tags, datasets and files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from assay.data.champion import read_champion
from assay.data.files import legible, read_json, read_table
from assay.layout import Layout
from assay.lineage.fingerprint import Fingerprint
from assay.lineage.people import whoami
from assay.lineage.revisions import Patch, git_commit, git_dirty_patch
from assay.params import Params, flatten
from assay.reports.markdown import code, text
from assay.tasks import shown_in
from assay.tracking.numbers import as_csv, headline_metrics, result_tags, table
from assay.tracking.store import Dataset, Point
from assay.tracking.summary import Summary, markdown, summarise
from assay.tracking.view import CHAMPION, since

PARAM_LENGTH = 250
NOTE_LENGTH = 4900
"""Most characters of a note; MLflow accepts 5,000 in a tag."""
PREDICTIONS_LIMIT = 50 * 2**20


@dataclass(frozen=True)
class RunContent:
    """Everything written for one run."""

    name: str
    params: dict[str, str]
    metrics: dict[str, float]
    curves: list[Point]
    tags: dict[str, str]
    datasets: list[Dataset]
    files: list[tuple[Path, str | None]]
    """(file, folder among the artifacts)"""
    texts: dict[str, str]
    summary: Summary


def collect(params: Params, layout: Layout, mark: Fingerprint) -> RunContent:
    """Read what the stages wrote. MissingInput if one has not run."""
    metrics = read_json(layout.outputs / "metrics.json", made_by="evaluate")
    patch = git_dirty_patch(layout.root)
    summary = summarise(layout)
    return RunContent(
        name=run_name(params, mark),
        params=flat_params(params),
        metrics=headline_metrics(metrics),
        curves=curves(layout.outputs / "history.csv"),
        tags=_tags(layout, mark, summary, patch) | result_tags(metrics),
        datasets=_datasets(layout, summary, mark, params.task),
        files=_files(layout),
        texts={"metrics.csv": table(metrics), **_texts(summary, patch)},
        summary=summary,
    )


def run_name(params: Params, mark: Fingerprint) -> str:
    return f"{params.train.model}-{mark.digest[:8]}"


def flat_params(params: Params) -> dict[str, str]:
    """{"train.lr": "0.001", …}; values have at most 250 characters, lists are JSON."""
    return {metric_key(key): _short(value) for key, value in flatten(params).items()}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= PARAM_LENGTH else text[: PARAM_LENGTH - 1] + "…"


def metric_key(key: str) -> str:
    """A name that MLflow accepts: letters, digits and `_-. :`, at most 250 characters."""
    return re.sub(r"[^\w\-. :]", "_", key)[:PARAM_LENGTH]


def curves(history: Path) -> list[Point]:
    """The points of history.csv: every column but `epoch`; empty cells left out. [] if there is no file."""
    if not history.exists():
        return []
    with history.open(encoding="utf-8", newline="") as file:
        return [point for row in csv.DictReader(file) for point in row_points(row)]


def row_points(row: Mapping[str, Any]) -> list[Point]:
    """One epoch as (column, epoch, value)."""
    step = int(float(row["epoch"]))
    cells = [(key, _number(value)) for key, value in row.items() if key != "epoch"]
    return [(metric_key(key), step, value) for key, value in cells if value is not None]


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def part_tags(mark: Fingerprint) -> dict[str, str]:
    return {f"assay.{part}": digest for part, digest in mark.parts.items()}


def parts_of(tags: Mapping[str, str]) -> Fingerprint:
    """The fingerprint in tags of `part_tags`; runs of older versions may lack a part."""
    return Fingerprint(**{part: tags.get(f"assay.{part}", "") for part in Fingerprint.__annotations__})


def _tags(layout: Layout, mark: Fingerprint, summary: Summary, patch: Patch) -> dict[str, str]:
    commit = git_commit(layout.root) or ""
    tags = {
        "assay.snapshot": summary.snapshot.get("digest", ""),
        "assay.git.commit": commit,
        "assay.git.dirty": str(bool(patch)).lower(),
        "mlflow.source.name": "dvc.yaml",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": whoami(layout.root),
        **part_tags(mark),
        **choice_tags(summary.selection),
    }
    champion = read_champion(layout.champion)
    if champion is not None and champion.fingerprint == mark.digest:
        tags[CHAMPION] = since(champion)
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags


def choice_tags(selection: Mapping[str, Any]) -> dict[str, str]:
    """Tags for the strategy that chose the queue, and its reason if it has one."""
    evidence = selection.get("evidence") or {}
    told = {
        "strategy": selection.get("strategy"),
        "used": evidence.get("strategy", selection.get("used")),
        "why": evidence.get("why", selection.get("why")),
    }
    return {f"assay.select.{name}": str(value) for name, value in told.items() if value}


def _datasets(layout: Layout, summary: Summary, mark: Fingerprint, task: str) -> list[Dataset]:
    """The snapshot as two datasets: training set and test set."""
    digest = summary.snapshot["digest"]
    train, ruler = layout.selection / "train.parquet", layout.snapshot / "ruler.parquet"
    learnt = {"selection": mark.selection, **_rows(train, task)}
    measured = {"ruler": mark.ruler, **_rows(ruler, task)}
    return [
        Dataset("snapshot-train", "train", digest, "data/snapshot", _columns(train), learnt),
        Dataset("snapshot-test", "test", digest, "data/snapshot", _columns(ruler), measured),
    ]


def _rows(table: Path, task: str) -> dict[str, Any]:
    """How many images, and how many of them show each class."""
    labels = read_table(table, ["label"])["label"].to_pylist()
    counts = {name: int(shown.sum()) for name, shown in shown_in(task, labels).items()}
    return {"rows": len(labels), "labels": counts}


def _columns(table: Path) -> list[tuple[str, str]]:
    kinds = {"string": "string", "double": "double", "float": "float", "int64": "long", "int32": "integer"}
    with legible(table):
        return [(field.name, kinds.get(str(field.type), "string")) for field in pq.read_schema(table)]


def _files(layout: Layout) -> list[tuple[Path, str | None]]:
    outputs = layout.outputs
    singles = [outputs / "metrics.json", outputs / "history.csv", layout.params, layout.root / "dvc.lock"]
    predictions = outputs / "predictions.parquet"
    if predictions.exists() and predictions.stat().st_size <= PREDICTIONS_LIMIT:
        singles.append(predictions)
    plots = sorted(file for file in (outputs / "plots").rglob("*") if file.is_file())
    folders = [(file, file.parent.relative_to(outputs).as_posix()) for file in plots]
    return [*((file, None) for file in singles if file.exists()), *folders]


def _texts(summary: Summary, patch: Patch) -> dict[str, str]:
    texts = {"queue.csv": as_csv(list(summary.queue[0]), summary.queue)} if summary.queue else {}
    if patch.text:
        texts["dirty.patch"] = patch.text
    if patch.untracked:
        texts["untracked.txt"] = "\n".join(patch.untracked) + "\n"
    return texts


def note(record: RunContent, what: str, before: str | None, differing: Mapping[str, tuple[str, str]]) -> str:
    """The note of a run in Markdown: what changed, metrics, data, images to label next."""
    since = f" since {code(before)}" if before else ""
    lines = [f"**Changed: {what}**{since}", "", markdown(record.summary)]
    if differing:
        listed = ", ".join(f"{code(k)} {text(a)} → {text(b)}" for k, (a, b) in sorted(differing.items()))
        lines.append(f"Params changed since, without effect on this result: {listed}")
    return _whole_lines("\n".join(lines), NOTE_LENGTH)


def _whole_lines(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit].rsplit("\n", 1)[0] + "\n\n…"
