"""The page of `assay diff` in a browser: its filters, its pages, and a hundred thousand samples."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.data.difference import KINDS
from assay.experiments.comparison import SAMPLES, Comparison, compare
from assay.experiments.comparison.objects import OBJECTS
from assay.experiments.comparison.page import page
from assay.layout import Layout
from assay.params import load_params

MANY = 100_000
CLASSES = ["cat", "dog", '<b onmouseover="alert(1)">owl</b></script>']


def _versions(tmp_path: Path):
    """The fixture of tests/comparison."""
    spec = importlib.util.spec_from_file_location(
        "versions", Path(__file__).parents[1] / "experiments/comparison/conftest.py"
    )
    sys.modules["versions"] = made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.Versions(tmp_path)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    return _versions(tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="module")
def small(versions) -> Comparison:
    rows = versions.rows()
    for n, row in enumerate(rows.values()):
        if row["split"] == "train" and n % 3:
            row["label"] = "owl"
        elif n % 11 == 0:
            row["excluded"] = True
    a = versions.make("a", versions.rows(), wrong=lambda n: n < 5)
    b = versions.make("b", rows, wrong=lambda n: n in (3, 6))
    return compare(a, b, Layout(b.root), load_params(b.root / "params.yaml"))


@pytest.fixture(scope="module")
def small_page(small, versions, tmp_path_factory) -> Path:
    text, shown = page(small, versions.pool, 1000)
    assert shown["changes"]["pictures"] == len(small.samples), "every sample has one"
    return written(tmp_path_factory.mktemp("pages") / "small.html", text)


@pytest.fixture(scope="module")
def large_page(small, versions, tmp_path_factory) -> Path:
    """The same comparison, but with MANY changed samples, of which few are in the pool."""
    rng = np.random.default_rng(0)
    ids = sorted([*versions.ids, *(hashlib.sha256(str(n).encode()).hexdigest() for n in range(MANY - 40))])
    kind = rng.choice([KINDS.index("relabelled"), KINDS.index("moved")], MANY, p=[0.9, 0.1])
    labels = rng.integers(0, 3, (2, MANY))
    columns = {name: pa.nulls(MANY, SAMPLES.field(name).type) for name in SAMPLES.names}
    columns |= {
        "id": pa.array(ids),
        "kinds": pa.array(1 << kind, pa.uint16()),
        "label_before": pa.array([CLASSES[k] for k in labels[0]]),
        "label_after": pa.array([CLASSES[k] for k in labels[1]]),
        "split_before": pa.array(["train"] * MANY),
        "split_after": pa.array(np.where(kind == KINDS.index("moved"), "val", "train").tolist()),
        "batch": pa.array([f"{n % 7:04d}-ada" for n in range(MANY)]),
        "origin": pa.array([f"s:folder/{n:06d}.png" for n in range(MANY)]),
    }
    many = Comparison(small.result, pa.table(columns, SAMPLES), small.flips, small.objects)
    text, shown = page(many, versions.pool, 30)
    assert shown["changes"] == {"samples": MANY, "pictures": shown["changes"]["pictures"]}
    return written(tmp_path_factory.mktemp("pages") / "large.html", text)


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def count(browser, name: str) -> int:
    """How many samples the list says it shows."""
    return int(
        browser.texts(f"#{name} .pager.top .range")[0]
        .split(" of ")[1]
        .split(",  of")[0]
        .replace(",", "")
        .split()[0]
    )


def test_it_opens_without_a_complaint_and_asks_nobody(browser, small_page, small):
    browser.open(small_page)
    assert browser.troubles == []
    assert browser.texts(".verdict")[0].replace("`", "") == small.result["verdict"].replace("`", "")
    assert browser.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)") is True
    assert (
        browser.run("Math.max(...[...document.images].map(i => Math.max(i.naturalWidth, i.naturalHeight)))")
        == 48
    )
    assert browser.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_changed_objects_are_drawn_over_their_picture(browser, small, versions, tmp_path):
    sample = small.samples["id"][0].as_py()
    about = {
        "id": sample,
        "kinds": ["re-boxed"],
        "category_before": "a",
        "category_after": "a",
        "width": 8,
        "height": 8,
    }
    rows = [
        about | {"box_before": [0, 0, 4, 4], "box_after": [1, 0, 4, 4], "iou": 0.6},
        about
        | {"kinds": ["added"], "box_after": [2, 2, 4, 4], "outline_after": "[[2.0,2.0,6.0,2.0,6.0,6.0]]"},
    ]
    drawn = replace(small, objects=pa.Table.from_pylist(rows, OBJECTS))
    browser.open(written(tmp_path / "drawn.html", page(drawn, versions.pool, 1000)[0]))
    assert browser.troubles == []
    read = "p => p.getAttribute('class') + ' ' + p.getAttribute('d')"
    shapes = browser.run(f"[...document.querySelectorAll('svg.objects path')].map({read})")
    assert shapes == ["was M0 0h4v4h-4z", "now M1 0h4v4h-4z", "come M2 2L6 2L6 6z"]
    over = "(s => ['left', 'top', 'width', 'height'].every(k => s[0][k] === s[1][k]))"
    boxes = (
        "[...document.querySelector('svg.objects').parentNode.children].map(n => n.getBoundingClientRect())"
    )
    assert browser.run(f"{over}({boxes})"), "the overlay lies where the picture does"


def test_filters_by_kind_class_and_text(browser, small_page, small):
    rows = small.samples.to_pylist()
    browser.open(small_page)
    assert count(browser, "changes") == len(rows)
    browser.click('#changes [data-kind="relabelled"]')
    relabelled = [row for row in rows if row["kinds"] >> KINDS.index("relabelled") & 1]
    assert 0 < len(relabelled) < len(rows)
    assert count(browser, "changes") == len(relabelled)
    browser.choose("#changes .filters label:nth-of-type(1) select", "dog")
    dogs = [row for row in relabelled if row["label_before"] == "dog"]
    assert count(browser, "changes") == len(dogs) > 0
    assert set(browser.texts("#changes .what")) == {"dog→owl"}
    assert "changes.kind=relabelled" in browser.run("location.hash"), "a filtered list can be linked to"
    browser.choose("#changes input[type=search]", dogs[0]["id"][:9])
    assert browser.texts("#changes .id") == [dogs[0]["id"][:12]]
    saved = browser.saved("#changes .save")
    assert saved.splitlines()[1].startswith(f"{dogs[0]['id']},relabelled,dog,owl,train,train,")
    browser.choose("#changes input[type=search]", "no such thing")
    assert browser.texts("#changes .empty") == ["No sample like this."]
    browser.run(
        "[...document.querySelectorAll('#changes button')].find(b => b.innerText === 'clear').click()"
    )
    assert count(browser, "changes") == len(rows)
    assert browser.troubles == []


def test_flipped_samples_have_a_list_of_their_own(browser, small_page, small):
    browser.open(small_page, "#flips.kind=broken&changes.kind=excluded")
    flips = small.flips.to_pylist()
    broken = [row["id"] for row in flips if row["kind"] == "broken"]
    assert browser.texts("#flips .id") == [sample[:12] for sample in broken]
    assert set(browser.texts("#changes .badge")) == {"excluded"}
    browser.click("nav a[href='#section-ruler']")
    assert browser.texts("#flips .id") == [sample[:12] for sample in broken], (
        "a link on the page keeps the filters"
    )


def test_flips_of_a_model_without_one_confidence_are_listed_too(browser, small, versions, tmp_path):
    """As of a detector: nothing is said of how sure it was."""
    unsure = small.flips
    for name in ("certainty_before", "certainty_after"):
        place = unsure.schema.get_field_index(name)
        unsure = unsure.set_column(place, name, pa.nulls(len(unsure), pa.float64()))
    text, _ = page(replace(small, flips=unsure), versions.pool, 1000)
    browser.open(written(tmp_path / "unsure.html", text))
    assert browser.troubles == []
    assert count(browser, "flips") == len(browser.texts("#flips .id")) == len(unsure)
    assert not any("sure" in text for text in browser.texts("#flips .card"))


def test_of_objects_the_page_says_how_much_better_an_image_is(browser, small, versions, tmp_path):
    rows = small.flips.to_pylist()[:2]
    changed = [
        {**row, "kind": kind, "quality_before": was, "quality_after": now}
        for row, (kind, was, now) in zip(rows, [("worse", 0.9, 0.4), ("better", 0.5, 0.75)], strict=True)
    ]
    metrics = small.result["metrics"]
    groups = [{**row, "better": 1, "worse": 1} for row in metrics["per_class"]]
    graded = {
        **metrics,
        "flips": {"better": 1, "worse": 1},
        "per_class": groups,
        "mcnemar": None,
        "slices": {},
    }
    flips = pa.Table.from_pylist(changed, small.flips.schema)
    text, _ = page(
        replace(small, result={**small.result, "metrics": graded}, flips=flips), versions.pool, 1000
    )
    browser.open(written(tmp_path / "graded.html", text))
    assert browser.troubles == []
    assert "quality 90 → 40 %" in browser.texts("#flips .sample")[0]
    assert browser.texts("#flips .badge") == ["worse", "better"]
    assert "1 / 1\nbetter / worse test samples" in browser.texts(".card")[-1]
    assert "McNemar" not in browser.run("document.body.innerText")


@pytest.mark.slow
def test_a_hundred_thousand_samples_stay_usable(browser, large_page):
    started = time.monotonic()
    browser.open(large_page)
    opened = time.monotonic() - started
    assert count(browser, "changes") == MANY
    assert browser.run("document.querySelectorAll('#changes .sample').length") == 60
    assert browser.run("document.getElementsByTagName('*').length") < 3000, (
        "the page holds what it shows, no more"
    )
    assert "of 100,000 changed samples have a picture here" in browser.texts("#changes .note")[0]
    first = browser.texts("#changes .id")
    assert browser.run("document.querySelectorAll('#changes img').length") > 0, (
        "those with a picture come first"
    )
    browser.click("#changes .pager.top button[title='next page']")
    second = browser.texts("#changes .id")
    assert len(second) == 60
    assert not set(first) & set(second)
    assert browser.texts("#changes .pager.top .range") == ["61–120 of 100,000"]
    browser.click("#changes .pager.bottom button[title='last page']")
    assert browser.texts("#changes .pager.top .range") == ["99,961–100,000 of 100,000"]
    assert len(browser.texts("#changes .id")) == 40
    browser.choose("#changes .pager.top input", "3")
    assert browser.texts("#changes .pager.top .range") == ["121–180 of 100,000"]
    click = "document.querySelector('#changes [data-kind=\"moved\"]').click()"
    taken = browser.run(f"(() => {{ const t = performance.now(); {click}; return performance.now() - t }})()")
    assert taken < 2000, f"{taken} ms to filter"
    assert opened < 30, f"{opened} s to open"
    assert set(browser.texts("#changes .badge")) == {"moved"}
    assert browser.texts("#changes .pager.top .range")[0].startswith("1–60 of "), (
        "a filter begins at its first page"
    )
    names = browser.run("[...document.querySelectorAll('#changes select option')].map(o => o.value)")
    assert CLASSES[2] in names, "a label is a label, whatever is in it"
    assert browser.troubles == []


def test_without_javascript_the_page_still_says_what_differs(small_page):
    text = small_page.read_text()
    for part in (
        "Metrics",
        "Data",
        "Changed samples",
        "Model: params",
        "Code",
        "Environment",
        "Test set",
        "<noscript>",
    ):
        assert part in text
