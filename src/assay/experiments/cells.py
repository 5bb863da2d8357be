"""Cells: one training and its evaluation, each an ordinary DVC run in its own worktree, cached by fingerprint.

A cell consists of code, params, a training set and a test set, each possibly from a different commit. The corners of an
attribution, the steps of a race and the points of a simulation are cells. A result is kept in .assay/cells/<key>, its
stages in DVC's run-cache: no cell is run twice, and none that is the result of the workspace itself.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Any, TypeVar

import pyarrow as pa
import yaml
from filelock import FileLock

from assay.data.champion import write_champion
from assay.data.files import fresh_dir, read_json, read_table, recall, write_json, write_table
from assay.data.training_set import TRAIN, training_digest
from assay.errors import AssayError, RevisionError
from assay.experiments.processes import usable_cores
from assay.experiments.sides import Side, params_digest
from assay.layout import Layout
from assay.lineage import manifests, worktrees
from assay.lineage.fingerprint import Fingerprint, run_code, table_digest
from assay.lineage.revisions import run_dvc
from assay.lineage.staleness import stage_states
from assay.params import Params, parse_params
from assay.progress import Progress, silent

STAGES = ("train", "evaluate")
KEPT = ("metrics.json", "history.csv", "predictions.parquet")
"""Files of outputs/ that make up the result of a cell."""


class CellStopped(AssayError):
    """Another cell failed, or the run was interrupted."""


Job = TypeVar("Job")
Product = TypeVar("Product")


@dataclass(frozen=True)
class Cell:
    """Inputs of a result. `train` and `ruler` are tables as select and curate write them."""

    code: Side
    params: Mapping[str, Any]
    train: pa.Table
    ruler: pa.Table

    @cached_property
    def parsed(self) -> Params:
        return parse_params(self.params, where="the params of a cell", root=self.code.root)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            selection=self.train.schema.metadata[b"digest"].decode(),
            ruler=table_digest(self.ruler),
            params=params_digest(self.parsed),
            code=run_code(self.parsed, self.code.sources),
        )

    @property
    def key(self) -> str:
        """SHA-256 of the fingerprint: the same key means the same result."""
        return self.fingerprint.digest


@dataclass(frozen=True)
class CellResult:
    """Files and metrics of a cell. `trained`: by this call; `seconds`: duration of the training when it took place."""

    key: str
    predictions: pa.Table
    metrics: dict[str, Any]
    history: list[dict[str, float]]
    seconds: float
    trained: bool


def training_table(rows: pa.Table, categories: Sequence[str]) -> pa.Table:
    """TRAIN rows (id, split, label, annotations) in the form that `train` reads: sorted, with digest and categories."""
    table = rows.select(TRAIN.names).cast(TRAIN).sort_by("id").combine_chunks()
    digest = training_digest(table, categories)
    return table.replace_schema_metadata(
        {"digest": digest, "categories": json.dumps(list(categories), ensure_ascii=False)}
    )


def with_seed(params: Params, seed: int) -> dict[str, Any]:
    """`params` with another seed, as a dict."""
    return {**params.model_dump(mode="json"), "seed": seed}


def own_cell(side: Side) -> Cell:
    """The cell of the side as it is."""
    side.bring(["data/selection", "data/snapshot"])
    return Cell(
        side,
        side.params.model_dump(mode="json"),
        read_table(side.path("data/selection") / "train.parquet", made_by="select"),
        read_table(side.path("data/snapshot") / "ruler.parquet", made_by="curate"),
    )


def adopt(side: Side, layout: Layout) -> bool:
    """Cache the result that a side has already; whether it has one.

    It has one if dvc.lock shows that its model was trained on its selection, with its params and its code.
    """
    cell = own_cell(side)
    if known(cell, layout) is not None:
        return True
    if not _in_order(side):
        return False
    _keep(cell, {name: side.path(f"outputs/{name}") for name in KEPT}, 0.0, layout)
    return True


def known(cell: Cell, layout: Layout) -> CellResult | None:
    """The cached result of a cell; None without one. Never trains."""
    return recall(lambda: _kept(cell.key, _home(layout) / cell.key))


def _kept(key: str, folder: Path) -> CellResult:
    seconds = read_json(folder / "cell.json")["seconds"]
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        history = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    return CellResult(
        key,
        read_table(folder / "predictions.parquet"),
        read_json(folder / "metrics.json"),
        history,
        seconds,
        trained=False,
    )


def run(cell: Cell, layout: Layout, stop: Event | None = None) -> CellResult:
    """The result of a cell: cached, or by `dvc repro` of train and evaluate in a worktree.

    A lock for each key: a second call for the same cell waits and gets the cached result. DvcError if a stage fails;
    CellStopped once `stop` is set.
    """
    home = _home(layout)
    with FileLock(home / f"{cell.key}.lock"):
        if (result := known(cell, layout)) is not None:
            return result
        with worktrees.temporary(layout.root, str(cell.code.commit), cell.code.patch) as project:
            _set_up(cell, project, layout)
            begun = perf_counter()
            env = worktrees.environment_for(project, cell.code.package)
            run_dvc(["repro", "--single-item", *STAGES], project, partial(_unless, stop), env)
            seconds = perf_counter() - begun
            _keep(cell, {name: project / "outputs" / name for name in KEPT}, seconds, layout)
    result = known(cell, layout)
    assert result is not None
    return CellResult(**{**result.__dict__, "trained": True})


def run_all(
    cells: Sequence[Cell],
    layout: Layout,
    progress: Progress = silent,
    on_result: Callable[[Cell, CellResult], None] | None = None,
) -> list[CellResult]:
    """Results in the order of `cells`. Finished cells stay cached if the process is killed."""

    def one(cell: Cell, stop: Event) -> CellResult:
        result = run(cell, layout, stop)
        if on_result:
            on_result(cell, result)
        return result

    if not cells:
        return []
    return at_once(cells, one, max(cell.parsed.train.threads for cell in cells), progress)


def at_once(
    jobs: Sequence[Job], do: Callable[[Job, Event], Product], threads: int, progress: Progress = silent
) -> list[Product]:
    """`do(job, stop)` of each job, in order; cores // `threads` jobs run at once, in threads of this process.

    The first error sets `stop` for the others and is raised. A distributed engine would replace this function.
    """
    workers, stop = max(1, usable_cores() // threads), Event()
    with progress.bar("training", len(jobs), "cells") as advance, ThreadPoolExecutor(workers) as pool:

        def one(job: Job) -> Product:
            done = do(job, stop)
            advance(1)
            return done

        futures = [pool.submit(one, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _unless(stop: Event | None, line: str) -> None:
    """Called with each line of DVC's output: raising CellStopped ends DVC and the stage it runs."""
    if stop is not None and stop.is_set():
        raise CellStopped(f"stopped at: {line}")


