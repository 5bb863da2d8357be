"""An MLflow store with explicit run ids: no fluent state, short timeouts, errors as TrackingError."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from assay.errors import TrackingError
from assay.tracking.view import run_link, to_bring_up_to_date

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINGERPRINT = "assay.fingerprint"
BATCH = 100
"""Most params or tags in a request of MLflow."""
METRICS = 500
Point = tuple[str, int, float]
"""(metric, step, value)"""


@dataclass(frozen=True)
class Dataset:
    """A dataset input of a run. MLflow keeps 36 characters of `digest`; profile and tag have all 64."""

    name: str
    context: str
    digest: str
    source: str
    columns: Sequence[tuple[str, str]]
    profile: Mapping[str, Any]


@dataclass(frozen=True)
class Store:
    """One experiment of an MLflow store."""

    client: MlflowClient
    experiment: str
    experiment_id: str
    uri: str

    @property
    def shown(self) -> str:
        return redacted(self.uri)

    def url(self, run: Run) -> str | None:
        """Address of a run; None for a local store, as its server may run at any address."""
        if not self.uri.startswith("http"):
            return None
        return run_link(self.shown, self.experiment_id, run.info.run_id)

    def open_run(
        self, digest: str, name: str, tags: Mapping[str, str], began: int | None = None
    ) -> tuple[Run, bool]:
        """The run with a fingerprint, and whether it was created now, with start `began` (ms since the epoch) or now.

        If two processes create it at once, both keep the oldest.
        """
        if run := self.find(digest):
            return run, False
        created = self.client.create_run(
            self.experiment_id, start_time=began, run_name=name, tags={**tags, FINGERPRINT: digest}
        )
        return self.find(digest) or created, True

    def find(self, digest: str) -> Run | None:
        """The oldest run with a fingerprint; younger ones are deleted."""
        runs = self.client.search_runs([self.experiment_id], f"tags.`{FINGERPRINT}` = '{digest}'")
        if not runs:
            return None
        oldest, *twins = sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
        for twin in twins:
            self.client.delete_run(twin.info.run_id)
        return oldest

    def run_before(self, run: Run) -> Run | None:
        """The last finished run with another fingerprint that started before this one."""
        digest, start = run.data.tags[FINGERPRINT], run.info.start_time
        query = (
            f"tags.`{FINGERPRINT}` != '{digest}' and attributes.status = 'FINISHED' "
            f"and attributes.start_time < {start}"
        )
        order = ["attributes.start_time DESC"]
        found = self.client.search_runs([self.experiment_id], query, max_results=1, order_by=order)
        return found[0] if found else None

    def log_params(self, run: Run, params: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Write the params that the run lacks. Returns those with another value: {name: (recorded, now)}.

        MLflow does not overwrite params. Params that differ have no effect on the result: the others are in the
        fingerprint.
        """
        from mlflow.entities import Param

        there = run.data.params
        new = [Param(key, value) for key, value in params.items() if key not in there]
        for chunk in _chunks(new, BATCH):
            self.client.log_batch(run.info.run_id, params=chunk)
        return {k: (there[k], v) for k, v in params.items() if k in there and there[k] != v}

    def set_tags(self, run: Run, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        for chunk in _chunks([RunTag(key, value) for key, value in tags.items()], BATCH):
            self.client.log_batch(run.info.run_id, tags=chunk)

    def log_metrics(self, run: Run, metrics: Mapping[str, float], curves: Iterable[Point] = ()) -> None:
        """Write the metrics and the points of curves that the run lacks."""
        there = run.data.metrics
        new = [(key, 0, value) for key, value in metrics.items() if there.get(key) != value]
        self._log(run, [*new, *self.missing(run, curves)])

    def log_points(self, run: Run, points: Iterable[Point]) -> None:
        self._log(run, points)

    def missing(self, run: Run, points: Iterable[Point]) -> list[Point]:
        """The points that the run lacks."""
        points = list(points)
        there = {
            (metric.key, metric.step, metric.value)
            for key in {point[0] for point in points} & set(run.data.metrics)
            for metric in self.client.get_metric_history(run.info.run_id, key)
        }
        return [point for point in points if point not in there]

    def _log(self, run: Run, points: Iterable[Point]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(key, value, now(), step) for key, step, value in points]
        for chunk in _chunks(metrics, METRICS):
            self.client.log_batch(run.info.run_id, metrics=chunk)

    def log_inputs(self, run: Run, datasets: Iterable[Dataset]) -> None:
        """Write dataset inputs; idempotent, as MLflow identifies a dataset by name and digest."""
        self.client.log_inputs(run.info.run_id, [_input(dataset) for dataset in datasets])

    def log_file(self, run: Run, file: Path, folder: str | None = None) -> None:
        self.client.log_artifact(run.info.run_id, str(file), folder)

    def log_text(self, run: Run, text: str, name: str) -> None:
        self.client.log_text(run.info.run_id, text, name)

    def finish(self, run: Run, ended: int | None = None) -> None:
        """End a run at `ended` (ms since the epoch) or now; a run that has ended keeps its time."""
        if run.info.status == "FINISHED":
            ended = run.info.end_time
        self.client.set_terminated(run.info.run_id, "FINISHED", end_time=ended)

    def fail(self, run: Run) -> None:
        if run.info.status == "RUNNING":
            self.client.set_terminated(run.info.run_id, "FAILED")


def now() -> int:
    """Present time in ms since the epoch, the unit of MLflow."""
    return int(time.time() * 1000)


def tracking_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file of the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve() / 'mlflow.db'}"


