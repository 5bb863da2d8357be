"""What happened, as runs of MLflow: one run per fingerprint. The only place that imports mlflow.

mlflow takes seconds to import: it is imported where it is called.
"""

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
"""In the scratch folder: which run the workspace was last written to. No output of a stage holds it."""


def track(params: Params, layout: Layout) -> dict[str, Any]:
    """Write the run of this workspace, or bring it up to date; which run it is.

    TrackingError if the tracking server is away or refuses; MissingInput before `evaluate`.
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
    """What `track` returned the last time in this workspace; empty before."""
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
    # of a model from a cache nobody knows how long it took: the time of `track` would be taken for it
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
    """That of the training; ours, if nobody knows where the model was trained: it came from a cache."""
    if trained_in is None and environment.TAG in run.data.tags:
        return
    found = trained_in or environment.describe(params)
    store.log_text(run, json.dumps(found, indent=2, sort_keys=True), environment.NAME)
    store.set_tags(run, environment.tags(found, "train" if trained_in else "track"))