def _set_up(cell: Cell, project: Path, layout: Layout) -> None:
    """Write or link the inputs of the stages. Images and embeddings are linked from the workspace by content id."""
    there, ours = Layout(project), Layout(layout.root.resolve())
    raw = yaml.safe_dump(dict(cell.params), sort_keys=False, allow_unicode=True)
    there.params.write_text(raw, encoding="utf-8")
    for folder in (there.selection, there.snapshot, there.champion, there.outputs, there.scratch):
        folder.mkdir(parents=True, exist_ok=True)
    write_table(there.selection / "train.parquet", cell.train)
    write_table(there.snapshot / "ruler.parquet", cell.ruler)
    write_champion(there.champion, None)
    manifests.write(project, manifests.of_code(cell.parsed, cell.code.sources, STAGES))
    (ours.scratch / "decoded").mkdir(parents=True, exist_ok=True)
    for link, target in (
        (there.pool, ours.pool),
        (there.embeddings, ours.embeddings),
        (there.scratch / "decoded", ours.scratch / "decoded"),
    ):
        if target.exists():
            link.symlink_to(target, target_is_directory=True)


def _keep(cell: Cell, files: Mapping[str, Path], seconds: float, layout: Layout) -> None:
    mark = cell.fingerprint
    with fresh_dir(_home(layout) / mark.digest) as folder:
        for name, file in files.items():
            shutil.copyfile(file, folder / name)
        write_json(folder / "cell.json", {"seconds": seconds, "seed": cell.parsed.seed, **mark.parts})


def _home(layout: Layout) -> Path:
    home = layout.scratch / "cells"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _in_order(side: Side) -> bool:
    """Whether the outputs of a side are up to date by dvc.lock."""
    try:
        side.bring([out["path"] for stage in STAGES for out in side.lock["stages"][stage]["outs"]])
    except (RevisionError, KeyError):
        return False  # never run, or no longer in the cache or a remote
    # a cell runs the installed code, unless the side has its own: what other code made is no result of it
    found = side.states() if side.package else stage_states(side.root)
    states = {state.stage: state.state for state in found}
    return all(states.get(stage) in ("fresh", "after") for stage in STAGES)
