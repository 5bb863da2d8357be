"""Live curves during training, written by a separate thread that cannot delay or fail the training."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any

from filelock import FileLock

from assay.layout import Layout
from assay.lineage.fingerprint import fingerprint
from assay.params import Params
from assay.progress import Progress, silent
from assay.tracking.content import part_tags, row_points, run_name
from assay.tracking.store import Point, be_quick, connect, now, reporting, tracking_uri
from assay.tracking.view import experiment_tags

PATIENCE = 10.0
"""Most seconds that the end of a training waits for the last points; `assay track` writes missing ones."""


class LiveCurves:
    """Context of a training: epochs passed to `on_epoch` are written to MLflow.

    If the tracking server does not answer, one remark is printed; the history is in outputs/ as well.
    """

    def __init__(self, params: Params, layout: Layout, progress: Progress = silent) -> None:
        self._params, self._layout, self._progress = params, layout, progress
        self._rows: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._failed = False
        self.began: int | None = None
        self.ended: int | None = None
        """End of the training, when the context is left, in ms since the epoch."""
        self._thread = Thread(target=self._work, name="live-curves", daemon=True)

    def __enter__(self) -> LiveCurves:
        be_quick()
        import_module("requests")  # it mutes a warning; in the thread, torch's catch_warnings may undo that
        self.began = now()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._failed, self.ended = kind is not None, now()
        self._rows.put(None)
        self._thread.join(PATIENCE)

    def on_epoch(self, row: Mapping[str, Any]) -> None:
        """Queue one epoch, a row of history.csv. Returns at once, never raises."""
        if self._thread.is_alive():
            self._rows.put(dict(row))

    def _work(self) -> None:
        try:
            with reporting(tracking_uri(self._layout.root)):
                self._write()
        except Exception as error:
            self._progress.say(f"no live curves: {error}")
            self._progress.say("training goes on; `assay track` writes the run once the server answers")

    def _write(self) -> None:
        mark = fingerprint(self._params, self._layout)
        tags = {"mlflow.source.name": "dvc.yaml", **part_tags(mark)}
        self._layout.scratch.mkdir(parents=True, exist_ok=True)
        with FileLock(self._layout.scratch / "track.lock"):
            kind = experiment_tags(self._params)
            store = connect(self._layout.root, self._params.track.experiment, kind)
            run, is_new = store.open_run(mark.digest, run_name(self._params, mark), tags, self.began)
        while (points := self._next()) is not None:
            store.log_points(run, points if is_new else store.missing(run, points))
        if self._failed:
            store.fail(run)

    def _next(self) -> list[Point] | None:
        """Points of the queued epochs; blocks until there is one. None after the last."""
        rows = [self._rows.get()]
        while True:
            try:
                rows.append(self._rows.get_nowait())
            except Empty:
                break
        if rows[-1] is None:
            self._rows.put(None)
        points = [point for row in rows if row is not None for point in row_points(row)]
        return points if points or rows[0] is not None else None
