"""The map: near images are near on it, it is made once, and a region of it opens as a grid."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from assay.data.embeddings import Embeddings
from assay.errors import AssayError, MissingInput
from assay.web.projection import Map, place, project
from tests.conftest import striped
from tests.project import Project
from tests.web.reviewing import _until, page, serving


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """60 pictures of two kinds, with embeddings."""
    project = Project(tmp_path_factory.mktemp("map"))
    for n in range(60):
        project.add(f"p{n}", striped(bool(n % 2), n), label="across" if n % 2 else "along")
    project.embed()
    project.curate()
    return project


def test_images_of_a_kind_are_neighbours(made):
    opened = Embeddings.open(made.layout.embeddings)
    places = project(opened)
    assert places.shape == (60, 2)
    assert 0 <= places.min() <= places.max() <= 1
    assert np.array_equal(places, project(opened)), "the same embeddings give the same map"
    kind = np.array([made.curate().labels()[sample] for sample in opened.ids])
    far = ((places[:, None] - places[None]) ** 2).sum(-1) + 9 * np.eye(60)
    assert (kind[far.argmin(1)] == kind).mean() > 0.9


def test_the_others_lie_between_their_nearest_landmarks():
    rng = np.random.default_rng(0)
    landmarks = rng.normal(size=(50, 5)).astype(np.float32)
    drawn = rng.normal(size=(50, 2)).astype(np.float32)
    placed = place(rng.normal(size=(200, 5)).astype(np.float32), landmarks, drawn)
    assert np.isfinite(placed).all()
    assert (placed >= drawn.min(0)).all()
    assert (placed <= drawn.max(0)).all()
    exact = place(landmarks, landmarks, drawn)
    assert np.abs(exact - drawn).mean() < np.abs(drawn.mean(0) - drawn).mean()


@pytest.mark.parametrize("n", [0, 1, 2, 12])
def test_few_or_equal_images_have_a_map(n, tmp_path):
    class Few:
        ids, dim = ["x"] * n, 3

        def __len__(self):
            return n

        def at(self, rows):
            return np.ones((len(rows), 3), np.float32)

    assert project(Few()).shape == (n, 2)


def test_without_embeddings_it_says_what_to_run(tmp_path):
    with pytest.raises(MissingInput, match=r"embeddings.json"):
        Map(tmp_path / "embeddings", tmp_path / ".assay").get()


def test_a_map_that_cannot_be_computed_is_an_error_and_not_tried_without_end(made, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "false")
    broken = Map(made.layout.embeddings, tmp_path)
    assert broken.get() is None
    broken._process.wait(20)
    with pytest.raises(AssayError, match="could not be computed"):
        broken.get()


def test_a_region_of_the_map_opens_as_a_grid(browser, made):
    with (
        serving(made.params(), made.layout) as site,
        page(browser, site.link(query="view=all&look=map")) as it,
    ):
        it.until("review.now?.colors?.length === 60")
        (file,) = (made.layout.scratch / "maps").glob("*.npy")
        before = file.stat().st_mtime_ns
        assert it.run("document.querySelector('.legend').innerText.includes('across')")
        places = it.run(
            "[[.98, .02], [.98, .5], [.02, .5], [.02, .02], [.98, .02]].map(([x, y]) => review.now.toScreen(x, y))"
        )
        box = it.run("(b => [b.left, b.top])(review.now.canvas.getBoundingClientRect())")
        corners = [(x + box[0], y + box[1]) for x, y in places]
        path = [
            (a + (c - a) * k / 4, b + (d - b) * k / 4)
            for (a, b), (c, d) in pairwise(corners)
            for k in range(4)
        ]
        inside = it.run(
            "Array.from(review.now.columns.y).filter((y, k) => y > .02 && y < .5 && "
            "Math.abs(review.now.columns.x[k] - .5) < .48).length"
        )
        for n, (x, y) in enumerate(path):
            kind = "mouseMoved" if 0 < n < len(path) - 1 else "mouseReleased" if n else "mousePressed"
            it.browser.ask(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1
            )
        it.until("review.look === 'grid' && review.rows.n < 60")
        it.ready()
        assert abs(it.run("review.rows.n") - inside) <= 1
        it.press("m")
        it.until("review.now?.colors?.length > 0")
        it.press("ArrowRight", "ArrowRight", "Enter")
        it.until("review.look === 'single'")
        assert it.troubles() == []
        assert file.stat().st_mtime_ns == before
        _until(lambda: site.review.map._process.poll() == 0)
