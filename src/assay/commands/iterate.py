"""`assay iterate`: rounds of ingest, embed, curate, select, annotate, train, evaluate, track and promote.

Each round is a commit on a branch of its own. All state is in git, DVC and the ledger: results in DVC's cache, images
sent and answered in data/ledger/ and data/edits/, finished rounds in the commits. A call after a kill, or after people
have answered, resumes the round.

The champion changes at the beginning of a round, before `select`. The champion, the queue and the comparison in a
commit therefore belong together, and each commit can be reproduced. The last model is promoted by the closing commit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.commands import annotate, promote
from assay.commands.queue import open_queue
from assay.data.files import read_json
from assay.data.holding import holding
from assay.data.ledger import Batch
from assay.errors import PromotionRefused
from assay.layout import Layout
from assay.lineage import branches
from assay.lineage.revisions import DvcError, stages
from assay.params import Params
from assay.params.bounds import with_changes
from assay.progress import Progress, silent
from assay.rounds import place, stopping
from assay.rounds.outcome import describe, open_of, remember
from assay.rounds.record import LastRound, round_message, spent, stop_message
from assay.rounds.stages import DvcRunner, Runner
from assay.rounds.stopping import NOTHING_LEFT, StoppingReason
from assay.rounds.waiting import due, goes_on, so_far
from assay.rounds.wording import render, report, tell
from assay.rounds.work import RoundWork

__all__ = ["WAITING", "render", "run"]

WAITING = 4
"""Exit code while images wait for people."""
NOT_FIT = 3
"""Exit code of a stage without labels to train on or to measure with."""


def run(
    params: Params,
    layout: Layout,
    name: str | None = None,
    changed: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    runner: Runner | None = None,
) -> dict[str, Any]:
    """Run rounds until a rule ends them or images wait for people; the result so far.

    `changed`: overrides of params.iterate; None: no override.
    """
    rules = with_changes(params.iterate, "iterate", changed or {})
    with holding(layout.scratch, "rounds", wait=0):
        name = place.enter(name, layout)
        work = RoundWork(name, rules, params, layout, runner or DvcRunner(layout.root, progress), progress)
        work.look()
        before = len(work.done)
        while (stop := stopping.reason(work.records, rules)) is None:
            progress.say(f"round {len(work.done) + 1}")
            outcome = one_round(work)
            work.look()
            if isinstance(outcome, StoppingReason):
                stop = outcome
                break
            if outcome is not None:
                return tell(work, len(work.done) - before, waiting=outcome)
            report(work)
        if work.stopped is None and work.done:
            close(work, stop)
        return tell(work, len(work.done) - before, stop=stop)


def waiting(params: Params, layout: Layout, changed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Whether a round that waits for answers can go on (`ready`), by those given so far. Writes nothing.

    `sent` and `open`: numbers of images of the last batch. `changed`: as in `run`.
    """
    rules = with_changes(params.iterate, "iterate", changed or {})
    work = annotate.open_round(params, layout)
    if not work.sent:
        return {"sent": 0, "open": 0, "ready": True, "so_far": "nothing was sent"}
    batch = work.sent[-1]
    left = annotate.still_open(work, batch)
    about = {"sent": len(batch.rows), "open": left, "so_far": so_far(batch, left, rules)}
    return {**about, "ready": goes_on(batch, left, rules)}


# --- one round


