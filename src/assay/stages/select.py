"""select: what the model learns from, and which images to label next.

Two files, so that a changed queue, or ten thousand new unlabelled images, do not train the model again:
train.parquet holds nothing but what is learnt from; everything the queue depends on is elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from assay import plugins, tasks
from assay.data.beliefs import DECIMALS
from assay.data.champion import Champion, read_champion
from assay.data.costs import costs_of, objects_by_class, objects_per_image
from assay.data.files import fresh_dir, write_json, write_table
from assay.data.findings import blank
from assay.data.queued import Queued, mixed, queue_table, review_queue, ruler_queue
from assay.data.snapshot import Snapshot
from assay.data.training_set import kept, labelled, training_set
from assay.errors import MissingInput
from assay.layout import Layout
from assay.lineage.digests import canonical_digest, code_of
from assay.metrics.detected import Detected
from assay.metrics.estimates import Estimate
from assay.metrics.object_counts import ObjectCounts, calibrate, found_per_expected
from assay.params import ObjectCost, Params
from assay.progress import Progress
from assay.strategies import (
    COLD_START,
    Candidates,
    check_options,
    draws_of,
    explained,
    needs_classes,
    needs_embeddings,
    needs_model,
)
from assay.strategies._batch import choose as batch
from assay.training.champion import AskedChampion

Evidence = dict[str, Any] | None

HEAD = 10
"""Rows of the queue in the summary."""


@dataclass(frozen=True)
class Choice:
    """The strategy that chooses the training images: the one asked for, or the cold start, and why."""

    asked: str
    used: str
    strategy: ModuleType
    options: Mapping[str, Any]
    why: str = ""


@dataclass(frozen=True)
class QueueInputs:
    """What the queue depends on."""

    snapshot: Snapshot
    champion: Champion | None
    choice: Choice
    blank: pa.Array
    """Ids of the images with nothing to see on them."""
    params: Params
    layout: Layout
    progress: Progress

    @cached_property
    def task(self) -> ModuleType:
        return tasks.load(self.params.task)

    @cached_property
    def kept(self) -> pa.Table:
        """(id, split, labelled) of the samples that are not excluded."""
        return kept(self.snapshot)

    @cached_property
    def usable(self) -> pa.Table:
        """(id, split, label) of those that the task can learn from or be measured on."""
        return labelled(self.snapshot, self.task.label)

    @cached_property
    def askable(self) -> pa.Table:
        """(id, split, labelled) of the kept, without the blank images that nobody has labelled."""
        rows = self.kept
        wasted = pc.and_(pc.invert(rows["labelled"]), pc.is_in(rows["id"], value_set=self.blank))
        return rows.filter(pc.invert(wasted)).combine_chunks()

    def costs(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """(n,) what it costs to label each image, in the unit of the budget."""
        asked = self.params.select.cost
        if not isinstance(asked, ObjectCost):
            return costs_of(self.snapshot, asked, ids)
        return (asked.image + asked.object * expected_objects(self, ids)).astype(np.float32)

    @cached_property
    def asked(self) -> AskedChampion:
        """The champion; MissingInput without one."""
        if self.champion is None:
            raise MissingInput("there is no champion to ask", hint="run `assay promote` first")
        return AskedChampion(self.champion, memory(self.layout, self.champion), self.layout, self.progress)

    @cached_property
    def judged_val(self) -> Detected:
        """Of a task with objects, what the champion detects on the labelled val images: it did not learn from them."""
        val = self.usable.filter(pc.equal(self.usable["split"], "val")).sort_by("id")
        return cast("Detected", self.asked.judged(self.params.task, val, self.snapshot.categories))

    @cached_property
    def counts(self) -> ObjectCounts:
        """What a detection of the champion stands for."""
        return calibrate(self.judged_val)

    def unlabelled(self, split: str) -> list[str]:
        """Ids to choose from in a split, sorted."""
        rows = self.askable
        open_ = pc.and_(pc.equal(rows["split"], split), pc.invert(rows["labelled"]))
        return rows.filter(open_)["id"].to_pylist()  # type: ignore[no-any-return]


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """Snapshot + embeddings + audit + champion -> data/selection/{train,queue}.parquet, selection.json."""
    snapshot = Snapshot.load(layout.snapshot)
    champion = read_champion(layout.champion)
    choice = choose(params.select.strategy, params.select.options, champion)
    if needs_classes(choice.strategy):
        tasks.require_classes(params.task, f"strategy {choice.used}")
    if params.select.balance:
        tasks.require_classes(params.task, "select.balance", or_objects=True)
    if isinstance(params.select.cost, ObjectCost):
        tasks.require_objects(params.task, "select.cost: {image, object}")
    if choice.why:
        progress.say(choice.why)
    inputs = QueueInputs(snapshot, champion, choice, blank(layout.audit), params, layout, progress)
    train = training_set(snapshot, params.select.train_limit, params.seed, inputs.task.label)
    queue, evidence = build_queue(inputs)
    selection = describe(inputs, train, queue) | {"evidence": evidence}
    with fresh_dir(layout.selection) as folder:
        write_table(folder / "train.parquet", train)
        write_table(folder / "queue.parquet", queue_table(queue))
        write_json(folder / "selection.json", selection)
    images = dict(Counter(train["split"].to_pylist()))
    return {**selection, "images": images, "head": [asdict(row) for row in queue[:HEAD]]}


def choose(asked: str, options: Mapping[str, Any], champion: Champion | None) -> Choice:
    """The cold start where the strategy asked for needs a model and none was promoted yet."""
    strategy = plugins.load("strategies", asked)
    check_options(strategy, options)
    if champion is not None or not needs_model(strategy):
        return Choice(asked, asked, strategy, options)
    why = f"no champion yet, and {asked} needs a model: cold start with {COLD_START} on the embeddings"
    return Choice(asked, COLD_START, plugins.load("strategies", COLD_START), {}, why)


# --- the queue


def build_queue(inputs: QueueInputs) -> tuple[list[Queued], Evidence]:
    """The ruler first; with the rest of the budget second looks, and what the strategy chooses; best first.

    With it the evidence on which the strategy has decided, where it says.
    """
    budget = float(inputs.params.select.budget)
    open_ = {split: inputs.unlabelled(split) for split in ("test", "val")}
    have = Counter(inputs.usable["split"].to_pylist())
    ruler = ruler_queue(open_, have, inputs.params.select.ruler_halfwidth, inputs.params.seed)
    spent = np.cumsum(inputs.costs([row.id for row in ruler]), dtype=np.float64)
    # in turn: one that is too dear is not passed over, as drawn is drawn
    paid = int(np.searchsorted(spent, budget, side="right"))
    left = budget - float(spent[paid - 1] if paid else 0)
    share, new_ones = inputs.params.select.review_share, bool(inputs.unlabelled("train"))
    again, taken = review_queue(inputs.layout.audit, share, left, inputs.costs, new_ones)
    chosen, evidence = training_queue(inputs, left - taken)
    return ruler[:paid] + mixed(again, chosen), evidence


def training_queue(inputs: QueueInputs, budget: float) -> tuple[list[Queued], Evidence]:
    """What the strategy chooses among the unlabelled training images, and what made it decide so."""
    rows = inputs.askable.filter(pc.equal(inputs.askable["split"], "train"))
    ids = np.array(rows["id"].to_pylist(), dtype=object)
    known = np.asarray(rows["labelled"].to_numpy(), dtype=bool)
    if budget <= 0 or known.all():
        return [], None
    strategy, options, asked = inputs.choice.strategy, inputs.choice.options, inputs.params.select
    counted = asked.balance and tasks.has_objects(inputs.params.task)
    believes = needs_model(strategy) or (counted and inputs.champion is not None)
    beliefs = inputs.asked.believe(ids[~known].tolist()) if believes else None
    known_to_it = () if beliefs is None else inputs.asked.classes
    categories = list(dict.fromkeys((*known_to_it, *inputs.snapshot.categories)))
    pool = candidates(inputs, ids, known, beliefs, categories)
    if counted:
        objects = objects_by_class(inputs.usable, ids.tolist(), categories)
        if beliefs is not None:
            objects[~known] = inputs.counts.of(inputs.task.objects(beliefs, len(known_to_it)))
        pool = replace(pool, objects=objects)
    rng = np.random.default_rng(inputs.params.seed)
    picks = batch(strategy, pool, budget, rng, options, balance=asked.balance, diversity=asked.diversity)
    told = explained(strategy, pool, picks, categories, options)
    queue = [
        Queued(sample, round(score, DECIMALS), inputs.choice.used, reason, "train")
        for sample, (score, reason) in zip(ids[picks].tolist(), told, strict=True)
    ]
    evidence = strategy.evidence(pool, **options) if hasattr(strategy, "evidence") else None
    return with_predictions(inputs, queue), evidence


def candidates(
    inputs: QueueInputs,
    ids: NDArray[np.object_],
    known: NDArray[np.bool_],
    beliefs: pa.Table | None,
    categories: Sequence[str],
) -> Candidates:
    """The rows in the order of their ids; the labelled have no doubt or probabilities (NaN) and cost nothing more."""
    embeddings = np.empty((len(ids), 0), dtype=np.float32)
    asked, choice = inputs.params.select, inputs.choice
    embedded = needs_embeddings(choice.strategy, choice.options) or asked.diversity > 1
    if embedded or (asked.balance and beliefs is None):
        from assay.data.embeddings import Embeddings

        embeddings = Embeddings.open(inputs.layout.embeddings).at_hand(ids.tolist(), inputs.layout.scratch)
    probabilities = doubt = None
    if beliefs is not None:
        doubt = _spread(inputs.task.doubt(beliefs), known)
    if beliefs is not None and inputs.task.SAYS_CLASSES:
        probabilities = _spread(tasks.probabilities_of(beliefs), known)
    costs = np.ones(len(ids), dtype=np.float32)
    costs[~known] = inputs.costs(ids[~known].tolist())
    targets = targets_of(inputs, ids.tolist(), categories)
    draws = draws_of(ids.tolist())
    return Candidates(embeddings, probabilities, known, costs, targets, draws, doubt)


def _spread(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values of the unlabelled rows, (m, …), among all rows, (n, …): NaN where labelled."""
    out = np.full((len(known), *values.shape[1:]), np.nan, np.float32)
    out[~known] = values
    return out


