"""Program that writes the difference of two runs as files of limited size. `assay track` starts it, and may stop it.

python -m assay.commands.attach_diff BEFORE RUN FOLDER     two run ids; RUN is that of the workspace

It is a separate process, so that its failures (a remote that does not answer, a page too large) do not affect `track`.
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
"""Most samples of each list in the JSON, and on the page; most pictures on the page."""


def main(before: str, run: str, folder: Path) -> None:
    """Write diff.json and diff.html."""
    layout = Layout(Path())
    params = load_params(layout.params)
    here = replace(open_side(WORKSPACE, layout, params), name=run, kind="run", run_id=run)
    compared = compare(open_side(before, layout, params), here, layout, params)
    write_json(folder / "diff.json", summary(compared))
    write_page(compared, folder / "diff.html", layout, THUMBNAILS, rows=ROWS)


def summary(compared: Comparison) -> dict[str, object]:
    """The output of `assay diff --json --samples 1000`."""
    flips = compared.flips
    return compared.result | {
        "samples": listed(compared.samples, SAMPLES, compared.objects),
        "flipped": [] if flips is None else flips.slice(0, SAMPLES).to_pylist(),
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a dvc child process is ended too
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except AssayError as error:
        sys.exit(str(error))
