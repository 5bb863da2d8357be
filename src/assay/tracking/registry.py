"""The champion in MLflow's model registry: one version for each model, with the alias `champion`, ready to be served.

The model is exported as `pt2` (torch.export): graph and weights, without code of assay and without pickle. What goes
in and comes out is in `assay.tracking.exported`.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from assay.data.champion import MODEL, Champion, champion_model
from assay.errors import AssayError
from assay.layout import Layout
from assay.params import Params
from assay.tracking.store import (
    FINGERPRINT,
    Store,
    be_patient,
    be_quick,
    connect,
    reporting,
    sqlite,
    tracking_uri,
)
from assay.tracking.view import CHAMPION, experiment_tags, since

if TYPE_CHECKING:
    from mlflow.entities import Run

ALIAS = "champion"
DEFAULT = "MLFLOW_TRACKING_URI"
SHA = "assay.model_sha256"


def register(champion: Champion, params: Params, layout: Layout) -> dict[str, Any]:
    """Register the champion, if it is not, and set the alias: {"model", "version", "new"}.

    On failure {"trouble": reason}; the promotion does not fail.
    """
    uri = tracking_uri(layout.root)
    if (local := sqlite(uri)) and not local.exists():
        return {"trouble": "no run of it is in MLflow yet: `dvc repro` tracks it"}
    be_quick()
    try:
        with reporting(uri), FileLock(layout.scratch / "track.lock"):
            store = connect(layout.root, params.track.experiment, experiment_tags(params))
            be_patient()
            if (run := store.find(champion.fingerprint)) is None:
                return {"trouble": "no run of it is in MLflow yet: `dvc repro` tracks it"}
            return _register(store, run, champion, champion_model(layout.champion, champion))
    except AssayError as error:
        return {"trouble": str(error)}


def _register(store: Store, run: Run, champion: Champion, folder: Path) -> dict[str, Any]:
    name, client = model_name(store.experiment), store.client
    _make_model(store, name)
    version = next((v for v in client.search_model_versions(f"name = '{name}'") if _is_it(v, champion)), None)
    is_new = version is None
    if version is None:
        tags = {FINGERPRINT: champion.fingerprint, SHA: champion.model_sha256}
        model_id = _log_model(store, run, name, folder)
        with _the_default(store.uri):
            source = f"models:/{model_id}"
            version = client.create_model_version(name, source, run.info.run_id, tags, model_id=model_id)
    client.set_registered_model_alias(name, ALIAS, version.version)
    tag_champion(store, run, champion)
    return {"model": name, "version": version.version, "new": is_new}


@contextmanager
def _the_default(uri: str) -> Iterator[None]:
    """Context with `uri` as MLflow's default store, where a registry resolves `models:/<id>`."""
    before = os.environ.get(DEFAULT)
    os.environ[DEFAULT] = uri
    try:
        yield
    finally:
        del os.environ[DEFAULT]
        if before is not None:
            os.environ[DEFAULT] = before


def model_name(experiment: str) -> str:
    """Name of the registered model: that of the experiment, without characters that MLflow refuses."""
    return re.sub(r"[/:]", "-", experiment)


def _is_it(version: Any, champion: Champion) -> bool:
    held = (version.tags.get(FINGERPRINT), version.tags.get(SHA))
    return bool(held == (champion.fingerprint, champion.model_sha256) and version.status == "READY")


def _make_model(store: Store, name: str) -> None:
    from mlflow.exceptions import MlflowException

    about = "What `assay promote` made the champion; the alias `champion` is the present one."
    try:
        store.client.create_registered_model(name, description=about)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def tag_champion(store: Store, run: Run, champion: Champion) -> None:
    """Tag the run of the champion with its date, and the previous one with its end: a column of the runs table."""
    day = champion.promoted_at[:10]
    before = store.client.search_runs([store.experiment_id], f"tags.`{CHAMPION}` LIKE 'since%'")
    for one in before:
        if one.info.run_id != run.info.run_id:
            store.set_tags(one, {CHAMPION: f"until {day}"})
    store.set_tags(run, {CHAMPION: since(champion)})


def _log_model(store: Store, run: Run, name: str, folder: Path) -> str:
    """Export a model folder and upload it; its id. A failed export creates no version."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    from assay.tracking.exported import export

    client = store.client
    made = client.create_logged_model(store.experiment_id, name, run.info.run_id)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            export(folder, Path(scratch) / MODEL, Model(run_id=run.info.run_id, model_id=made.model_id))
            client.log_model_artifacts(made.model_id, str(Path(scratch) / MODEL))
    except BaseException:
        client.finalize_logged_model(made.model_id, "FAILED")
        raise
    client.finalize_logged_model(made.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(made.model_id, step=0)])
    return str(made.model_id)
