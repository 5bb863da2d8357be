"""assay: find out whether an improvement of a vision model comes from the data or from the model.

For notebooks, and for training code of your own:

    import assay

    before, after = assay.snapshot("v1.0"), assay.snapshot()     # of a git revision, of the workspace
    assay.diff(before, after).counts()                           # {'added': 0, 'relabelled': 12, ...}
    after.to_pandas()                                            # one row a sample, with its label
    loader = torch.utils.data.DataLoader(assay.dataset("train"), batch_size=32, shuffle=True)

Modules are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.api import Selection, pool, selection, snapshot
    from assay.data.annotations import Annotation
    from assay.data.difference import Difference, diff
    from assay.data.edits import Judgement
    from assay.data.pool import Pool
    from assay.data.snapshot import Snapshot
    from assay.errors import AssayError
    from assay.training.torchdata import ImageDataset, dataset

__version__ = "0.1.0"

__all__ = [
    "Annotation",
    "AssayError",
    "Difference",
    "ImageDataset",
    "Judgement",
    "Pool",
    "Selection",
    "Snapshot",
    "__version__",
    "dataset",
    "diff",
    "pool",
    "selection",
    "snapshot",
]

_HOME = {
    "Annotation": "assay.data.annotations",
    "AssayError": "assay.errors",
    "Difference": "assay.data.difference",
    "ImageDataset": "assay.training.torchdata",
    "Judgement": "assay.data.edits",
    "Pool": "assay.data.pool",
    "Selection": "assay.api",
    "Snapshot": "assay.data.snapshot",
    "dataset": "assay.training.torchdata",
    "diff": "assay.data.difference",
    "pool": "assay.api",
    "selection": "assay.api",
    "snapshot": "assay.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