def targets_of(inputs: QueueInputs, ids: Sequence[str], categories: Sequence[str]) -> NDArray[np.int64]:
    """(n,) the class of each image that has just one label, as its place in `categories`; −1 elsewhere."""
    classes = {name: number for number, name in enumerate(categories)}
    labels = dict(zip(inputs.usable["id"].to_pylist(), inputs.usable["label"].to_pylist(), strict=True))
    return np.array([classes.get(labels.get(sample, ""), -1) for sample in ids], dtype=np.int64)


def expected_objects(inputs: QueueInputs, ids: Sequence[str]) -> NDArray[np.float64]:
    """(n,) of the champion's predictions; until there is a champion, the mean of the labelled images."""
    if inputs.champion is None:
        return np.full(len(ids), objects_per_image(inputs.snapshot))
    found = inputs.task.objects(inputs.asked.believe(ids), len(inputs.asked.classes))
    return inputs.counts.of(found).sum(axis=1)  # type: ignore[no-any-return]


def expectation(inputs: QueueInputs) -> Estimate | None:
    """Objects that are there per object expected, where the cost of the queue depends on it; None elsewhere."""
    if inputs.champion is None or not isinstance(inputs.params.select.cost, ObjectCost):
        return None
    return found_per_expected(inputs.judged_val, inputs.params.seed)


