"""What is drawn over thumbnails of images with objects: few bytes, and the same objects."""

from __future__ import annotations

import numpy as np

from assay.data import masks
from assay.web.overlays import CORNERS, MOST, SIDE, overlay
from tests.web.drawing import disc
from tests.web.reviewing import page, serving
from tests.web.test_review_draw import Studio, objects_project

BOX = {"category": "nucleus", "bbox": [40, 30, 40, 40]}
SQUARE = {"category": "debris", "segmentation": [[100, 20, 140, 20, 140, 60, 100, 60]]}


def test_short_shapes_are_as_they_are_and_long_ones_as_coarse_as_a_thumbnail():
    truth = np.asarray(disc(2000, 1500, 900, 700, 600)) > 100
    mask = {"category": "nucleus", "segmentation": masks.encode(truth).model_dump(mode="json")}
    angles = np.linspace(0, 6, 5000)
    ring = np.column_stack([300 + 200 * np.cos(angles), 300 + 200 * np.sin(angles)]).ravel().tolist()
    long = {"category": "debris", "segmentation": [[ring, [290, 290, 310, 290, 310, 310]], ring]}
    box, square, sampled, thin = overlay(
        [BOX | {"attributes": {"x": 1}}, SQUARE, mask, long, {"category": "nucleus"}]
    )
    assert (box, square) == (BOX, SQUARE)
    size, counts = sampled["segmentation"]["size"], sampled["segmentation"]["counts"]
    assert size == [round(1500 * SIDE / 2000), SIDE]
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size[1], size[0]).T
    assert abs(pixels.mean() - truth.mean()) < 0.01
    assert pixels[int(700 * SIDE / 2000), int(900 * SIDE / 2000)]
    (outer, hole), other = thin["segmentation"]
    assert max(len(outer), len(other)) <= 2 * CORNERS
    assert outer[:2] == ring[:2]
    assert len(hole) == 6
    assert len(overlay([BOX] * 1000)) == MOST


def test_a_mask_too_thin_for_a_thumbnail_stays_as_it_is():
    truth = np.zeros((1000, 1000), bool)
    truth[4, ::2] = True
    mask = {"category": "x", "segmentation": masks.encode(truth).model_dump(mode="json")}
    assert overlay([mask]) == [mask]


PIXEL = "(([x, y]) => [...review.now.cells.get(%d).canvas.getContext('2d').getImageData(x, y, 1, 1).data])"


def test_thumbnails_show_the_objects_also_those_drawn_just_now(browser, tmp_path):
    pixels = np.asarray(disc(160, 100, 80, 50, 20)) > 100
    mask = {"category": "debris", "segmentation": masks.encode(pixels).model_dump(mode="json")}
    project, ids = objects_project(tmp_path, "detection", [BOX], [SQUARE], [mask])
    with (
        serving(project.params(), project.layout) as site,
        page(browser, site.link(query="view=all")) as shown,
    ):
        shown.ready()
        of = {sample: shown.ids().index(sample) for sample in ids}
        at = [of[sample] for sample in ids]
        shown.until("!!review.now.shapes.get(0) && !!review.now.thumbnails.get(0)")

        def colour(n, x, y):
            """Colour of the thumbnail at a point of the image, px."""
            place = f"(() => {{ const c = review.now.cells.get({at[n]}); return [c.drawn.x + {x} / 160 * c.drawn.w, "
            return shown.run(
                f"{PIXEL % at[n]}({place}c.drawn.y + {y} / 100 * c.drawn.h].map(Math.round); }})())"
            )[:3]

        nucleus, debris = [230, 167, 0], [0, 166, 214]
        assert np.allclose(colour(0, 40, 50), nucleus, atol=60), "the edge of the box"
        assert max(colour(0, 20, 80)) < 80, "nothing beside it"
        assert np.allclose(colour(1, 120, 20), debris, atol=60), "the edge of the polygon"
        red, _, blue = colour(2, 80, 50)
        assert blue > red + 30, "the mask is tinted"
        studio = Studio(shown, ids[3])
        studio.keys("b")
        studio.drag((20, 20), (40, 40), (60, 60))
        studio.keys("Enter")
        shown.press("Escape")
        shown.until("!!review.now.shapes?.get(0) && !!review.now.thumbnails.get(0)")
        assert np.allclose(colour(3, 20, 40), nucleus, atol=60)
        assert shown.troubles() == []
