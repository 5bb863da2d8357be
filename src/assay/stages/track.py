"""track: the run of this workspace in MLflow, written or brought up to date. One run per fingerprint.

Its output is the fingerprint and nothing else: a run id would make equal results look different. It is not cached, so
that a fresh clone, which has the lock file but not the run, tracks it. If the tracking server is away the stage fails,
so that DVC and Prefect know it is still to be done; all results are in outputs/ by then.

With `track.diff` the run gets what changed since the run before as artifacts, where that one can be opened quickly.
"""

from __future__ import annotations

from typing import Any

from assay.data.files import write_json
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress
from assay.tracking import track
from assay.tracking.attached import attach


def run(params: Params, layout: Layout, progress: Progress) -> dict[str, Any]:
    """outputs/, snapshot, selection -> MLflow. TrackingError if the server is away."""
    result = track(params, layout)
    write_json(layout.outputs / "tracked.json", {"fingerprint": result["fingerprint"]})
    verdict = attach(result, params, layout, progress) if params.track.diff else None
    return result | {"verdict": verdict} if verdict else result


def render(result: dict[str, Any], console: Any) -> None:
    """Which run it is, and where."""
    done = "a new run" if result["new"] else "brought up to date"
    where = result["url"] or result["store"]
    console.print(
        f"MLflow run [bold]{result['run']}[/]: {done}, changed: [bold]{result['changed']}[/] ({where})",
        highlight=False,
        soft_wrap=True,
    )
    if verdict := result.get("verdict"):
        console.print(verdict, highlight=False, markup=False, soft_wrap=True)
