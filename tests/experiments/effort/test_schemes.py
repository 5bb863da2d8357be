"""How a scheme is written, what it costs, how far the hours go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.annotations import Annotation, annotations_json
from assay.errors import GateError
from assay.experiments.effort import schemes
from assay.experiments.effort.study_data import StudyData, StudyImages, open_data
from assay.layout import Layout
from assay.params.effort import SchemePart, UnitSeconds, act_of, parse_scheme

UNIT = UnitSeconds()
CLASSES = ("cell", "clump")
NAMES = st.sampled_from(
    ["masks", "masks@25", "polygons", "boxes/otsu", "points", "0.25*masks+boxes", "masks+boxes+points"]
)


def images(*counts: int, classes: tuple[str, ...] = ("cell",)) -> StudyImages:
    """An image for each count of objects; all of them show all `classes`."""
    labels = [
        annotations_json(
            [Annotation(category=classes[k % len(classes)], bbox=(k, 0, 3, 3)) for k in range(count)]
        )
        for count in counts
    ]
    return StudyImages(
        tuple(f"{n:064x}" for n in range(len(counts))), tuple(labels), *[(64,) * len(counts)] * 2
    )


def data(pool: StudyImages, target: str = "masks") -> StudyData:
    return StudyData(target, CLASSES, pool, pool, Layout())


def test_a_scheme_is_its_parts():
    assert parse_scheme("boxes/otsu@35") == (SchemePart("boxes", "otsu", 35.0, None),)
    assert parse_scheme("0.25*masks + boxes") == (
        SchemePart("masks", None, None, 0.25),
        SchemePart("boxes", None, None, None),
    )
    assert act_of("0.25*masks@25+boxes/otsu") == "0.25*masks@25+boxes"


WRONG = [
    "mask",
    "boxes/sam",
    "masks@0",
    "masks@",
    "2*masks",
    "0.5*masks",
    "0.7*masks+0.5*boxes",
    "1.0*masks+boxes",
    "a+",
]


@pytest.mark.parametrize("text", ["", *WRONG])
def test_what_is_no_scheme_is_refused_by_name(text):
    with pytest.raises(ValueError, match="scheme"):
        parse_scheme(text)


def test_the_prices_are_of_the_params_unless_the_scheme_has_its_own():
    pool = images(4, classes=CLASSES)
    cost = {
        name: schemes.resolve(name, "masks", UNIT, 8).parts[0].cost(pool.objects[0], len(CLASSES))
        for name in ("masks", "masks@25", "polygons", "boxes", "points", "tags")
    }
    assert cost == pytest.approx(
        {
            "masks": 10 + 4 * 79.2,
            "masks@25": 10 + 4 * 25,
            "polygons": 10 + 4 * 8 * 1.75,
            "boxes": 10 + 4 * 7,
            "points": 10 + 4 * 2.4 + 2 * 7,  # and a box around a typical object of each class
            "tags": 10 + 2 * 1,
        }
    )


@given(NAMES, st.lists(st.integers(0, 20), min_size=1, max_size=30), st.floats(1, 30_000))
def test_the_hours_are_never_exceeded_and_what_is_left_is_too_little_for_the_next_image(
    name, counts, seconds
):
    study = data(images(*counts))
    scheme, order = schemes.resolve(name, "masks", UNIT, 8), schemes.order_of(study, 3)
    found = schemes.affordable(scheme, study, order, seconds)
    assert found.seconds <= seconds + 1e-3
    assert list(found.rows) == order[: len(found.rows)]
    assert len(found.drawings) == len(found.rows)
    if len(found.rows) < len(order):
        following = scheme.parts[-1].cost(study.pool.objects[order[len(found.rows)]], len(CLASSES))
        assert following > seconds - found.seconds - 1e-3
    more = schemes.affordable(scheme, study, order, 2 * seconds)
    assert len(more.rows) >= len(found.rows) or len(scheme.parts) > 1


def test_the_parts_of_a_mixture_share_the_hours():
    study = data(images(*[1] * 200))
    found = schemes.affordable(
        schemes.resolve("0.25*masks+boxes", "masks", UNIT, 8), study, schemes.order_of(study, 0), 1784.0
    )
    assert found.drawings == (("masks", None),) * 5 + (("boxes", "ellipse"),) * 78


def test_every_seed_has_its_own_order_of_all_images():
    study = data(images(*range(20)))
    first, second = schemes.order_of(study, 0), schemes.order_of(study, 1)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert first == schemes.order_of(study, 0)


def test_what_teaches_nothing_is_told_by_name():
    study = data(images(2, 3, 4))
    tags, boxes = (schemes.resolve(name, "masks", UNIT, 8) for name in ("tags", "boxes"))
    assert schemes.why_not(tags, study).endswith("teaches nothing by tags: cell is on every image")
    assert schemes.why_not(boxes, study) is None
    wrong = schemes.resolve("masks", "boxes", UNIT, 8)
    assert "not a way to learn boxes; valid: boxes, points, tags" in schemes.why_not(
        wrong, replace(study, target="boxes")
    )
    nothing = "nothing is to be learnt: cell is on every image"
    assert schemes.why_not(boxes, replace(study, target="presence")) == nothing


def test_tags_teach_where_some_images_lack_a_class():
    some = data(images(2, 0, 4))
    tags, mixed = (schemes.resolve(name, "masks", UNIT, 8) for name in ("tags", "0.5*masks+tags"))
    assert schemes.why_not(tags, some) is None
    assert "does not learn masks from tags" in schemes.why_not(tags, some, "model")
    assert "not in a mixture" in schemes.why_not(mixed, some)
    assert schemes.why_not(mixed, replace(some, target="presence"), "model") is None
    assert schemes.notes([tags], some) == []


def test_a_class_on_every_image_is_noted():
    study = data(images(2, 1, 2, classes=CLASSES))
    tags, boxes = (schemes.resolve(name, "masks", UNIT, 8) for name in ("tags", "boxes"))
    assert schemes.on_every_image(study) == ["cell"]
    assert schemes.notes([boxes], study) == []
    assert schemes.notes([boxes, tags], study) == [
        "tags: cell is on every train image, so that tags do not teach where"
    ]
    assert "cell is on every train image" in schemes.notes([boxes], replace(study, target="presence"))[0]


def test_for_presence_a_point_needs_no_box():
    pool = images(4, classes=CLASSES)
    points = schemes.resolve("points", "presence", UNIT, 8).parts[0]
    assert points.cost(pool.objects[0], len(CLASSES)) == pytest.approx(10 + 4 * 2.4)


def test_images_without_what_is_to_be_learnt_are_counted(project):
    assert open_data(project.layout, "auto").target == "masks"
    study = open_data(project.layout, "boxes")
    assert (study.target, study.categories) == ("boxes", ("object",))
    assert not set(study.pool.ids) & set(study.test.ids)


def test_too_few_annotated_images_are_refused(project, monkeypatch):
    monkeypatch.setattr("assay.experiments.effort.study_data.LEAST", 1000)
    with pytest.raises(
        GateError, match=r"\d+ train and \d+ test images have masks and .* have boxes: .* 1000 of each"
    ):
        open_data(project.layout, "auto")
