"""Feature maps of all images of the study."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import torch

from assay.data.pool import Pool
from assay.experiments.effort.study_data import StudyData
from assay.lineage.digests import canonical_digest, code_of
from assay.progress import Progress
from assay.training import frozen
from assay.training.build import canvas
from assay.training.frozen import FeatureMaps
from assay.training.inputs import InputSpec

CODE = "assay.models._lite0"


@dataclass(frozen=True)
class StudyFeatures:
    """Feature maps of the images to annotate, and of the test images."""

    pool: FeatureMaps
    test: FeatureMaps


def spec_of(data: StudyData, size: int) -> InputSpec:
    """Input of the network: images letterboxed on a canvas of the median shape."""
    shape = canvas(Pool.open(data.layout.pool).index, pa.chunked_array([pa.array(data.pool.ids)]), size)
    return InputSpec("pixels", size, "rgb", fit="letterbox", canvas=shape)


def feature_maps(data: StudyData, size: int, progress: Progress) -> StudyFeatures:
    """The maps, from the cache in .assay/effort where possible."""
    spec = spec_of(data, size)
    said = [CODE, code_of(CODE), list(spec.shape), data.pool.ids, data.test.ids, torch.__version__]
    folder = data.layout.scratch / "effort" / "maps" / canonical_digest(said)[:32]
    parts = (("pool", data.pool), ("test", data.test))
    return StudyFeatures(
        *(
            frozen.feature_maps(images.ids, spec, folder / name, data.layout, progress)
            for name, images in parts
        )
    )