def one_round(work: RoundWork) -> dict[str, Any] | StoppingReason | None:
    """Run one round. None: done and committed. A dict: images wait for people. StoppingReason: the queue is empty."""
    begun, layout = time.monotonic(), work.layout
    ledger = annotate.open_round(work.params, layout, work.progress)
    promoted = ""
    if (batch := sent_in_this_round(work, ledger)) is None:
        promoted = promote_unless_worse(work)
        work.runner.stages(until("select", layout.root))
        queue = annotate.not_out(ledger, open_queue(layout, work.params.select.overlap)[0]).slice(
            0, left_to_spend(work)
        )
        if not len(queue):
            return StoppingReason(NOTHING_LEFT, "every image is labelled, excluded, or waits for an answer")
        batch = work.runner.act("send", lambda: annotate.send(ledger, queue))
    told = work.runner.act("annotate", lambda: take_in(ledger))
    still_open = open_of(batch, work)
    if told["waits"] and not goes_on(batch, still_open, work.rules):
        end = due(batch, work.rules)
        about = {"sent": len(batch.rows), "name": batch.name, "due": end and end.isoformat()}
        return {**told, "open": still_open, **about, "so_far": so_far(batch, still_open, work.rules)}
    trained = learn(work)
    record = describe(work, batch, len(told["refused"]), promoted or crowned(work), trained, begun)
    commit(work, round_message(record))
    return None


def commit(work: RoundWork, message: str) -> None:
    """Commit all files of the round."""
    root = work.layout.root
    made = work.runner.act("commit", lambda: branches.commit_paths(place.OWNED, message, root))
    remember(made, work.layout)


def until(stage: str, root: Path) -> list[str]:
    names = stages(root)
    return names[: names.index(stage) + 1]


def sent_in_this_round(work: RoundWork, ledger: annotate.AnnotatorLedger) -> Batch | None:
    """The batch sent since the last round, by this command or by `assay annotate`."""
    known = branches.files_at(work.last, "data/ledger", work.layout.root)
    new = [batch for batch in ledger.sent if f"{batch.name}.jsonl" not in known]
    return new[-1] if new else None


def left_to_spend(work: RoundWork) -> int | None:
    return None if work.rules.budget is None else max(0, work.rules.budget - spent(work.records))


def take_in(ledger: annotate.AnnotatorLedger) -> dict[str, Any]:
    where = annotate.hand_over(ledger)
    return {**annotate.collect(ledger), "where": where}


def learn(work: RoundWork) -> bool:
    """Run the stages after the answers; False if there are no labels to train on or to measure with yet."""
    try:
        work.runner.stages(stages(work.layout.root))
    except DvcError as error:
        counts = read_json(work.layout.snapshot / "snapshot.json", made_by="curate")["counts"]["labelled"]
        if error.status != NOT_FIT or (counts.get("train") and counts.get("test")):
            raise
        work.progress.say("not trained: there are no labels to train on, or to measure with, yet")
        return False
    return True


# --- the champion


def promote_unless_worse(work: RoundWork) -> str:
    """Promote the model of the last round, unless it is significantly worse or was promoted already."""
    if not work.rules.promote or not work.done or work.records[-1].test is None:
        return ""
    if "data/champion/champion.json" in branches.uncommitted(work.layout.root):
        return crowned(work)
    try:
        work.runner.act("promote", lambda: promote.run(work.params, work.layout, why=f"iterate {work.name}"))
    except PromotionRefused as refused:
        work.progress.say(f"not promoted: {refused}")
        return f"not promoted: {refused}"
    return crowned(work)


def crowned(work: RoundWork) -> str:
    """Whether the champion changed since the last commit, as text."""
    if "data/champion/champion.json" not in branches.uncommitted(work.layout.root):
        return ""
    held = read_json(work.layout.champion / "champion.json")["champion"]
    return f"{held['fingerprint'][:12]}, promoted" if held else "none"


def close(work: RoundWork, stop: StoppingReason) -> None:
    """Make the closing commit: the reason of the end, and the promotion of the last model with the new queue."""
    promoted = promote_unless_worse(work)
    if crowned(work):
        work.runner.stages(stages(work.layout.root))
        work.runner.act("register", lambda: promote.register(work.params, work.layout))
    stopped = LastRound(
        name=work.name, rounds=len(work.done), rule=stop.rule, why=stop.why, promoted=promoted
    )
    commit(work, stop_message(stopped))
    work.look()
    report(work)
