"""The hidden truth answers: for replays and benchmarks, where labels are known but not shown.

It can be as careless as people are: a share of its answers, `noise`, is wrong, and wrong in the same way whenever the
same image is asked about. `symmetric`: any other class, all alike. `pair`: always the next class in sorted order, as
people take a thing for the one thing it resembles (pair flipping: Han et al. 2018, Co-teaching, arXiv:1804.06872).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from assay.annotators import Desk, now
from assay.data.annotations import Annotation
from assay.data.edits import Judgement
from assay.data.ledger import Answer, Batch
from assay.data.pool import side_table
from assay.data.suspects import REVIEW
from assay.errors import ParamsError
from assay.layout import Layout
from assay.params import Fraction, Params, Section, Seed
from assay.params.bounds import within

NAME = "oracle"
WAITS = False
ANNOTATIONS = TypeAdapter(list[Annotation])


class Options(Section):
    """How careless it is, and what it costs."""

    noise: Fraction = 0.0
    """Share of the answers that name a wrong class."""
    noise_kind: Literal["symmetric", "pair"] = "symmetric"
    seed: Seed = 0
    """Of the noise; who is wrong depends on it and on the id, on nothing else."""
    seconds: Annotated[float, within(0, 1_000_000)] = 0.0
    """What an answer costs, for the books."""
    review_seconds: Annotated[float, within(0, 1_000_000)] = 0.0
    """What a second look at a labelled image costs."""


def check(ids: Sequence[str], desk: Desk) -> None:
    """ParamsError if it knows the truth of none of the images that it is about to be asked about."""
    known, _ = _truth(desk.layout, ids)
    if ids and not known:
        raise ParamsError(
            f"select.annotator: the oracle has no hidden truth of these {len(ids):,} images: it answers in replays",
            hint="set select.annotator to file, or to null and use `assay queue --csv to-label.csv`: people answer",
        )


def send(batch: Batch, desk: Desk) -> str:
    """It needs no sending: it knows."""
    desk.options(Options)
    return "the hidden truth"


def collect(batches: Sequence[Batch], desk: Desk) -> Iterator[Answer]:
    """One answer for each id that the truth knows, in the order asked, as of the moment it was asked."""
    options = desk.options(Options)
    ids = [row.id for batch in batches for row in batch.rows]
    known, classes = _truth(desk.layout, ids)
    for batch in batches:
        for row in batch.rows:
            if row.id in known:
                seen = careless(row.id, known[row.id], classes, options)
                cost = options.review_seconds if row.strategy == REVIEW else options.seconds
                yield Answer(row.id, (judge(row.id, seen, batch.at, cost),), where=NAME)


def answer(queue: pa.Table, layout: Layout, params: Params) -> list[Judgement]:
    """The plain truth about each image of `queue` (column id) that it knows, in the order of the queue."""
    known, _ = _truth(layout, queue["id"].to_pylist())
    at = now()
    return [judge(sample, known[sample], at) for sample in queue["id"].to_pylist() if sample in known]


def _truth(layout: Layout, ids: Sequence[str]) -> tuple[dict[str, list[Annotation]], list[str]]:
    """What is on each of some images, and all classes that the truth names, sorted."""
    truth = side_table(layout.pool, "truth")
    texts = pc.unique(truth["annotations"]).to_pylist()
    classes = sorted({note.category for text in texts for note in ANNOTATIONS.validate_json(text)})
    rows = truth.filter(pc.is_in(truth["id"], value_set=pa.array(ids, pa.string())))
    pairs = zip(rows["id"].to_pylist(), rows["annotations"].to_pylist(), strict=True)
    return {sample: ANNOTATIONS.validate_json(text) for sample, text in pairs}, classes


def careless(
    sample: str, seen: list[Annotation], classes: Sequence[str], options: Options
) -> list[Annotation]:
    """The truth, or for a share of the images a truth in which every class is mistaken for another."""
    if not seen or len(classes) < 2 or _chance(options.seed, "wrong", sample) >= options.noise:
        return seen
    return [note.model_copy(update={"category": _mistaken(sample, note, classes, options)}) for note in seen]


def _mistaken(sample: str, note: Annotation, classes: Sequence[str], options: Options) -> str:
    step = 1
    if options.noise_kind == "symmetric":
        step += int(_chance(options.seed, "class", sample) * (len(classes) - 1))
    return classes[(classes.index(note.category) + step) % len(classes)]


def _chance(seed: int, purpose: str, sample: str) -> float:
    """A number in [0, 1) that follows from its arguments alone."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{sample}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def judge(sample: str, seen: list[Annotation], at: str, seconds: float = 0.0) -> Judgement:
    """A label; or, for an image with nothing on it, that it should be left out."""
    spent = seconds or None
    if not seen:
        return Judgement(id=sample, op="exclude", by=NAME, at=at, why="nothing on it", seconds=spent)
    return Judgement(id=sample, op="label", annotations=seen, by=NAME, at=at, seconds=spent)
