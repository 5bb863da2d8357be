"""The page of `assay audit` in a browser: its filters and its pages."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from assay.label_audit.table import RANKED
from assay.review.page import page

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
        "suspects": MANY, "above": 0.5,
        "trained": None, "payoff": {"text": "look at them (`--csv`)"}, "slices": {"tested": 4, "rows": [slice_]},
    }  # fmt: skip
    made = folder / "audit.html"
    made.write_text(
        page(result, pa.table(columns, RANKED), samples, folder / "no pool", 10), encoding="utf-8"
    )
    return made


def shown(browser) -> str:
    return browser.texts("#suspects .pager.top .range")[0]


def test_the_likeliest_come_first_by_pages(browser, file):
    browser.open(file)
    assert browser.troubles == []
    assert browser.texts("h1") == ["Which labels are wrong?"]
    assert shown(browser).startswith("1–60 of 130")
    cards = browser.texts("#suspects .sample")
    assert "wrong: > 99 %; val" in cards[0]
    assert "of its 50 nearest, 0 are labelled 'dog'" in cards[0]
    browser.click("#suspects .pager.top button[title='last page']")
    assert shown(browser).startswith("121–130 of 130")
    assert browser.texts(".verdict code") == ["--csv"]
    assert "camera = left" in browser.texts("table")[0]


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
