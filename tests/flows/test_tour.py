"""What the tours set is valid; the tours themselves are `make demo` and `make demo-detection`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import tour
from assay.metrics.table import OF_TASK
from assay.params import parse_params

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("task", tour.STORIES)
def test_the_params_of_a_tour_are_valid_before_and_after(task, tmp_path):
    story = tour.STORIES[task]
    this = tour.Tour(story, tmp_path, {})
    this.layout.params.write_text((ROOT / "params.yaml").read_text())
    for changes in (story.params, {"select": {"train_limit": None}, "train": story.tweak}):
        this.set(changes)
        made = parse_params(yaml.safe_load(this.layout.params.read_text()))
    assert made.task == task
    assert story.metric in OF_TASK[task]
    assert made.track.primary == story.metric
    assert made.train.model_dump().items() >= story.tweak.items()
    assert "3" in story.review.format(wrong=3, new=5)
