"""Commands run by the pipeline, and what they say."""

from __future__ import annotations

import sys
from pathlib import Path

from assay.lineage.process import run_streaming

LONG = "stands for images like it: 62% like the nearest labelled or queued one, and unlike all that was asked for"


def test_a_line_of_a_stage_is_a_line_of_the_log(tmp_path: Path) -> None:
    script = f"from rich.console import Console; Console().print({LONG!r})"
    heard: list[str] = []
    assert run_streaming([sys.executable, "-c", script], tmp_path, heard.append) == (0, [LONG])
    assert heard == [LONG]