def memory(layout: Layout, champion: Champion) -> Path:
    """Where one champion's beliefs are kept: another model, or other code to read images, is another file."""
    kinds = ("encoders", "models", "tasks")
    code = code_of("assay.training.predict", *(f"assay.{k}.{n}" for k in kinds for n in plugins.names(k)))
    return layout.scratch / "beliefs" / f"{canonical_digest([champion.model_sha256, code])}.parquet"


def with_predictions(inputs: QueueInputs, queue: list[Queued]) -> list[Queued]:
    """The champion's guess beside each image, where there is a champion."""
    if inputs.champion is None or not queue:
        return queue
    said = inputs.asked.believe([row.id for row in queue])
    words = said["predicted"].to_pylist()
    sure = said["confidence"].to_pylist() if "confidence" in said.column_names else [None] * len(queue)
    return [
        replace(row, predicted=word, confidence=None if p is None else round(p, DECIMALS))
        for row, word, p in zip(queue, words, sure, strict=True)
    ]


# --- what is written


def describe(inputs: QueueInputs, train: pa.Table, queue: Sequence[Queued]) -> dict[str, Any]:
    """The content of selection.json: counts, and how the choice was made."""
    rows = zip(train["split"].to_pylist(), train["label"].to_pylist(), strict=True)
    tally = Counter((split, shown) for split, label in rows for shown in inputs.task.classes(label))
    categories = inputs.snapshot.categories
    labels = list(dict.fromkeys([*categories, *sorted({shown for _, shown in tally})]))
    return {
        "digest": train.schema.metadata[b"digest"].decode(),
        "categories": list(categories),
        "counts": {split: {label: tally[split, label] for label in labels} for split in ("train", "val")},
        "queue": dict(sorted(Counter(row.strategy for row in queue).items())),
        "left_out": left_out(inputs, train),
        "strategy": inputs.choice.asked,
        "used": inputs.choice.used,
        "why": inputs.choice.why,
        "cost": float(inputs.costs([row.id for row in queue]).sum(dtype=np.float64)),
        "objects_per_expected": expectation(inputs),
        "champion": inputs.champion and inputs.champion.fingerprint,
    }


