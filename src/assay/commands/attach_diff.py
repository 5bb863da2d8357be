"""A program: what a run changed since another, as files of bounded size. `assay track` starts it, and may stop it.

python -m assay.commands.attach_diff BEFORE RUN FOLDER     two run ids; RUN is that of the workspace

A process of its own, so that whatever becomes of it (a remote that does not answer, a page too large) is not the
tracking's trouble.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

from assay.commands.diff import listed, write_page
from assay.data.files import write_json
from assay.errors import AssayError
from assay.experiments.comparison import Comparison, compare
from assay.experiments.sides import WORKSPACE, open_side
from assay.layout import Layout
from assay.params import load_params

SAMPLES, ROWS, THUMBNAILS = 1000, 20_000, 400
"""Of each list: samples in the JSON, samples on the page; and pictures on the page."""


def main(before: str, run: str, folder: Path) -> None:
    """Write diff.json and diff.html."""
    layout = Layout(Path())
    params = load_params(layout.params)
    here = replace(open_side(WORKSPACE, layout, params), name=run, kind="run", run_id=run)
    compared = compare(open_side(before, layout, params), here, layout, params)
    write_json(folder / "diff.json", summary(compared))
    write_page(compared, folder / "diff.html", layout, THUMBNAILS, rows=ROWS)


def summary(compared: Comparison) -> dict[str, object]:
    """What `assay diff --json --samples 1000` prints."""
    flips = compared.flips
    return compared.result | {
        "samples": listed(compared.samples, SAMPLES),
        "flipped": [] if flips is None else flips.slice(0, SAMPLES).to_pylist(),
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a dvc it runs is ended with it
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except AssayError as error:
        sys.exit(str(error))
