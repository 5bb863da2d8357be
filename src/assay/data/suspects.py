"""Suspects: labels that are probably wrong and images that do not belong, that nobody has looked at since.

`probability` is that of a wrong label, `outlier` the outlier score of the image (`assay.labels`). An image that is
of no class need not have a label that looks wrong: beside the two there is the order of

    combined = 1 − (1 − probability)(1 − outlier)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.edits import Judgement, answers_to
from assay.data.files import read_table
from assay.errors import MissingInput

NAME = "label_errors"
FILE = f"{NAME}.parquet"
SHARE = b"share"
REVIEW = "review"
"""The strategy, in the queue, of images that have a label and are to be looked at again."""
MARK = "audit check"
"""How the `why` of an answer begins that `assay audit --check` asked for."""
LIKELY, POSSIBLE = 0.5, 0.1
"""Probabilities of being wrong: of a suspect, where nothing else is said; and of what a second look tells of."""
FOREIGN = 0.5
"""Outlier score above which an image is proposed for exclusion: that of the limit of the check `outliers`."""
Order = Literal["wrong", "outlier", "combined"]
ORDERS: dict[Order, str] = {"wrong": "probability", "outlier": "outlier", "combined": "combined"}
"""Orders of a review, and the column that each sorts by, the largest first."""
Floats = NDArray[np.float64]
Batches = Iterable[tuple[str, Sequence[Judgement]]]


@dataclass(frozen=True)
class WrongShare:
    """Of labels that are wrong, with a 95 % interval, and whether answers of people stand behind it."""

    value: float
    low: float
    high: float
    by: Literal["estimated", "measured"] = "estimated"

    @property
    def can_be_nothing(self) -> bool:
        """Whether the interval reaches down to nothing: whatever contradicts the labels may be hard images."""
        return self.low <= 0

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def with_share(judged: pa.Table, share: WrongShare) -> pa.Table:
    """The table of judged labels, with the share of wrong ones in its schema."""
    return judged.replace_schema_metadata({SHARE: json.dumps(asdict(share))})


def share_of(judged: pa.Table) -> WrongShare:
    """The one estimate of the share of wrong labels: what audit, advise and queue say alike."""
    held = (judged.schema.metadata or {}).get(SHARE)
    if held is None:
        value = float(pc.mean(judged["probability"]).as_py() or 0.0)
        return WrongShare(value, 0.0, 1.0) if len(judged) else WrongShare(0.0, 0.0, 0.0)
    return WrongShare(**json.loads(held))


def read_judged(audit: Path, columns: list[str] | None = None) -> pa.Table:
    """Every label that was judged, the likeliest to be wrong first. MissingInput if the check did not run."""
    if not (audit / FILE).exists():
        raise MissingInput(
            f"{audit / FILE} is not there: no label was audited",
            hint="run `assay audit`; `audit.checks` must be [] or name label_errors",
        )
    table = read_table(audit / FILE, columns, made_by="audit")
    if columns is None and "outlier" not in table.column_names:
        raise MissingInput(
            f"{audit / FILE} was written by an earlier version: it has no outlier score",
            hint="run `assay audit`",
        )
    return table


def looked_at(judged: pa.Table, batches: Batches) -> set[str]:
    """Those of the judged that somebody has looked at since they were judged."""
    said = answers_to(batches)
    rows = zip(judged["id"].to_pylist(), judged["judgements"].to_pylist(), strict=True)
    return {sample for sample, before in rows if said[sample] > before}


def second_looks(audit: Path, batches: Batches) -> tuple[set[str], set[str]]:
    """(images with a label that may be wrong, and no second look yet; those that had one since they were judged)."""
    if not (audit / FILE).exists():
        return set(), set()
    judged = read_judged(audit, ["id", "probability", "looks", "judgements"])
    taken = looked_at(judged, batches)
    return set(suspects(judged, POSSIBLE)["id"].to_pylist()) - taken, taken


def suspects(judged: pa.Table, least: float = LIKELY, most: float = 1.0) -> pa.Table:
    """Those of the judged that are wrong with a probability from `least` to `most`, and had one look only."""
    likely = pc.and_(
        pc.greater_equal(judged["probability"], least), pc.less_equal(judged["probability"], most)
    )
    return judged.filter(pc.and_(likely, pc.less(judged["looks"], 2)))


def combined(probability: Floats, outlier: Floats) -> Floats:
    """(n,) 1 − (1 − probability)(1 − outlier): what the combined order sorts by."""
    both: Floats = 1 - (1 - probability) * (1 - outlier)
    return both


def for_review(judged: pa.Table, least: float, order: Order = "wrong") -> pa.Table:
    """The suspects from probability `least` on and the images that do not belong, with `combined` and `proposed`.

    `proposed`: "exclude" for an image that does not belong, "relabel" for the others. Images that had a second look are
    left out.
    """
    wrong, outlier = judged["probability"], judged["outlier"]
    foreign = pc.greater(outlier, FOREIGN)
    both = combined(wrong.to_numpy(), outlier.to_numpy())
    table = judged.append_column("combined", pa.array(both)).append_column(
        "proposed", pc.if_else(foreign, "exclude", "relabel")
    )
    open_ = pc.and_(pc.or_(pc.greater_equal(wrong, least), foreign), pc.less(judged["looks"], 2))
    return table.filter(open_).sort_by([(ORDERS[order], "descending"), ("id", "ascending")])


def worth(probability: float, rate: float, classes: int) -> float:
    """What a second look at a label is worth, in new labels.

    Of n labels of which a share e is wrong, alike for all of k classes, n (1 − γe)² right ones teach as much, with
    γ = k / (k − 1): G. Patrini et al., Making deep neural networks robust to label noise, CVPR 2017 (the correction
    multiplies a loss by 1 / (1 − γe)). A label put right adds 2γ (1 − γe) of them, a new one (1 − γe)².
    """
    gamma = classes / max(1, classes - 1)
    return probability * 2 * gamma / max(1 - gamma * rate, 0.05)