def left_out(inputs: QueueInputs, train: pa.Table) -> dict[str, int]:
    """How many images are neither learnt from nor queued, by reason."""
    judged = pc.sum(inputs.kept["labelled"]).as_py() or 0
    learnable = pc.sum(pc.not_equal(inputs.usable["split"], "test")).as_py() or 0
    return {
        "excluded": len(inputs.snapshot) - len(inputs.kept),
        "blank": len(inputs.kept) - len(inputs.askable),
        "not one label": judged - len(inputs.usable),
        "over train_limit": learnable - len(train),
    }


def render(selection: dict[str, Any], console: Console) -> None:
    """The counts, and the head of the queue."""
    train, val = (selection["images"].get(split, 0) for split in ("train", "val"))
    console.print(f"learn from {train:,} images, stop early by {val:,}", highlight=False)
    if (found := selection["objects_per_expected"]) and found["n"]:
        told = "{value:.2f} [{low:.2f}, {high:.2f}] objects per object expected, on {n:,} val images".format(
            **found
        )
        console.print(escape(told), highlight=False)
    asked = ", ".join(f"{n:,} by {name}" for name, n in selection["queue"].items())
    console.print(f"to label next: {asked or 'nothing'}", highlight=False)
    if selection["evidence"]:
        console.print(f"why: {escape(selection['evidence']['why'])}", highlight=False)
    for row in selection["head"]:
        console.print(f"  {row['id'][:12]}  {row['split']:5}  {escape(row['reason'])}", highlight=False)
