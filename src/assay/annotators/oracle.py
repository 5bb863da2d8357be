"""Answers from a hidden truth: for replays and benchmarks, where labels exist but are not used.

A share `noise` of the answers is wrong, the same answer each time for an image. `symmetric`: any other class with equal
probability. `pair`: the next class in sorted order, as for classes that people confuse (pair flipping; Han et al. 2018,
Co-teaching, arXiv:1804.06872). With `select.overlap` N, N people answer, `oracle`, `oracle-2` and so on, whose errors
are independent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from assay import tasks
from assay.annotators import AnnotatorContext, now
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
    """Share and kind of wrong answers, and the time that an answer takes."""

    noise: Fraction = 0.0
    """Share of the answers that name a wrong class."""
    noise_kind: Literal["symmetric", "pair"] = "symmetric"
    seed: Seed = 0
    """Seed of the noise; whether an answer is wrong depends on seed and id only."""
    seconds: Annotated[float, within(0, 1_000_000)] = 0.0
    """Seconds recorded for a label."""
    review_seconds: Annotated[float, within(0, 1_000_000)] = 0.0
    """Seconds recorded for a review of a labelled image."""


def check(ids: Sequence[str], context: AnnotatorContext) -> None:
    """ParamsError if the truth has none of the images `ids`."""
    known, _ = _truth(context.layout, ids)
    if ids and not known:
        raise ParamsError(
            f"select.annotator: there is no hidden truth for these {len(ids):,} images; the oracle is for replays",
            hint="for answers of people set select.annotator to file, or to null and use `assay queue --csv FILE`",
        )


def send(batch: Batch, context: AnnotatorContext) -> str:
    """Does nothing: the truth is on disk."""
    context.options(Options)
    return "the hidden truth"


def collect(batches: Sequence[Batch], context: AnnotatorContext) -> Iterator[Answer]:
    """One answer for each id in the truth, in the order sent, dated when it was sent."""
    options = context.options(Options)
    ids = [row.id for batch in batches for row in batch.rows]
    known, classes = _truth(context.layout, ids)
    for batch in batches:
        for row in batch.rows:
            if row.id in known:
                cost = options.review_seconds if row.strategy == REVIEW else options.seconds
                for number in range(row.overlap):
                    person = options.model_copy(update={"seed": options.seed + number})
                    seen = careless(row.id, known[row.id], classes, person)
                    said = judge(row.id, seen, context.params.task, batch.at, cost)
                    by = f"{NAME}-{number + 1}" if number else NAME
                    yield Answer(row.id, (said.model_copy(update={"by": by}),), where=NAME)


def answer(queue: pa.Table, layout: Layout, params: Params) -> list[Judgement]:
    """The truth without noise for the images of `queue` (column id), in the order of the queue."""
    known, _ = _truth(layout, queue["id"].to_pylist())
    at = now()
    ids = [sample for sample in queue["id"].to_pylist() if sample in known]
    return [judge(sample, known[sample], params.task, at) for sample in ids]


def _truth(layout: Layout, ids: Sequence[str]) -> tuple[dict[str, list[Annotation]], list[str]]:
    """Annotations of each of `ids`, and all classes of the truth, sorted."""
    truth = side_table(layout.pool, "truth")
    texts = pc.unique(truth["annotations"]).to_pylist()
    classes = sorted({note.category for text in texts for note in ANNOTATIONS.validate_json(text)})
    rows = truth.filter(pc.is_in(truth["id"], value_set=pa.array(ids, pa.string())))
    pairs = zip(rows["id"].to_pylist(), rows["annotations"].to_pylist(), strict=True)
    return {sample: ANNOTATIONS.validate_json(text) for sample, text in pairs}, classes


def careless(
    sample: str, seen: list[Annotation], classes: Sequence[str], options: Options
) -> list[Annotation]:
    """The annotations; for a share of the images with wrong classes."""
    if not seen or len(classes) < 2 or _chance(options.seed, "wrong", sample) >= options.noise:
        return seen
    return [note.model_copy(update={"category": _mistaken(sample, note, classes, options)}) for note in seen]


def _mistaken(sample: str, note: Annotation, classes: Sequence[str], options: Options) -> str:
    step = 1
    if options.noise_kind == "symmetric":
        step += int(_chance(options.seed, "class", sample) * (len(classes) - 1))
    return classes[(classes.index(note.category) + step) % len(classes)]


def _chance(seed: int, purpose: str, sample: str) -> float:
    """A number in [0, 1), a hash of the arguments."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{sample}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def judge(sample: str, seen: list[Annotation], task: str, at: str, seconds: float = 0.0) -> Judgement:
    """A label; an exclusion for an image without annotations, unless to the task that is a label too."""
    spent = seconds or None
    if not seen and tasks.load(task).label(()) is None:
        return Judgement(id=sample, op="exclude", by=NAME, at=at, why="nothing on it", seconds=spent)
    return Judgement(id=sample, op="label", annotations=seen, by=NAME, at=at, seconds=spent)
