"""Track: create or update the run of this workspace in MLflow. One run for each fingerprint.

Its output is the fingerprint only: with a run id, equal results would differ. It is not cached, so that a fresh clone,
which has dvc.lock but not the run, tracks it. If the tracking server does not answer, the stage fails, so that DVC and
Prefect run it again; all results are in outputs/ by then.

With `track.diff`, the comparison with the previous run is attached as artifacts, if it can be computed quickly.
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
    """Write outputs/, snapshot and selection to MLflow. TrackingError if the server does not answer."""
    result = track(params, layout)
    write_json(layout.outputs / "tracked.json", {"fingerprint": result["fingerprint"]})
    verdict = attach(result, params, layout, progress) if params.track.diff else None
    return result | {"verdict": verdict} if verdict else result


def render(result: dict[str, Any], console: Any) -> None:
    """Print the run and its address."""
    done = "created" if result["new"] else "updated"
    where = result["url"] or result["store"]
    console.print(
        f"MLflow run [bold]{result['run']}[/]: {done}, changed: [bold]{result['changed']}[/] ({where})",
        highlight=False,
        soft_wrap=True,
    )
    if verdict := result.get("verdict"):
        console.print(verdict, highlight=False, markup=False, soft_wrap=True)
