"""Families of MLflow runs: a parent with children, found by a key. For attributions, races, simulations and rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from assay.errors import TrackingError
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress
from assay.tracking.store import Store, be_patient, be_quick, connect, reporting, tracking_uri
from assay.tracking.view import experiment_tags

if TYPE_CHECKING:
    from mlflow.entities import Run

KEY = "assay.family"
"""Tag that identifies a parent or a child. They are not runs of the pipeline and have no `assay.fingerprint`."""
PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Node:
    """Name and content of a run of a family. `curves`: (metric, step, value)."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    curves: Sequence[tuple[str, int, float]] = ()


def log_family(
    key: str, parent: Node, children: Sequence[Node], files: Sequence[Path], params: Params, layout: Layout
) -> dict[str, str | None]:
    """Create or update a parent run with its children and files; returns its id and address.

    TrackingError if the tracking server does not answer or refuses.
    """
    be_quick()
    with reporting(tracking_uri(layout.root)), FileLock(layout.scratch / "track.lock"):
        store = connect(layout.root, params.track.experiment, experiment_tags(params))
        be_patient()
        top = _write(store, key, parent, None)
        for child in children:
            _write(store, f"{key}/{child.name}", child, top.info.run_id)
        for file in files:
            store.log_file(top, file)
        store.finish(top)
    return {"run_id": top.info.run_id, "store": store.shown, "url": store.url(top)}


def write_family(
    key: str,
    parent: Node,
    children: Sequence[Node],
    files: Sequence[Path],
    params: Params,
    layout: Layout,
    progress: Progress,
) -> dict[str, str | None] | None:
    """`log_family`. If the tracking server does not answer, a remark and None: the next call writes the same runs."""
    try:
        return log_family(key, parent, children, files, params, layout)
    except TrackingError as error:
        progress.say(
            f"not written to MLflow: {error}; call it again once the server answers: it computes nothing twice"
        )
        return None


def _write(store: Store, key: str, node: Node, parent: str | None) -> Run:
    found = store.client.search_runs([store.experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    tags = {**node.tags, KEY: key, **({PARENT: parent} if parent else {})}
    run = found[0] if found else store.client.create_run(store.experiment_id, run_name=node.name, tags=tags)
    store.log_params(run, node.params)
    store.log_metrics(run, node.metrics, node.curves)
    store.set_tags(run, tags)
    if parent:
        store.finish(run)
    return run
