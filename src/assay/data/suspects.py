"""Suspects: labels that are probably wrong, and outlier images, without a second look so far.

`probability`: of a wrong label. `outlier`: outlier score of the image (`assay.labels`). An image of no class can have
a label with a low `probability`, so a third score combines both:

    combined = 1 − (1 − probability)(1 − outlier)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.edits import Batches, answers_to
from assay.data.files import read_table
from assay.errors import MissingInput

NAME = "label_errors"
FILE = f"{NAME}.parquet"
SHARE = b"share"
REVIEW = "review"
"""Strategy, in the queue, of labelled images that need a second look."""
MARK = "audit check"
"""Prefix of `why` in the answers to `assay audit --check`."""
LIKELY, POSSIBLE = 0.5, 0.1
"""Probability of a wrong label. LIKELY: default threshold of a suspect. POSSIBLE: least one offered for review."""
FOREIGN = 0.5
"""Outlier score above which an image is proposed for exclusion: the limit of the check `outliers` has this score."""
Order = Literal["wrong", "outlier", "combined"]
ORDERS: dict[Order, str] = {"wrong": "probability", "outlier": "outlier", "combined": "combined"}
"""Order of a review -> column that it sorts by, largest first."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WrongShare:
    """Share of wrong labels with a 95 % interval; `by`: estimated by a model, or measured by second looks."""

    value: float
    low: float
    high: float
    by: Literal["estimated", "measured"] = "estimated"

    @property
    def can_be_nothing(self) -> bool:
        """Whether the interval contains 0: the labels may all be right, and the suspects hard images."""
        return self.low <= 0

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def with_share(judged: pa.Table, share: WrongShare) -> pa.Table:
    """The table of audited labels, with the share of wrong ones in the metadata of its schema."""
    return judged.replace_schema_metadata({SHARE: json.dumps(asdict(share))})


def share_of(judged: pa.Table) -> WrongShare:
    """Share of wrong labels, from the schema's metadata: audit, advise and queue all report this estimate."""
    held = (judged.schema.metadata or {}).get(SHARE)
    if held is None:
        value = float(pc.mean(judged["probability"]).as_py() or 0.0)
        return WrongShare(value, 0.0, 1.0) if len(judged) else WrongShare(0.0, 0.0, 0.0)
    return WrongShare(**json.loads(held))


def read_judged(audit: Path, columns: list[str] | None = None) -> pa.Table:
    """The audited labels, the most probably wrong first. MissingInput if the check did not run."""
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
    """Ids of the audited images that got an answer after the audit."""
    said = answers_to(batches)
    rows = zip(judged["id"].to_pylist(), judged["judgements"].to_pylist(), strict=True)
    return {sample for sample, before in rows if said[sample] > before}


def second_looks(audit: Path, batches: Batches) -> tuple[set[str], set[str]]:
    """(ids with a possibly wrong label and no second look yet, ids with a second look since the audit)."""
    if not (audit / FILE).exists():
        return set(), set()
    judged = read_judged(audit, ["id", "probability", "looks", "judgements"])
    taken = looked_at(judged, batches)
    return set(suspects(judged, POSSIBLE)["id"].to_pylist()) - taken, taken


def suspects(judged: pa.Table, least: float = LIKELY, most: float = 1.0) -> pa.Table:
    """The audited labels with one look only and a probability in [least, most]."""
    likely = pc.and_(
        pc.greater_equal(judged["probability"], least), pc.less_equal(judged["probability"], most)
    )
    return judged.filter(pc.and_(likely, pc.less(judged["looks"], 2)))


def combined(probability: Floats, outlier: Floats) -> Floats:
    """(n,) 1 − (1 − probability)(1 − outlier)."""
    both: Floats = 1 - (1 - probability) * (1 - outlier)
    return both


def for_review(judged: pa.Table, least: float, order: Order = "wrong") -> pa.Table:
    """The audited labels with a probability of at least `least`, and the outliers, with `combined` and `proposed`.

    `proposed`: "exclude" for an outlier, "relabel" for the others. Images with a second look are omitted.
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
    """Value of a second look at a label, in new labels.

    With a share e of wrong labels, uniform over k classes, n labels are worth n (1 − γe)² correct ones, where
    γ = k / (k − 1): G. Patrini et al., Making deep neural networks robust to label noise, CVPR 2017 (the correction
    multiplies a loss by 1 / (1 − γe)). A corrected label adds 2γ (1 − γe) of them, a new label (1 − γe)².
    """
    gamma = classes / max(1, classes - 1)
    return probability * 2 * gamma / max(1 - gamma * rate, 0.05)
