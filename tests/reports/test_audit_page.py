"""The page of `assay audit` in a browser: its filters and its pages."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pytest

from assay.data.suspects import for_review
from assay.labels.page import page, queue_page
from assay.labels.table import RANKED

MANY = 130
NASTY = '<b onmouseover="alert(1)">owl</b></script>'


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    ids = [f"{n:064x}" for n in range(MANY)]
    columns = {
        "id": ids,
        "split": ["val" if n % 10 == 0 else "train" for n in range(MANY)],
        "given": ["cat" if n % 2 else NASTY for n in range(MANY)],
        "suggested": ["dog"] * MANY,
        "score": [0.5] * MANY,
        "probability": [1 - n / 300 for n in range(MANY)],
        "outlier": [0.4 + n / 1000 for n in range(MANY)],
        "flagged": [n < 40 for n in range(MANY)],
        "looks": [1] * MANY,
        "judgements": [0] * MANY,
        "reason": [f"of its 50 nearest, {n % 50} are labelled 'dog'" for n in range(MANY)],
    }
    samples = pa.table({"id": ids, "origins": [[f"s:folder/{n:03d}.png"] for n in range(MANY)]})
    slice_ = {
        "name": "camera = left",
        "n": 50,
        "accuracy": 0.7,
        "low": 0.6,
        "high": 0.8,
        "rest": 0.9,
        "p_holm": 0.01,
    }
    result = {
        "labels": 1000, "share": {"value": 0.1, "low": 0.05, "high": 0.2, "by": "estimated"},
        "suspects": MANY, "foreign": 29, "above": 0.5, "sort": "wrong",
        "trained": None, "payoff": {"text": "look at them (`--csv`)"}, "slices": {"tested": 4, "rows": [slice_]},
    }  # fmt: skip
    made, table = folder / "audit.html", for_review(pa.table(columns, RANKED), 0.5)
    made.write_text(page(result, table, samples, folder / "no pool", 10), encoding="utf-8")
    return made


def shown(browser) -> str:
    return browser.texts("#suspects .pager.top .range")[0]


def test_the_likeliest_come_first_by_pages(browser, file):
    browser.open(file)
    assert browser.troubles == []
    assert browser.texts("h1") == ["Which labels are wrong?"]
    assert shown(browser).startswith("1–60 of 130")
    cards = browser.texts("#suspects .sample")
    assert "wrong: > 99 % · outlier 0.40 · val" in cards[0]
    assert "nearest" not in cards[0], "the reasons are on the large picture"
    browser.click("#suspects .pager.top button[title='last page']")
    assert shown(browser).startswith("121–130 of 130")
    assert browser.texts(".verdict code") == ["--csv"]
    assert "camera = left" in browser.texts("table")[0]
    assert "70.0 % [60.0, 80.0]" in browser.texts("table")[0]


def test_they_are_filtered_by_kind_class_and_text(browser, file):
    browser.open(file)
    browser.click('#suspects [data-kind="confident learning agrees"]')
    assert shown(browser).startswith("1–40 of 40")
    browser.choose("#suspects .filters select", "cat")
    assert shown(browser).startswith("1–20 of 20")
    browser.open(file, "#suspects.split=val")
    assert shown(browser).startswith("1–13 of 13")
    browser.choose("#suspects input[type=search]", "folder/010")
    assert shown(browser).startswith("1–1 of 1")
    assert browser.troubles == []


def test_they_are_sorted_by_wrong_label_outlier_or_both(browser, file):
    browser.open(file)
    assert "29 images that may not belong" in browser.texts("header")[0]
    browser.choose("#suspects select.sort", "outlier")
    assert "outlier 0.53, exclude?" in browser.texts("#suspects .sample")[0]
    browser.choose("#suspects select.sort", "combined")
    assert "wrong: > 99 %" in browser.texts("#suspects .sample")[0]
    browser.click('#suspects [data-kind="may not belong"]')
    assert shown(browser).startswith("1–29 of 29")
    assert browser.troubles == []


def saved(browser) -> list[list[str]]:
    return list(csv.reader(StringIO(browser.saved(".judging .save"))))


def test_labels_are_judged_by_keys_and_saved_for_assay_label(fresh, file):
    assert fresh.texts(".judging .tally") == [f"0 of {MANY} judged"]
    assert fresh.run("document.querySelector('.judging .save').disabled")
    fresh.press("ArrowRight")  # the first
    for key in ("k", "t", "x", "t", "u", "ArrowLeft", "t"):
        fresh.press(key)
    assert fresh.texts(".judging .tally") == [f"4 of {MANY} judged: 1 kept, 2 changed, 1 excluded"]
    fresh.reload()  # what was judged is still there
    ids = [f"{n:064x}" for n in range(4)]
    assert saved(fresh) == [
        ["id", "path", "label", "exclude"],
        [ids[0], "s:folder/000.png", NASTY, ""],
        [ids[1], "s:folder/001.png", "dog", ""],
        [ids[2], "s:folder/002.png", "", "yes"],
        [ids[3], "s:folder/003.png", "dog", ""],
    ]
    assert fresh.troubles == []


def test_a_click_shows_the_image_large_with_the_reason_and_keys_go_on(fresh):
    fresh.click("#suspects .sample .picture")
    assert "of its 50 nearest, 0 are labelled 'dog'" in fresh.texts("dialog[open]")[0]
    fresh.press("t")
    assert "of its 50 nearest, 1 are labelled 'dog'" in fresh.texts("dialog[open]")[0]
    fresh.click("dialog .close")
    assert fresh.texts("dialog[open]") == []
    assert fresh.texts(".judging .tally") == [f"1 of {MANY} judged: 1 changed"]


def test_keys_go_over_the_pages_and_another_class_has_to_be_one(fresh):
    fresh.run("document.querySelectorAll('#suspects .sample')[59].click()")
    fresh.press("k")
    assert shown(fresh).startswith("61–120 of 130")
    fresh.choose("#suspects .sample.current input", "unicorn")
    assert fresh.texts(".judging .tally") == [f"1 of {MANY} judged: 1 kept"]
    fresh.choose("#suspects .sample.current input", "cat")
    assert "2 of" in fresh.texts(".judging .tally")[0]


def test_the_list_as_it_is_filtered_has_the_judgements_and_no_formula(browser, tmp_path):
    ids = ["a" * 64]
    rows = {"rank": [0], "id": ids, "score": [0.1], "strategy": ["margin"], "reason": ["near"], "predicted": ["=1+1"],
            "confidence": [0.4], "split": ["train"], "path": ["s:=x.png"]}  # fmt: skip
    made = tmp_path / "queue.html"
    table = pa.table(rows)
    made.write_text(queue_page(table, 3, ["=1+1", "owl"], tmp_path / "no pool"), encoding="utf-8")
    browser.open_fresh(made)
    assert "1 of 3 images" in browser.texts("header")[0]
    browser.press("t")
    assert saved(browser)[1] == [*ids, "s:=x.png", "'=1+1", ""]
    assert browser.troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(fresh, scheme):
    fresh.emulate(scheme, 360)
    try:
        assert fresh.run("document.documentElement.scrollWidth") <= 360
        assert fresh.run("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    finally:
        fresh.emulate("light", 1200)
