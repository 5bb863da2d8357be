"""The model of params.yaml in place of the probe: after each step it is trained on the labels so far, as a cell.

The strategies still get the probabilities of a probe, so their choices are the same as without the network. Only the
metric comes from `train` and `evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay import tasks
from assay.data.snapshot import Snapshot
from assay.data.training_set import training_set
from assay.experiments import cells
from assay.experiments.cells import Cell, CellResult, training_table, with_seed
from assay.experiments.factorial import check_pool
from assay.experiments.sides import open_side
from assay.experiments.simulation.replay import Step, Trajectory, labelled_after
from assay.experiments.simulation.replay_data import ReplayProject
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress

Quality = dict[str, NDArray[np.float32]]


def measured(
    project: ReplayProject,
    trajectories: Sequence[Trajectory],
    replays: Sequence[Sequence[Step]],
    params: Params,
    layout: Layout,
    progress: Progress,
) -> tuple[list[list[Quality]], int]:
    """{split: (n,) how right each prediction is} of each step of each trajectory, and the number of models trained."""
    made = _cells(project, trajectories, replays, params, layout)
    flat = [cell for row in made for cell in row]
    different = {cell.key: cell for cell in flat}
    results = dict(zip(different, cells.run_all(list(different.values()), layout, progress), strict=True))
    trained = sum(result.trained for result in results.values())
    return [[_quality(project, results[cell.key]) for cell in row] for row in made], trained


def _cells(
    project: ReplayProject,
    trajectories: Sequence[Trajectory],
    replays: Sequence[Sequence[Step]],
    params: Params,
    layout: Layout,
) -> list[list[Cell]]:
    side = open_side("workspace", layout, params)
    side.require_commit("a training")
    table = training_set(Snapshot.load(layout.snapshot), None, params.seed, tasks.load(params.task).label)
    ruler = cells.own_cell(side).ruler
    val = table.filter(pc.equal(table["split"], "val"))
    made = [
        [
            Cell(side, with_seed(params, one.seed), _training(table, val, project, rows), ruler)
            for rows in labelled_after(steps)
        ]
        for one, steps in zip(trajectories, replays, strict=True)
    ]
    check_pool([made[0][0]], layout)
    return made


def _training(table: pa.Table, val: pa.Table, project: ReplayProject, rows: NDArray[np.int64]) -> pa.Table:
    ids = pa.array([project.ids["train"][row] for row in rows], pa.string())
    train = table.filter(pc.is_in(table["id"], value_set=ids))
    return training_table(pa.concat_tables([train, val]), project.categories)


def _quality(project: ReplayProject, result: CellResult) -> Quality:
    """{split: (n,)} in the order of the rulers; predictions are joined by id. Of classes 1 if right, else 0."""
    ids, quality = (result.predictions[name].to_pylist() for name in ("id", "quality"))
    said = dict(zip(ids, quality, strict=True))
    return {
        name: np.array([said[sample] for sample in project.ids[name]], np.float32)
        for name in project.data.rulers
    }
