"""The record of an MLflow run that `assay reproduce` needs: commit, patch, dvc.lock."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import TrackingError
from assay.layout import Layout
from assay.params import Params
from assay.tracking.environment import NAME
from assay.tracking.store import Store, be_quick, connect, reporting, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities import Run

SHORTEST = 4
"""Least number of characters of a run id."""
PATCH = "dirty.patch"


@dataclass(frozen=True)
class Recorded:
    """A tracked run: commit, patch of its workspace, and dvc.lock. `files`: artifacts by name."""

    run_id: str
    name: str
    commit: str
    dirty: bool
    patch: str
    lock: str
    fingerprint: str


def recorded(name: str, params: Params, layout: Layout) -> Recorded | None:
    """The run with an id, a unique prefix of it, or a name; None if there is none.

    TrackingError: the server does not answer; several runs have the name; the run has no commit or dvc.lock.
    """
    uri = tracking_uri(layout.root)
    local = Path(uri.removeprefix("sqlite:///"))
    if len(name) < SHORTEST or (uri.startswith("sqlite:///") and not local.exists()):
        return None
    be_quick()
    with reporting(uri):
        store = connect(layout.root, params.track.experiment)
        run = _the_one(name, store)
        return None if run is None else _read(run, store)


def environment_of(run_id: str, params: Params, layout: Layout) -> dict[str, Any] | None:
    """The environment of the training of a run (`assay.tracking.environment`); None if it was not recorded."""
    be_quick()
    with tempfile.TemporaryDirectory() as folder:
        files = download(run_id, [NAME], Path(folder), params, layout)
        found: dict[str, Any] | None = json.loads(files[NAME].read_text(encoding="utf-8")) if files else None
    return found


def _the_one(name: str, store: Store) -> Run | None:
    """The run of a name. MLflow cannot search for a prefix of an id, so all runs are listed, page by page."""
    found: list[Run] = []
    token = None
    while True:
        page = store.client.search_runs([store.experiment_id], max_results=1000, page_token=token)
        found += [r for r in page if r.info.run_id.startswith(name) or r.info.run_name == name]
        token = page.token
        if not token:
            break
    exact = [run for run in found if run.info.run_id == name]
    if len(exact or found) > 1:
        listed = ", ".join(run.info.run_id[:12] for run in found[:5])
        raise TrackingError(
            f"{len(found)} runs match {name!r}: {listed}", hint="give more characters of the id"
        )
    return (exact or found)[0] if found else None


def _read(run: Run, store: Store) -> Recorded:
    tags, run_id = run.data.tags, run.info.run_id
    there = {file.path for file in store.client.list_artifacts(run_id)}
    commit = tags.get("assay.git.commit", "")
    if not commit or "dvc.lock" not in there:
        raise TrackingError(
            f"run {run.info.run_name} ({run_id[:8]}) has no recorded {'dvc.lock' if commit else 'commit'}: "
            "it cannot be rebuilt",
            hint="runs of `assay track` in a git repository have both; parent and corner runs have not",
        )
    return Recorded(
        run_id=run_id,
        name=run.info.run_name,
        commit=commit,
        dirty=tags.get("assay.git.dirty") == "true",
        patch=_text(run_id, PATCH, store) if PATCH in there and tags.get("assay.git.dirty") == "true" else "",
        lock=_text(run_id, "dvc.lock", store),
        fingerprint=tags.get("assay.fingerprint", ""),
    )


def _text(run_id: str, name: str, store: Store) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return Path(store.client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")


def download(
    run_id: str, names: Collection[str], to: Path, params: Params, layout: Layout
) -> dict[str, Path]:
    """{name: file in `to`} of the named artifacts that a run has. TrackingError if the server does not answer."""
    with reporting(tracking_uri(layout.root)):
        client = connect(layout.root, params.track.experiment).client
        there = {file.path for file in client.list_artifacts(run_id)}
        return {
            name: Path(client.download_artifacts(run_id, name, str(to))) for name in names if name in there
        }
