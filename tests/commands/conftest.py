"""A project with a queue: 20 images in the pool, those labelled that came with a label."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakePool
from tests.project import Project


@pytest.fixture
def queued(make_pool: MakePool, tmp_path: Path) -> Project:
    make_pool()
    made = Project(
        tmp_path,
        ingest={"sources": [{"name": "s", "format": "demo"}]},
        select={"strategy": "random", "budget": 5, "ruler_halfwidth": 0.49},
        train={"image_size": 8, "color": "gray"},
    )
    made.curate()
    made.select()
    return made
