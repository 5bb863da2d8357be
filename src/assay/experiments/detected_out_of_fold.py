"""Detections on the images of train and val by detectors that were trained without them: one cell for each fold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import tasks
from assay.data.snapshot import Snapshot
from assay.data.training_set import training_set
from assay.errors import GateError
from assay.experiments import cells
from assay.experiments.cells import Cell, training_table
from assay.experiments.factorial import check_pool
from assay.experiments.sides import open_side
from assay.labels.folds import folds
from assay.labels.judge import FOLDS
from assay.labels.labels import group_numbers
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress


def detected_out_of_fold(
    params: Params, layout: Layout, progress: Progress
) -> tuple[pa.Table, tuple[str, ...], int]:
    """Rows of predictions.parquet for train and val, the classes of the models, and the trainings done by this call.

    Says before it starts how many trainings are left. Each is kept when it ends: a call that was stopped goes on. Group
    stays with group. GateError with fewer labelled images than folds.
    """
    snapshot = Snapshot.load(layout.snapshot)
    made = _cells(params, layout, snapshot)
    left = [cell for cell in made if cells.known(cell, layout) is None]
    if left:
        progress.say(cost(len(left), len(made), left[0]))
    results = cells.run_all(made, layout, progress)
    held = [result.predictions.filter(pc.equal(result.predictions["split"], "test")) for result in results]
    table = pa.concat_tables(held).sort_by("id").combine_chunks()
    return table, snapshot.categories, sum(result.trained for result in results)


def cost(left: int, all_: int, cell: Cell) -> str:
    images = pc.sum(pc.equal(cell.train["split"], "train")).as_py()
    done = f"{all_ - left} of {all_} are done; " if left < all_ else ""
    return (
        f"{done}{left} trainings of at most {cell.parsed.train.epochs} epochs on {images:,} images each; each is kept "
        "when it ends"
    )


def _cells(params: Params, layout: Layout, snapshot: Snapshot) -> list[Cell]:
    side = open_side("workspace", layout, params)
    side.require_commit("a training")
    label = tasks.load(params.task).label
    table = training_set(snapshot, None, params.seed, label)
    ids = table["id"].to_pylist()
    if len(ids) < FOLDS:
        raise GateError(
            f"{len(ids)} labelled images are too few for {FOLDS} folds",
            hint="`assay queue` lists the next images to label",
        )
    groups = group_numbers(snapshot.samples, ids)
    fold = folds(np.zeros(len(ids), np.int64), groups, FOLDS, params.curate.split_seed)
    made = []
    for number in np.unique(fold):
        asked = pa.array(np.array(ids, object)[fold == number], pa.string())
        train = training_table(table.filter(pc.invert(pc.is_in(table["id"], asked))), snapshot.categories)
        ruler = snapshot.measurable(pc.is_in(snapshot.samples["id"], asked), label)
        made.append(Cell(side, params.model_dump(mode="json"), train, ruler))
    check_pool([made[0]], layout)
    return made
