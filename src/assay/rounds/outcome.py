"""The record of a round, from the workspace before it is committed."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from typing import Any

from assay.data import ledger
from assay.data.edits import ANSWERS, batch_files, judges, read_batch, read_batches
from assay.data.files import read_json, read_table
from assay.data.ledger import Batch
from assay.errors import RevisionError
from assay.layout import Layout
from assay.lineage import branches
from assay.lineage.revisions import checkout_dir
from assay.lineage.revisions import remember as keep
from assay.rounds.measured import PREDICTIONS, SELECTION, ModelPair, predicted_at, predicted_here
from assay.rounds.record import FirstState, RoundRecord
from assay.rounds.stopping import control
from assay.rounds.work import RoundWork

METRICS = "outputs/metrics.json"


def describe(
    work: RoundWork, batch: Batch, refused: int, promoted: str, trained: bool, begun: float
) -> RoundRecord:
    """The record of the present round. `begun`: time.monotonic() at its start."""
    layout = work.layout
    snapshot = read_json(layout.snapshot / "snapshot.json", made_by="curate")
    selection = read_json(layout.selection / "selection.json", made_by="select")
    return RoundRecord(
        name=work.name,
        number=len(work.done) + 1,
        asked=len(batch.rows),
        **new_answers(work),
        open=open_of(batch, work),
        refused=refused,
        used=", ".join(sorted({row.strategy for row in batch.rows})),
        control=control(selection),
        labelled=snapshot["counts"]["labelled"],
        snapshot=snapshot["digest"],
        selection=selection["digest"],
        metric=work.params.track.primary,
        promoted=promoted,
        **(measured(work) if trained else {}),
        seconds=round(time.monotonic() - begun, 1),
    )


def open_of(batch: Batch, work: RoundWork) -> int:
    """Number of open images of a batch."""
    return len(ledger.open_ids(batch, judges(read_batches(work.layout.edits))))


def new_answers(work: RoundWork) -> dict[str, Any]:
    """Judgements since the last round: counts by op, and the sum of their recorded seconds."""
    known = branches.files_at(work.last, "data/edits", work.layout.root)
    files = [file for file in batch_files(work.layout.edits) if file.name not in known]
    new = [j for file in files for j in read_batch(file) if j.op in ANSWERS]
    seconds = sum(judgement.seconds or 0.0 for judgement in new)
    return {"answered": dict(Counter(j.op for j in new)), "people_seconds": round(seconds, 1)}


def measured(work: RoundWork) -> dict[str, Any]:
    """The metric on test, and paired differences to the last round and to the one that the plateau rule compares."""
    from assay.tracking import last_run

    layout, params, metric = work.layout, work.params, work.params.track.primary
    run = last_run(layout)
    found: dict[str, Any] = {
        "test": read_json(layout.outputs / "metrics.json", made_by="evaluate")["test"][metric],
        "fingerprint": run.get("fingerprint"),
        "run_id": run.get("run_id"),
    }
    commits = [work.begin, *(commit for commit, _ in work.done)]
    new = predicted_here(layout, params.task)
    for key, back in (("difference", 1), ("span", work.rules.plateau_rounds)):
        if back <= len(commits) and (old := predicted_at(commits[-back], layout, params.task)) is not None:
            found[key] = ModelPair(new, old).difference(metric, layout, params)
    if not work.done:
        found["start"] = start(commits[0], metric, layout)
    return found


def start(commit: str, metric: str, layout: Layout) -> FirstState:
    """The state before the first round, with its metric if it was recorded."""
    try:
        test = read_json(checkout_dir(commit, METRICS, layout.root))["test"].get(metric)
        rows = read_table(checkout_dir(commit, SELECTION, layout.root) / "train.parquet", ["split"])
    except RevisionError:
        return FirstState(commit=commit)
    labelled = dict(Counter(rows["split"].to_pylist()))
    return FirstState(commit=commit, labelled={**labelled, "test": test["n"] if test else 0}, test=test)


def remember(commit: str, layout: Layout) -> None:
    """Copy the files that the next round is compared with to .assay/, so that DVC need not fetch them."""
    for path in (PREDICTIONS, SELECTION):
        with suppress(RevisionError, OSError):  # nothing trained yet, or the disk is full: DVC has the files
            keep(commit, path, layout.root)
