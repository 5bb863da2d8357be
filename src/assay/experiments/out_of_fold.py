"""Out-of-fold probabilities of the model of params.yaml, for `assay audit --model`: one cell for each fold.

The stage audit runs before train and has no model; cells are cached, so a fold is trained once.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.checks import Context
from assay.data.training_set import training_set
from assay.errors import GateError
from assay.experiments import cells
from assay.experiments.cells import Cell, CellResult, training_table
from assay.experiments.factorial import check_pool
from assay.experiments.sides import open_side
from assay.labels.folds import folds
from assay.labels.judge import FOLDS
from assay.labels.labels import LEAST
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress


def out_of_fold(
    context: Context, params: Params, layout: Layout, progress: Progress
) -> tuple[NDArray[np.float64], int]:
    """(n, k) probabilities of `context.labels`, and the number of models trained by this call.

    GateError with too few labels.
    """
    held = context.labels
    if not held.can_be_judged:
        raise GateError(
            f"{len(held.ids)} labels of {len(held.categories)} classes are too few for an audit",
            hint=f"at least {LEAST} labels of two classes: `assay queue` lists the next images to label",
        )
    made = _cells(context, params, layout)
    results = cells.run_all(made, layout, progress)
    said = {sample: chances for result in results for sample, chances in _said(result)}
    believed = np.array([said[sample] for sample in held.ids], np.float64)
    return believed, sum(result.trained for result in results)


def _cells(context: Context, params: Params, layout: Layout) -> list[Cell]:
    """One cell for each fold: trained on the other folds, stopped by val as usual, measured on the fold."""
    side = open_side("workspace", layout, params)
    side.require_commit("a training")
    held, snapshot = context.labels, context.snapshot
    table = training_set(snapshot, None, params.seed)
    fold = folds(held.given, held.groups, FOLDS, context.seed)
    settings = params.model_dump(mode="json")
    made = []
    for number in np.unique(fold):
        asked = pa.array(np.array(held.ids, object)[fold == number], pa.string())
        train = training_table(table.filter(pc.invert(pc.is_in(table["id"], asked))), held.categories)
        ruler = snapshot.measurable(pc.is_in(snapshot.samples["id"], asked))
        made.append(Cell(side, settings, train, ruler))
    check_pool([made[0]], layout)
    return made


def _said(result: CellResult) -> list[tuple[str, list[float]]]:
    """(id, probabilities) of the images of a fold."""
    ids, chances = (result.predictions[name].to_pylist() for name in ("id", "probabilities"))
    return list(zip(ids, chances, strict=True))
