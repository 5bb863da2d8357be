"""MLflow: one run for each fingerprint. Only this package imports mlflow, inside functions, as it takes seconds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from assay.data.files import read_json, recall, write_json
from assay.layout import Layout
from assay.lineage.fingerprint import Fingerprint, changed, fingerprint
from assay.params import Params
from assay.tracking import content, environment, view
from assay.tracking.live import LiveCurves
from assay.tracking.store import Store, be_patient, be_quick, connect, reporting, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["LiveCurves", "last_run", "track", "tracking_uri"]

POINTER = "run.json"
"""File in the scratch folder with the run last written for this workspace; no stage output has a run id."""


def track(params: Params, layout: Layout) -> dict[str, Any]:
    """Create or update the run of this workspace; returns its id, name and address.

    TrackingError if the tracking server does not answer or refuses; MissingInput before `evaluate`.
    """
    be_quick()
    mark = fingerprint(params, layout)
    record = content.collect(params, layout, mark)
    layout.scratch.mkdir(parents=True, exist_ok=True)
    with reporting(tracking_uri(layout.root)), FileLock(layout.scratch / "track.lock"):
        store = connect(layout.root, params.track.experiment, view.experiment_tags(params))
        be_patient()
        result = _write(store, record, mark, environment.noted(layout, mark), params)
    write_json(layout.scratch / POINTER, result)
    return result


def last_run(layout: Layout) -> dict[str, Any]:
    """The last return value of `track` in this workspace; empty before the first."""
    return recall(lambda: dict(read_json(layout.scratch / POINTER))) or {}


def _write(
    store: Store,
    record: content.RunContent,
    mark: Fingerprint,
    training: environment.Training | None,
    params: Params,
) -> dict[str, Any]:
    began, ended = (training.began, training.ended) if training else (None, None)
    run, is_new = store.open_run(mark.digest, record.name, {**record.tags, **content.part_tags(mark)}, began)
    before = store.run_before(run)
    what = changed(content.parts_of(before.data.tags) if before else None, mark)
    tags = {**record.tags, "assay.changed": what, "assay.before": before.info.run_id if before else ""}
    differing = store.log_params(run, record.params)
    store.log_metrics(run, record.metrics, record.curves)
    note = content.note(record, what, before.info.run_name if before else None, differing)
    store.set_tags(run, {**tags, "mlflow.note.content": note})
    store.log_inputs(run, record.datasets)
    for file, folder in record.files:
        store.log_file(run, file, folder)
    for name, text in record.texts.items():
        store.log_text(run, text, name)
    _write_environment(store, run, training.environment if training else None, params)
    # the duration of a training whose result came from a cache is unknown; that of `track` must not replace it
    store.finish(run, ended or (run.info.start_time if is_new else None))
    return {
        "run": record.name,
        "run_id": run.info.run_id,
        "new": is_new,
        "changed": what,
        "before": before.info.run_id if before else None,
        "fingerprint": mark.digest,
        "experiment": store.experiment,
        "store": store.shown,
        "url": store.url(run),
    }


def _write_environment(store: Store, run: Run, trained_in: dict[str, Any] | None, params: Params) -> None:
    """Write the environment of the training; that of this process if it is unknown (the model came from a cache)."""
    if trained_in is None and environment.TAG in run.data.tags:
        return
    found = trained_in or environment.describe(params)
    store.log_text(run, json.dumps(found, indent=2, sort_keys=True), environment.NAME)
    store.set_tags(run, environment.tags(found, "train" if trained_in else "track"))
