"""The comparison with the previous run, attached to a run. It never makes `track` fail, and takes at most PATIENCE."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from assay.data.files import read_json
from assay.errors import TrackingError
from assay.layout import Layout
from assay.lineage.process import environment
from assay.params import Params
from assay.progress import Progress
from assay.tracking.store import Store, connect, reporting, tracking_uri

FOLDER = "diff"
"""Folder of the artifacts diff.html and diff.json."""
TAG, VERDICT = "assay.diff", "assay.verdict"
"""Tags: id of the previous run, and the comparison in one line."""
PATIENCE = 120.0
"""Time limit of the comparison in seconds; an idle machine needs ten."""


def attach(result: dict[str, Any], params: Params, layout: Layout, progress: Progress) -> str | None:
    """Compare a tracked run (return value of `track`) with the previous one; the verdict, None without one.

    Once for each pair of runs. A failure gives one remark.
    """
    before, run = result["before"], result["run_id"]
    if not before or result["changed"] == "nothing":
        return None
    try:
        with reporting(tracking_uri(layout.root)), tempfile.TemporaryDirectory() as folder:
            store = connect(layout.root, params.track.experiment)
            tags = store.client.get_run(run).data.tags
            if tags.get(TAG) == before:
                return tags.get(VERDICT)
            if trouble := _compare(before, run, Path(folder), layout):
                progress.say(f"not compared with the previous run, {before[:8]}: {trouble}")
                return None
            return _write(store, run, before, Path(folder))
    except TrackingError as error:
        progress.say(f"not compared with the previous run: {error}")
        return None


def _compare(before: str, run: str, folder: Path, layout: Layout) -> str | None:
    """Write the files; None, or the reason of the failure."""
    command = [sys.executable, "-m", "assay.commands.attach_diff", before, run, str(folder)]
    with subprocess.Popen(
        command,
        cwd=layout.root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return f"the comparison takes more than {PATIENCE:.0f} s; `assay diff {before[:8]}` has no time limit"
        finally:
            _end(process)
    if process.returncode:
        return (said.strip().splitlines() or ["it ended without output"])[-1][:300]
    return None


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write(store: Store, run: str, before: str, folder: Path) -> str:
    """Upload the files, then set the tags that refer to them."""
    for name in ("diff.json", "diff.html"):
        store.client.log_artifact(run, str(folder / name), FOLDER)
    verdict = str(read_json(folder / "diff.json")["verdict"])
    store.client.set_tag(run, VERDICT, verdict[:4900])
    store.client.set_tag(run, TAG, before)
    return verdict
