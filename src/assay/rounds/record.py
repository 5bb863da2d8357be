"""One round, as the message of its commit holds it. What is not there is not known: there is no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.errors import RevisionError
from assay.lineage.branches import Message, messages
from assay.metrics.table import named

ROUND, STOP = "Assay-Round: ", "Assay-Stop: "
"""The last line of a message: the same again, for programs."""
Estimate = dict[str, Any]
"""{"value", "low", "high", "n"}, 95 % interval."""


class RoundRecord(BaseModel):
    """What a round did, and what its model is worth on test."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    number: int
    asked: int
    answered: dict[str, int]
    """Answers by op."""
    open: int = 0
    """Images sent in this round that nobody has answered; they stay out."""
    refused: int = 0
    used: str = ""
    """The strategy that chose."""
    control: dict[str, Any] = {}
    """What strategy `auto` says of its random control arm, as selection.json has it."""
    labelled: dict[str, int]
    """Labels in each split after the round."""
    snapshot: str
    selection: str
    fingerprint: str | None = None
    metric: str
    test: Estimate | None = None
    """None: there was nothing to train on, or nothing to measure with, yet."""
    difference: Estimate | None = None
    """To the round before (to the start, in the first), paired on the test images that both were measured on."""
    span: Estimate | None = None
    """Likewise to the round `plateau_rounds` before; None where there is none."""
    start: Start | None = None
    """The state that the first round began with."""
    promoted: str = ""
    """Whether the model of the round before became the champion that chose in this one."""
    run_id: str | None = None
    seconds: float = 0.0
    """Of the call that ended the round, waiting for people left out."""
    people_seconds: float = 0.0
    """What the answers say that they took."""


class Start(BaseModel):
    """What was there before the first round; `test` is None if no model was measured."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    commit: str
    labelled: dict[str, int] = {}
    test: Estimate | None = None


class Stopped(BaseModel):
    """The end of the rounds: which rule, in words, and what became of the last model."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    rounds: int
    rule: str
    why: str
    promoted: str = ""


RoundRecord.model_rebuild()


def history(name: str, root: Path) -> tuple[list[tuple[str, RoundRecord]], Stopped | None]:
    """(commit, round) of each round of a name that leads to HEAD, oldest first; and how they ended, if they did."""
    rounds: list[tuple[str, RoundRecord]] = []
    stopped: Stopped | None = None
    for message in messages("Assay-", root):
        if (found := _read(message, ROUND, RoundRecord)) is not None and found.name == name:
            rounds.append((message.commit, found))
            stopped = None
        elif (end := _read(message, STOP, Stopped)) is not None and end.name == name:
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
    """Subject: the number that matters. Body: what was done. Last line: all of it, for programs."""
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
    """What a reader of git log wants to know."""
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


def stop_message(stopped: Stopped) -> str:
    """The commit that closes the rounds: why, and the champion that came of it."""
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
    """Answers that the rounds have cost."""
    return sum(sum(record.answered.values()) for record in rounds)