def redacted(uri: str) -> str:
    """A URI without user and password."""
    return re.sub(r"//[^/@]+@", "//", uri)


def be_quick() -> None:
    """Set short timeouts (MLflow's default is 7 retries of 120 s); switch output and telemetry off."""
    for key, value in {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }.items():
        os.environ.setdefault(key, value)


def be_patient() -> None:
    """Set long timeouts for large artifacts, once the server has answered."""
    if os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") == "5":
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "120"


DRIVERS = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""{module: package}"""


@contextmanager
def reporting(uri: str) -> Iterator[None]:
    """Context that turns errors of the store into TrackingError."""
    try:
        yield
    except ModuleNotFoundError as error:
        driver = str(error.name).partition(".")[0]
        raise TrackingError(
            f"the tracking server at {redacted(uri)} needs the package {driver!r}, which is not installed",
            hint=f"pip install {DRIVERS.get(driver, driver)}; then `assay track` writes the run",
        ) from error
    except Exception as error:
        if not isinstance(error, _foreign()):
            raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise TrackingError(
            f"the tracking server at {redacted(uri)} does not answer or refuses: {redacted(first)}",
            hint="every result is in outputs/; once the server answers, `assay track` writes the run",
        ) from error


def _foreign() -> tuple[type[Exception], ...]:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, RequestException, SQLAlchemyError, OSError)


def connect(root: Path, experiment: str, tags: Mapping[str, str] | None = None) -> Store:
    """The store with the experiment; both are created if missing."""
    uri = tracking_uri(root)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if local := sqlite(uri):
        create_sqlite(local)
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    if found is not None:
        for key, value in to_bring_up_to_date(found.tags, tags or {}).items():
            client.set_experiment_tag(found.experiment_id, key, value)
        return Store(client, experiment, found.experiment_id, uri)
    place = (local.parent / "mlruns").as_uri() if local else None
    return Store(client, experiment, _create(client, experiment, place, dict(tags or {})), uri)


def _create(client: MlflowClient, name: str, place: str | None, tags: dict[str, str]) -> str:
    """Id of a new experiment, or of the one that another process has just created."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_location=place, tags=tags))
    except MlflowException:
        if (other := client.get_experiment_by_name(name)) is None:
            raise
        return str(other.experiment_id)


def create_sqlite(path: Path) -> None:
    """Create an MLflow database under a temporary name and rename it, so that a kill leaves no incomplete schema."""
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with FileLock(f"{path}.lock"):
        if path.exists():
            return
        aside = path.with_name(f"{path.name}.tmp")
        aside.unlink(missing_ok=True)
        make: Any = SqlAlchemyStore
        store = make(f"sqlite:///{aside}", (path.parent / "mlruns").as_uri())
        store.engine.dispose()
        aside.replace(path)


def sqlite(uri: str) -> Path | None:
    """The file of a SQLite URI; None for other stores."""
    plain = uri.startswith("sqlite:///") and "?" not in uri
    return Path(uri.removeprefix("sqlite:///")).resolve() if plain else None


def _input(dataset: Dataset) -> Any:
    from mlflow.entities import Dataset as Entity
    from mlflow.entities import DatasetInput, InputTag

    schema = {"mlflow_colspec": [{"name": n, "type": t, "required": True} for n, t in dataset.columns]}
    entity = Entity(
        name=dataset.name,
        digest=dataset.digest[:36],
        source_type="local",
        source=json.dumps({"uri": dataset.source, "digest": dataset.digest}),
        schema=json.dumps(schema),
        profile=json.dumps({"digest": dataset.digest, **dataset.profile}),
    )
    tags = [InputTag("mlflow.data.context", dataset.context), InputTag("assay.digest", dataset.digest)]
    return DatasetInput(entity, tags)


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    return (list(items[i : i + size]) for i in range(0, len(items), size))
