"""One round, as stored in its commit message; there is no other record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.errors import RevisionError
from assay.lineage.branches import Message, messages
from assay.metrics.table import named

ROUND, STOP = "Assay-Round: ", "Assay-Stop: "
"""Prefixes of the last line of a message, which has the record as JSON."""
Estimate = dict[str, Any]
"""{"value", "low", "high", "n"}, 95 % interval."""


class RoundRecord(BaseModel):
    """Record of a round: images asked for, answers, labels, metrics."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    number: int
    asked: int
    answered: dict[str, int]
    """Answers by op."""
    open: int = 0
    """Images sent in this round without an answer; they are not used."""
    refused: int = 0
    used: str = ""
    """The strategy that chose."""
    control: dict[str, Any] = {}
    """Comparison with the random control arm of strategy `auto`, from selection.json."""
    labelled: dict[str, int]
    """Labels in each split after the round."""
    snapshot: str
    selection: str
    fingerprint: str | None = None
    metric: str
    test: Estimate | None = None
    """None: nothing to train on, or no test labels, yet."""
    difference: Estimate | None = None
    """To the last round (in the first, to the start), paired on the test images that both were measured on."""
    span: Estimate | None = None
    """Likewise to the round `plateau_rounds` before; None if there is none."""
    start: FirstState | None = None
    """The state before the first round."""
    promoted: str = ""
    """Whether the model of the last round became the champion for this one."""
    run_id: str | None = None
    seconds: float = 0.0
    """Duration of the call that ended the round, without waiting for people."""
    people_seconds: float = 0.0
    """Sum of the seconds recorded in the answers."""


class FirstState(BaseModel):
    """The state before the first round; `test` is None if no model was measured."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    commit: str
    labelled: dict[str, int] = {}
    test: Estimate | None = None


class LastRound(BaseModel):
    """The end of the rounds: the rule, its reason, and whether the last model was promoted."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    rounds: int
    rule: str
    why: str
    promoted: str = ""


RoundRecord.model_rebuild()


def history(name: str, root: Path) -> tuple[list[tuple[str, RoundRecord]], LastRound | None]:
    """(commit, record) of each round of a name among the ancestors of HEAD, oldest first; and the end, if recorded."""
    rounds: list[tuple[str, RoundRecord]] = []
    stopped: LastRound | None = None
    for message in messages("Assay-", root):
        if (found := _read(message, ROUND, RoundRecord)) is not None and found.name == name:
            rounds.append((message.commit, found))
            stopped = None
        elif (end := _read(message, STOP, LastRound)) is not None and end.name == name:
            stopped = end
    return rounds, stopped


def _read(message: Message, mark: str, model: type[Any]) -> Any:
    line = message.text.rstrip("\n").rpartition("\n")[2]
    if not line.startswith(mark):
        return None
    try:
        return model.model_validate_json(line.removeprefix(mark))
    except ValidationError as error:
        first = error.errors()[0]
        raise RevisionError(
            f"commit {message.commit[:10]}: its line {mark.strip()} cannot be read: {first['loc']}: {first['msg']}",
            hint="start rounds of another name: assay iterate NAME",
        ) from None


def round_message(record: RoundRecord) -> str:
    """Commit message: subject with the metric, body for people, last line with the record as JSON."""
    return f"{subject(record)}\n\n" + "\n".join(body(record)) + f"\n\n{ROUND}{record.model_dump_json()}\n"


def subject(record: RoundRecord) -> str:
    head = f"iterate {record.name}, round {record.number}: "
    if record.test is None:
        return f"{head}{_labels(record.answered)}; nothing to measure yet"
    metric = named(record.metric)
    told = f"{metric.title} {metric.interval(record.test)}"
    if record.difference is not None:
        told += f", {metric.change(record.difference)}"
    return head + told


def body(record: RoundRecord) -> list[str]:
    """Lines of the commit body for readers of git log."""
    splits = ", ".join(f"{split} {n:,}" for split, n in record.labelled.items())
    rows = [
        f"asked     {record.asked:,} images, chosen by {record.used}: {_labels(record.answered)}"
        + (f", {record.open:,} still open" if record.open else "")
        + (f", {record.refused:,} answers refused" if record.refused else ""),
        f"labelled  {splits}",
        f"snapshot  {record.snapshot[:12]}",
    ]
    if record.test is not None:
        rows.append(f"test      {record.test['n']:,} images, 95 % interval")
    if record.difference is not None:
        against = "the start" if record.number == 1 else f"round {record.number - 1}"
        rows.append(f"paired    with {against} on {record.difference['n']:,} images")
    if record.promoted:
        rows.append(f"champion  {record.promoted}")
    return rows


def stop_message(stopped: LastRound) -> str:
    """Message of the commit that ends the rounds: the reason, and the champion."""
    rounds = f"{stopped.rounds} round{'' if stopped.rounds == 1 else 's'}"
    champion = f"\nchampion  {stopped.promoted}\n" if stopped.promoted else ""
    return (
        f"iterate {stopped.name}: stopped after {rounds}: {stopped.rule}\n\n{stopped.why}\n{champion}\n"
        f"{STOP}{stopped.model_dump_json()}\n"
    )


def _labels(answered: dict[str, int]) -> str:
    names = {"label": "labels", "exclude": "left out"}
    return (
        ", ".join(f"{n:,} {names.get(op, op)}" for op, n in sorted(answered.items(), reverse=True))
        or "no answers"
    )


def spent(rounds: Sequence[RoundRecord]) -> int:
    """Number of answers in all rounds."""
    return sum(sum(record.answered.values()) for record in rounds)
