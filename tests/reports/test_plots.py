"""Plots of evaluate: what is written on them can be read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from assay.metrics.judged import Mark
from assay.reports.object_plots import per_class_figure
from assay.reports.plots import MARKS, Mistake, errors_figure


def drawn(figure: Figure) -> tuple[float, FigureCanvasAgg]:
    """Width of the figure in pixels, once everything has its place."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return figure.bbox.width, canvas


@pytest.mark.parametrize("words", ["1 cat", "12 erythrocytes, 10 leukocytes, 8 platelets and more"])
def test_words_above_images_with_objects_stay_in_their_column(words: str) -> None:
    image, box = np.zeros((60, 80, 3), np.uint8), (1.0, 2.0, 30.0, 20.0)
    marks = [Mark(box, "given"), Mark(box, "wrong", "0.90")]
    figure = errors_figure([Mistake("a" * 64, image, words, words, 0.5, marks)] * 5, "the worst")
    width, canvas = drawn(figure)
    row = [ax.title.get_window_extent(canvas.get_renderer()) for ax in figure.axes[:3]]
    assert all(one.x1 < other.x0 for one, other in pairwise(row))
    assert row[0].x0 >= 0
    assert row[-1].x1 <= width
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(MARKS)


def test_the_axes_of_classes_say_all_they_have_to_say() -> None:
    row = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 7}
    figure = per_class_figure({"cat": {"ap": row, "ap50": row}}, ("ap50", "ap"), "objects")
    width, canvas = drawn(figure)
    extent = figure.axes[0].xaxis.label.get_window_extent(canvas.get_renderer())
    assert 0 <= extent.x0 < extent.x1 <= width
