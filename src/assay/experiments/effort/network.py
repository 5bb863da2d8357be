"""The model of params.yaml in place of the quick learner: each fit is a cell, trained on what its budget buys.

Val, by which `train` keeps an epoch, has its full annotation, the same for every scheme. An epoch has as many images
for every scheme and budget as there are in train: with `train.epochs` over three images a model would still be at its
beginning, and many images cheaply drawn would win by their steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc

from assay import tasks
from assay.data.annotations import Annotation, annotations_json
from assay.data.snapshot import Snapshot
from assay.data.training_set import TRAIN, training_set
from assay.errors import ParamsError
from assay.experiments import cells
from assay.experiments.cells import Cell, CellResult, training_table, with_seed
from assay.experiments.effort.fits import Measured, SchemeFit, Setting, measured, nothing_found
from assay.experiments.effort.schemes import Drawing, teacher
from assay.experiments.effort.study_data import EffortTarget, StudyData
from assay.experiments.factorial import check_pool
from assay.experiments.predicted import Predicted
from assay.experiments.sides import Side, open_side
from assay.params import Params
from assay.progress import Progress

TASKS: dict[EffortTarget, str] = {"masks": "semantic_segmentation", "boxes": "detection"}
"""The task whose models learn a target."""


def run_all(
    data: StudyData, setting: Setting, fits: Sequence[SchemeFit], params: Params, progress: Progress
) -> tuple[list[Measured], int]:
    """Results of all fits, and the number of models trained by this call. ParamsError for another task."""
    if params.task != TASKS[data.target]:
        raise ParamsError(
            f"effort.learner: model: the task of target {data.target} is {TASKS[data.target]}, not {params.task}",
            hint="learner: quick, or another target",
        )
    side = open_side("workspace", data.layout, params)
    side.require_commit("a training")
    made = {fit: cell for fit, cell in _cells(data, setting, fits, params, side).items() if fit.rows}
    check_pool(made.values(), data.layout)
    different = {cell.key: cell for cell in made.values()}
    results = dict(
        zip(different, cells.run_all(list(different.values()), data.layout, progress), strict=True)
    )
    found = {fit: _measured(data, setting, params.task, results[cell.key]) for fit, cell in made.items()}
    nothing = nothing_found(data)
    return [found.get(fit, nothing) for fit in fits], sum(result.trained for result in results.values())


def _cells(
    data: StudyData, setting: Setting, fits: Sequence[SchemeFit], params: Params, side: Side
) -> dict[SchemeFit, Cell]:
    task, teach = tasks.load(params.task), teacher(data, setting.vertices)
    table = training_set(Snapshot.load(data.layout.snapshot), None, params.seed, task.label)
    val, ruler = table.filter(pc.equal(table["split"], "val")), cells.own_cell(side).ruler

    def cell(fit: SchemeFit) -> Cell:
        rows = pa.concat_tables([an_epoch(data, fit, teach, task), val.cast(TRAIN)])
        return Cell(side, with_seed(params, fit.seed), training_table(rows, data.categories), ruler)

    return {fit: cell(fit) for fit in dict.fromkeys(fits)}


def an_epoch(
    data: StudyData, fit: SchemeFit, teach: Callable[[Drawing, int], Sequence[Annotation]], task: ModuleType
) -> pa.Table:
    """TRAIN rows of what a fit learns from, repeated to as many as train has: each equally often, or once more."""
    taught = [teach(drawing, row) for drawing, row in zip(fit.drawings, fit.rows, strict=True)]
    seen = [k % len(fit.rows) for k in range(len(data.pool))]
    columns = (
        [data.pool.ids[fit.rows[k]] for k in seen],
        ["train"] * len(seen),
        [task.label(taught[k]) for k in seen],
        [annotations_json(taught[k]) for k in seen],
    )
    return pa.table(columns, schema=TRAIN)


def _measured(data: StudyData, setting: Setting, task: str, result: CellResult) -> Measured:
    predicted = Predicted(result.predictions, data.categories, task)
    ids = pa.array(data.test.ids, pa.string())
    labels = [tasks.load(task).label(objects) for objects in data.test.objects]
    return measured(predicted.on(ids, labels, data.categories), setting)
