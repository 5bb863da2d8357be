"""What small segmenters see on the images of train and val: each image by one that was trained on the other folds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from assay import tasks
from assay.data.annotations import Annotation
from assay.data.files import write_bytes
from assay.data.pool import Pool
from assay.data.snapshot import Snapshot
from assay.data.training_set import training_set
from assay.errors import GateError
from assay.labels.folds import folds
from assay.labels.judge import FOLDS
from assay.labels.labels import group_numbers
from assay.layout import Layout
from assay.lineage.digests import canonical_digest, code_of
from assay.metrics.annotated import annotations_of
from assay.params import Params
from assay.progress import Progress
from assay.tasks.semantic_segmentation import ImageRegions
from assay.training import mask_decoder
from assay.training.build import canvas
from assay.training.frozen import FeatureMaps, feature_maps, one_thread
from assay.training.inputs import InputSpec

SIDE = 256
"""px: the longer side that images are brought to."""
BODY = "assay.models._lite0"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Segmented:
    """n labelled images of train and val, by id, and the segmenter that did not learn from each."""

    ids: Sequence[str]
    splits: Sequence[str]
    labels: Sequence[str]
    """Canonical JSON of their annotations."""
    categories: Sequence[str]
    trained: int
    """Segmenters trained by this call."""
    fold: NDArray[np.int64]
    maps: FeatureMaps
    models: dict[int, mask_decoder.Decoder]

    def seen(self, row: int) -> Floats:
        """(classes, height, width) probability of each class at each pixel of an image."""
        with one_thread():
            logits = mask_decoder.logits(self.models[int(self.fold[row])], self.maps, row)
            found: Floats = torch.from_numpy(logits).softmax(0)[1:].numpy()
        return found


def segmented_out_of_fold(params: Params, layout: Layout, progress: Progress, seed: int = 0) -> Segmented:
    """Feature maps and segmenters, from the cache in .assay/segmenters where possible. Group stays with group.

    GateError with fewer labelled images than folds.
    """
    snapshot = Snapshot.load(layout.snapshot)
    table = training_set(snapshot, None, params.seed, tasks.load(params.task).label).sort_by("id")
    ids, splits, labels = (table[name].to_pylist() for name in ("id", "split", "label"))
    if len(ids) < FOLDS:
        raise GateError(
            f"{len(ids)} labelled images are too few for {FOLDS} folds",
            hint="`assay queue` lists the next images to label",
        )
    groups = group_numbers(snapshot.samples, ids)
    fold = folds(np.zeros(len(ids), np.int64), groups, FOLDS, params.curate.split_seed + seed)
    shape = canvas(Pool.open(layout.pool).index, pa.chunked_array([pa.array(ids)]), SIDE)
    spec = InputSpec("pixels", SIDE, "rgb", fit="letterbox", canvas=shape)
    home = layout.scratch / "segmenters"
    key = canonical_digest([code_of(BODY), list(shape), ids, torch.__version__])[:32]
    maps = feature_maps(ids, spec, home / "maps" / key, layout, progress)
    learnt = [key, labels, snapshot.categories, fold.tolist(), code_of(mask_decoder.__name__)]
    folder = home / canonical_digest(learnt)[:32]
    numbers = [int(number) for number in np.unique(fold)]
    left = [number for number in numbers if not (folder / f"{number}.pt").exists()]
    teach = _Lessons(annotations_of(labels), snapshot.categories, maps)
    with progress.bar("segmenters", len(left), "trainings") as advance:
        for number in left:
            write_bytes(folder / f"{number}.pt", _weights(teach, np.flatnonzero(fold != number), number))
            advance(1)
    models = {number: _opened(folder / f"{number}.pt", len(snapshot.categories)) for number in numbers}
    return Segmented(ids, splits, labels, snapshot.categories, len(left), fold, maps, models)


@dataclass(frozen=True)
class _Lessons:
    """What the images teach."""

    objects: Sequence[Sequence[Annotation]]
    categories: Sequence[str]
    maps: FeatureMaps

    def targets(self, rows: NDArray[np.int64]) -> NDArray[np.int16]:
        """(m, *canvas) the class of each pixel."""
        place = {name: k for k, name in enumerate(self.categories)}
        made = []
        for row in rows.tolist():
            width, height = self.maps.where.sizes[row].astype(int).tolist()
            numbers = ImageRegions(self.objects[row], place).numbers(height, width)
            made.append(self.maps.where.masks(row, numbers.astype(np.int16), mask_decoder.VOID))
        return np.stack(made)


def _weights(teach: _Lessons, rows: NDArray[np.int64], seed: int) -> bytes:
    with one_thread():
        model = mask_decoder.trained(len(teach.categories), teach.maps, rows, teach.targets(rows), seed)
    stream = io.BytesIO()
    torch.save(model.state_dict(), stream)
    return stream.getvalue()


def _opened(file: Path, classes: int) -> mask_decoder.Decoder:
    model = mask_decoder.Decoder(classes)
    model.load_state_dict(torch.load(file, weights_only=True))
    return model.eval()
