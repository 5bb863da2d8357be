"""The drawing editor in a real browser, by real events of pointer, touch and keys."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assay.data import masks
from assay.data.annotations import Annotation, annotations_json
from tests.web.drawing import Drawing, disc, served

CLASSES = ["cell", "debris"]
BOX = {"category": "cell", "bbox": [10, 20, 30, 40]}
HOLED = {
    "category": "debris",
    "segmentation": [
        [[100, 20, 160, 20, 160, 80, 100, 80], [120, 40, 140, 40, 140, 60, 120, 60]],
        [170, 20, 190.25, 20, 190.25, 50.123456789],
    ],
    "iscrowd": True,
    "attributes": {"stage": 3, "blurred": True, "depth": 0.1},
}
SQUARE = np.zeros((120, 200), bool)
SQUARE[70:100, 20:50] = True
MASK = {"category": "cell", "segmentation": masks.encode(SQUARE).model_dump(mode="json")}


@pytest.fixture(scope="module")
def page(browser):
    plain = Image.new("RGB", (200, 120))
    with served({"disc.png": disc(200, 120, 60, 60, 25), "plain.png": plain}) as address:
        yield Drawing(browser, address)


@pytest.fixture
def draw(page):
    """Show an image of 200 × 120 px. Nothing may go wrong on the page, or be asked of another server."""

    def shown(*annotations, predicted=(), src="disc.png", **options):
        options = {"classes": CLASSES} | options
        page.show(
            src=src, width=200, height=120, annotations=annotations, predicted=predicted, options=options
        )
        return page

    yield shown
    assert page.troubles() == []


def pixels(annotation):
    return masks.decode(Annotation.model_validate(annotation).segmentation)


def test_a_box_is_dragged(draw):
    page = draw()
    page.keys("b")
    page.drag((20, 30), (50, 40), (80, 70))
    assert page.annotations() == [{"category": "cell", "bbox": [20, 30, 60, 40]}]
    assert page.status().startswith("1 of 1: cell, box, at 20, 30, 60 × 40 px")


def test_a_box_stays_on_the_image_and_a_click_draws_none(draw):
    page = draw()
    page.keys("b")
    page.click(20, 30)
    assert page.annotations() == []
    page.drag((150, 100), (230, 140))
    assert page.annotations() == [{"category": "cell", "bbox": [150, 100, 50, 20]}]


def test_a_box_by_four_extreme_points(draw):
    page = draw()
    page.keys("q", "2")
    for point in ((60, 10), (30, 40), (55, 90), (99, 50)):
        page.click(*point)
    assert page.annotations() == [{"category": "debris", "bbox": [30, 10, 69, 80]}]


def test_a_polygon_is_clicked_and_closed_at_its_first_corner(draw):
    page = draw()
    page.keys("p")
    for point in ((20, 20), (80, 20), (80, 60), (20, 20)):
        page.click(*point)
    assert page.annotations() == [{"category": "cell", "segmentation": [[20, 20, 80, 20, 80, 60]]}]


def test_backspace_takes_the_last_corner_and_escape_all(draw):
    page = draw()
    page.keys("p")
    for point in ((20, 20), (80, 20), (80, 60), (120, 100)):
        page.click(*point)
    page.keys("Backspace", "Enter")
    assert page.annotations() == [{"category": "cell", "segmentation": [[20, 20, 80, 20, 80, 60]]}]
    page.click(150, 20)
    page.keys("Escape", "Enter")
    assert len(page.annotations()) == 1


def test_a_polygon_without_area_is_none(draw):
    page = draw()
    page.keys("p")
    for point in ((20, 20), (80, 20), (120, 20)):
        page.click(*point)
    page.keys("Enter")
    assert page.annotations() == []
    assert page.status() == "A polygon needs three corners that enclose an area"


def test_a_ring_joins_the_selected_polygon_as_a_hole_or_a_part(draw):
    page = draw({"category": "cell", "segmentation": [[20, 20, 100, 20, 100, 100, 20, 100]]})
    page.keys("Tab", "p")
    for x, y in ((40, 40), (120, 40)):
        for point in ((x, y), (x + 20, y), (x + 20, y + 20)):
            page.click(*point)
        page.keys("Shift+Enter")
    outer, hole, part = (
        [20, 20, 100, 20, 100, 100, 20, 100],
        [40, 40, 60, 40, 60, 60],
        [120, 40, 140, 40, 140, 60],
    )
    assert page.annotations() == [{"category": "cell", "segmentation": [[outer, hole], part]}]


def test_a_brush_paints_a_mask_and_the_eraser_corrects_it(draw):
    page = draw()
    page.keys("r", "[", "[")
    size = page.run("editor.brushSize")
    page.drag((40, 60), (80, 60))
    mask = pixels(page.annotations()[0])
    assert mask.shape == (120, 200)
    assert mask[60, 40:80].all()
    assert mask[:, 60].sum() == size
    page.keys("e")
    page.drag((60, 60), (60, 61))
    erased = pixels(page.annotations()[0])
    assert erased.sum() < mask.sum()
    assert not (erased & ~mask).any()
    page.keys("Escape", "e")
    page.drag((40, 60), (45, 60))
    assert page.status() == "Select the object to erase from first"


def test_a_stroke_of_one_pixel_is_one_pixel_wide(draw):
    page = draw()
    page.run("editor.brushSize = 1")
    page.keys("r")
    page.drag((10.5, 20.5), (30.5, 20.5))
    expected = np.zeros((120, 200), bool)
    expected[20, 10:31] = True
    assert np.array_equal(pixels(page.annotations()[0]), expected)


def test_erasing_everything_deletes_the_object(draw):
    page = draw(MASK, BOX)
    page.keys("Tab", "e")
    page.run("editor.brushSize = 120")
    page.drag((35, 85), (36, 85))
    assert page.annotations() == [BOX]
    page.keys("z")
    assert page.annotations() == [MASK, BOX]


def test_a_polygon_that_is_brushed_becomes_run_lengths(draw):
    page = draw(HOLED)
    page.keys("Tab", "r")
    page.run("editor.brushSize = 3")
    page.drag((130.5, 50.5), (131.5, 50.5))
    (found,) = page.annotations()
    before = masks.rasterized(Annotation.model_validate(HOLED).segmentation, 120, 200)
    assert (pixels(found) & ~before).sum() == 12
    assert not (before & ~pixels(found)).any()
    assert {name: found[name] for name in ("category", "iscrowd", "attributes")} == {
        name: HOLED[name] for name in ("category", "iscrowd", "attributes")
    }


def test_what_nobody_touched_comes_back_bit_for_bit(draw):
    given = [BOX, HOLED, MASK, {"category": "cell"}, {"category": "cell", "bbox": [1e-7, 0.1, 33.3, 1 / 3]}]
    before = annotations_json([Annotation.model_validate(one) for one in given])
    page = draw(*given)
    page.keys("Tab", "Tab", "ArrowRight", "z", "Tab", "d", "Delete", "b")
    page.drag((100, 90), (120, 110))
    found = page.annotations()
    assert annotations_json([Annotation.model_validate(one) for one in found[:-1]]) == before
    assert page.run("editor.annotations()[1] === editor.annotations()[1]")


def test_a_corner_is_dragged_inserted_and_deleted_and_the_other_rings_stay(draw):
    page = draw(HOLED)
    page.click(150, 30)
    page.drag((160, 80), (150, 90))
    page.drag((130, 20), (130, 10))
    page.click(100, 20, modifiers=1)
    (found,) = page.annotations()
    (outer, hole), part = HOLED["segmentation"]
    assert found["segmentation"] == [[[130, 10, 160, 20, 150, 90, 100, 80], hole], part]
    page.keys("z", "z", "z")
    assert page.annotations() == [HOLED]
    assert outer == [100, 20, 160, 20, 160, 80, 100, 80]


def test_corners_by_keys(draw):
    page = draw({"category": "cell", "segmentation": [[20, 20, 100, 20, 100, 100]]})
    page.keys("Tab", "j", "j", "Shift+ArrowRight", "ArrowDown", "Insert", "Delete", "j", "j", "Insert")
    assert page.annotations()[0]["segmentation"] == [[20, 20, 65, 20.5, 110, 21, 100, 100]]


def test_objects_are_moved_resized_and_kept_on_the_image(draw):
    page = draw(BOX, MASK)
    page.click(25, 40)
    page.drag((25, 40), (40, 50), (45, 50))
    assert page.annotations()[0]["bbox"] == [30, 30, 30, 40]
    page.drag((60, 70), (70, 90))
    assert page.annotations()[0]["bbox"] == [30, 30, 40, 60]
    page.keys(
        "Alt+ArrowLeft", "ArrowUp", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft"
    )
    assert page.annotations()[0]["bbox"] == [0, 29, 39, 60]
    page.keys("Tab", "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown", "ArrowRight")
    moved = np.zeros_like(SQUARE)
    moved[90:120, 21:51] = True
    assert np.array_equal(pixels(page.annotations()[1]), moved)


def test_undo_and_redo_without_end(draw):
    page = draw(BOX)
    page.keys("Tab", *["ArrowRight"] * 60)
    assert page.annotations()[0]["bbox"] == [70, 20, 30, 40]
    page.keys(*["Control+z"] * 60)
    assert page.annotations() == [BOX]
    assert not page.run("editor.isChanged")
    page.keys("z")
    assert page.status() == "Nothing to undo"
    page.keys(*["Shift+z"] * 60)
    assert page.annotations()[0]["bbox"] == [70, 20, 30, 40]
    assert page.run("editor.isChanged")


def test_classes_by_key_and_by_name(draw):
    names = [f"class {n}" for n in range(12)]
    page = draw({"category": "class 0", "bbox": [10, 20, 30, 40]}, classes=names)
    page.keys("Tab", "3")
    assert page.annotations()[0] == {"category": "class 2", "bbox": [10, 20, 30, 40]}
    page.keys("/", *"ss 11", "Enter", "b")
    page.drag((100, 20), (120, 40))
    assert [one["category"] for one in page.annotations()] == ["class 11", "class 11"]


def test_hostile_names_are_text(draw):
    name = '<img src=x onerror="window.hacked=1"></svg><script>window.hacked=1</script>'
    page = draw({"category": name, "bbox": [10, 20, 30, 40]}, classes=[name, "__proto__", "constructor"])
    page.keys("Tab", "2", "3", "1")
    page.settle()
    assert page.annotations()[0]["category"] == name
    assert page.run("[window.hacked, document.querySelectorAll('img, script:not([src])').length]") == [
        None,
        0,
    ]
    assert name[:60] in page.run("document.querySelector('.draw-shapes .label').textContent")


def test_tab_goes_through_the_objects_and_leaves_after_the_last(draw):
    page = draw(BOX, HOLED, MASK)
    seen = []
    for _ in range(3):
        page.keys("Tab")
        seen.append(page.status().split(", at")[0])
    assert seen == [
        "1 of 3: cell, box",
        "2 of 3: debris, polygon of 11 corners, 2 parts, 1 hole, crowd",
        "3 of 3: cell, mask of 900 px",
    ]
    page.keys("Tab")
    assert page.run("document.activeElement.getAttribute('role')") == "radio"
    page.keys("Shift+Tab", "Shift+Tab")
    assert page.status().startswith("3 of 3")


def test_suggestions_are_dashed_and_accepted_by_keys(draw):
    suggested = [BOX | {"score": 0.873}, MASK]
    page = draw(HOLED, predicted=suggested)
    page.settle()
    assert page.annotations() == [HOLED]
    assert (
        page.run("getComputedStyle(document.querySelector('.object.predicted')).strokeDasharray")
        == "5px, 4px"
    )
    page.keys("Tab", "Tab")
    assert page.status().startswith("2 of 3, suggested, score 0.87: cell, box")
    page.keys("a")
    assert page.annotations() == [HOLED, BOX]
    page.keys("Shift+a")
    assert page.annotations() == [HOLED, BOX, MASK]
    page.keys("z", "z")
    assert page.annotations() == [HOLED]


@pytest.mark.parametrize("key", ["a", "Shift+a", "ArrowRight"])
def test_a_suggestion_replaces_what_it_corrects(draw, key):
    """Accepted alone, with all, or changed by hand; deleted, it replaces nothing."""
    corrected = MASK | {"category": "debris"}
    page = draw(BOX, HOLED, predicted=[corrected | {"instead": [0]}])
    page.keys("Tab", "Tab", "Tab", "Delete")
    assert page.annotations() == [BOX, HOLED]
    page.keys("z", key)
    kept, new = page.annotations()
    assert (kept, new["category"]) == (HOLED, "debris")
    page.keys("z")
    assert page.annotations() == [BOX, HOLED]


@pytest.mark.parametrize("key", ["ArrowRight", "Delete"])
def test_what_a_hand_changed_is_replaced_by_no_suggestion(draw, key):
    page = draw(BOX, predicted=[MASK | {"instead": [0]}, MASK])
    page.keys("Tab", key)
    by_hand = page.annotations()
    assert page.run("editor.suggestions") == 1
    page.keys("Shift+a")
    assert page.annotations() == [*by_hand, MASK]


def test_by_keys_alone(draw):
    page = draw()
    right, down = "Shift+ArrowRight", "Shift+ArrowDown"
    page.keys("b", "c", "Space", right, down, "ArrowDown", "Space")
    x, y = page.annotations()[0]["bbox"][:2]
    assert page.annotations() == [{"category": "cell", "bbox": [x, y, 10, 11]}]
    page.keys("p", "Space", right, "Space", down, "Space", "Enter")
    x, y = x + 10, y + 11
    assert page.annotations()[1]["segmentation"] == [[x, y, x + 10, y, x + 10, y + 10]]
    page.keys("Escape", "r", "Space", right, right, "Space")
    mask = pixels(page.annotations()[2])
    assert mask.sum() > 20 * 20
    page.keys("e", "Space", "ArrowLeft", "Space", "Escape")
    assert 0 < pixels(page.annotations()[2]).sum() < mask.sum()
    assert page.status() == "3 objects"


def test_what_is_in_a_box_is_outlined(draw):
    page = draw({"category": "cell", "bbox": [33, 33, 54, 54]})
    page.keys("Tab", "i")
    truth = np.asarray(disc(200, 120, 60, 60, 25)) > 100
    assert np.array_equal(pixels(page.annotations()[0]), truth)
    page.keys("y")
    outline = Annotation.model_validate(page.annotations()[0]).segmentation
    filled = masks.rasterized(outline, 120, 200)
    assert (filled & truth).sum() / (filled | truth).sum() > 0.97
    page.keys("z", "z", "Shift+i")
    assert page.annotations()[0]["segmentation"] == [list(outline[0][0])]  # one step, the same polygon


def test_a_box_without_contrast_stays_a_box(draw):
    page = draw(BOX, src="plain.png")
    page.keys("Tab", "i")
    assert page.status() == "The box has no contrast"
    assert page.annotations() == [BOX]


def test_who_may_only_look_changes_nothing(draw):
    page = draw(BOX, readOnly=True)
    page.keys("Tab", "Delete", "2", "ArrowRight", "b", "r")
    page.drag((25, 40), (60, 60))
    page.drag((100, 20), (140, 60))
    assert page.annotations() == [BOX]
    assert page.run("window.editor.keys.some(([keys]) => keys === 'Delete')") is False


def test_wheel_and_keys_zoom_at_the_pointer_and_h_hides(draw):
    page = draw(BOX)
    before, scale = page.place(50, 50), page.run("editor.view.scale")
    page.mouse("mouseWheel", 50, 50, deltaX=0, deltaY=-200, button="none")
    page.until(f"editor.view.scale > {scale}")
    assert page.place(50, 50) == pytest.approx(before, abs=1)
    page.keys("w")
    assert page.run("editor.view.scale") == 1
    page.keys("o")
    assert page.run("editor.view.scale") == pytest.approx(scale)
    page.key("keyDown", "h")
    page.settle()
    assert page.run("getComputedStyle(document.querySelector('.draw-shapes')).visibility") == "hidden"
    page.key("keyUp", "h")
    page.settle()
    assert page.run("getComputedStyle(document.querySelector('.draw-shapes')).visibility") == "visible"


def test_one_finger_draws_and_two_pinch(draw):
    page = draw()
    page.keys("b")
    page.touch("touchStart", (20, 30))
    page.touch("touchMove", (60, 50))
    page.touch("touchMove", (80, 70))
    page.touch("touchEnd")
    assert page.annotations() == [{"category": "cell", "bbox": [20, 30, 60, 40]}]
    scale = page.run("editor.view.scale")
    page.touch("touchStart", (60, 60), (100, 60))
    page.touch("touchMove", (40, 60), (120, 60))
    page.touch("touchEnd")
    assert len(page.annotations()) == 1
    assert page.run("editor.view.scale") > 1.5 * scale


def test_the_editor_goes_without_a_trace(draw):
    page = draw(BOX)
    page.run("editor.destroy()")
    assert page.run("document.querySelector('main').childElementCount") == 0
