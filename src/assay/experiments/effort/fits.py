"""Fits of the study: a learner trained on what a budget buys, measured on the test images; cached in .assay/effort.

A fit is given by its images, how each is drawn, and its seed: two schemes with the same images and drawings share it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.data.files import write_bytes
from assay.experiments.effort import box_head, decoder, tag_probe
from assay.experiments.effort.features import feature_maps
from assay.experiments.effort.schemes import TAGS, Drawing, teacher
from assay.experiments.effort.study_data import EffortTarget, StudyData
from assay.experiments.processes import in_processes, usable_cores
from assay.lineage.digests import canonical_digest, code_of
from assay.metrics.bootstrap import bootstrap_weights
from assay.metrics.judged import Judged
from assay.progress import Progress, silent
from assay.training.frozen import one_thread

Floats = NDArray[np.float64]

DRAWS = 2000
LEARNERS: dict[EffortTarget, ModuleType] = {
    "masks": decoder,
    "boxes": box_head,
    "presence": tag_probe,
}
"""Of drawings; tags are learnt by `tag_probe` whatever the target."""
OF_A_CLASS = {"miou": "iou", "macro_f1": "f1", "micro_f1": "f1", "map": "ap"}
"""Metric of a single class, where it has another name than that over all."""
LIBRARIES = ("numpy", "scipy", "torch")


@dataclass(frozen=True)
class Setting:
    """What all fits of a study share."""

    metric: str
    image_size: int
    vertices: int
    draws_seed: int
    """Seed of the bootstrap over the test images, the same for every fit."""


@dataclass(frozen=True)
class SchemeFit:
    """Rows of the pool, kind and rule of each, and the seed of the training."""

    rows: tuple[int, ...]
    drawings: tuple[Drawing, ...]
    seed: int


@dataclass(frozen=True)
class Measured:
    """The metric on the test images, under each bootstrap weighting (DRAWS,), and of each class (classes,)."""

    value: float
    drawn: Floats
    classes: Floats


def key_of(data: StudyData, setting: Setting, fit: SchemeFit) -> str:
    """Fingerprint of everything that the result of a fit depends on."""
    said = [fit.rows, fit.drawings, fit.seed, vars(setting), data.digest, _code()]
    return canonical_digest(["effort", *said, {name: version(name) for name in LIBRARIES}])


@lru_cache(maxsize=1)
def _code() -> str:
    return code_of(__name__)


class Trainer:
    """Inputs of the fits; each training target is computed once."""

    def __init__(self, data: StudyData, setting: Setting, progress: Progress) -> None:
        self.data, self.setting = data, setting
        self.features = feature_maps(data, setting.image_size, progress)
        self._teach = teacher(data, setting.vertices)
        self._target = cache(self._make_target)

    def _learner(self, drawing: Drawing | None) -> ModuleType:
        return tag_probe if drawing == TAGS else LEARNERS[self.data.target]

    def _make_target(self, drawing: Drawing, row: int) -> Any:
        return self._learner(drawing).target(self.data, self.features, row, self._teach(drawing, row))

    def measure(self, fit: SchemeFit) -> Measured:
        """Train and measure."""
        targets = [self._target(drawing, row) for drawing, row in zip(fit.drawings, fit.rows, strict=True)]
        learner = self._learner(next(iter(fit.drawings), None))
        with one_thread():
            judged: Judged = learner.fit(self.data, self.features, fit.rows, targets, fit.seed)
        return measured(judged, self.setting)


def measured(judged: Judged, setting: Setting) -> Measured:
    """The metric of predictions; 0 where it is undefined because nothing is found."""
    weights = bootstrap_weights(len(judged), DRAWS, setting.draws_seed)
    drawn = np.concatenate([judged.values(block)[setting.metric] for block in weights])
    of_a_class = OF_A_CLASS.get(setting.metric, setting.metric)
    classes = judged.of_classes().get(of_a_class, np.zeros((1, 0)))[0]
    value = float(np.nan_to_num(judged.values()[setting.metric][0]))
    return Measured(value, np.nan_to_num(drawn), np.nan_to_num(classes))


def nothing_found(data: StudyData) -> Measured:
    """The result of a learner that finds nothing."""
    return Measured(0.0, np.zeros(DRAWS), np.zeros(len(data.categories)))


# --- the cache


def read(folder: Path, key: str) -> Measured | None:
    """A result of the cache; a broken one counts as missing."""
    try:
        with np.load(io.BytesIO((folder / f"{key}.npz").read_bytes())) as held:
            return Measured(float(held["value"]), held["drawn"], held["classes"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def write(folder: Path, key: str, result: Measured) -> None:
    stream = io.BytesIO()
    np.savez(stream, value=result.value, drawn=result.drawn, classes=result.classes)
    write_bytes(folder / f"{key}.npz", stream.getvalue())


# --- all of them


def run_all(
    data: StudyData, setting: Setting, fits: Sequence[SchemeFit], progress: Progress, workers: int | None
) -> tuple[list[Measured], int]:
    """Results of all fits, and the number computed by this call. `workers`: processes; None: one a core."""
    folder = data.layout.scratch / "effort"
    keys = [key_of(data, setting, fit) for fit in fits]
    missing = {key: fit for key, fit in zip(keys, fits, strict=True) if read(folder, key) is None}
    if missing:
        trainer = Trainer(data, setting, progress)
        workers = min(workers or usable_cores(), len(missing))
        with progress.bar("training", len(missing), "fits") as advance:
            if workers == 1:
                for key, fit in missing.items():
                    write(folder, key, trainer.measure(fit))
                    advance(1)
            else:
                _side_by_side(data, setting, missing, folder, workers, advance)
    results = [read(folder, key) for key in keys]
    return [one for one in results if one is not None], len(missing)


def _side_by_side(
    data: StudyData, setting: Setting, missing: dict[str, SchemeFit], folder: Path, workers: int, advance: Any
) -> None:
    left = list(missing)

    def look() -> None:
        for key in [key for key in left if (folder / f"{key}.npz").exists()]:
            left.remove(key)
            advance(1)

    in_processes(_work, list(missing.items()), workers, _enter, (data, setting, folder), look)


class _Worker:
    trainer: Trainer
    folder: Path


def _enter(data: StudyData, setting: Setting, folder: Path) -> None:
    _Worker.trainer, _Worker.folder = Trainer(data, setting, silent), folder


def _work(job: tuple[str, SchemeFit]) -> None:
    key, fit = job
    write(_Worker.folder, key, _Worker.trainer.measure(fit))
