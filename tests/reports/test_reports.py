"""The filters of pages, and that no text gets out of where it was put."""

from __future__ import annotations

import json
import re

import pytest

from assay.reports import page as reports


def test_data_comes_back_as_it_was_and_cannot_end_its_script():
    value = {"label": "</script><script>alert(1)</script>", "n": [1, None, "é <!-- &amp;"]}
    text = str(reports.data(value, "rows"))
    inside = re.fullmatch(r'<script type="application/json" id="rows">(.*)</script>', text)[1]
    assert "<" not in inside
    assert json.loads(inside) == value


def test_a_number_that_json_does_not_know_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        reports.data([float("nan")], "rows")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reports.count(12345), "12,345"),
        (reports.signed(-0.0415), "−0.042"),
        (reports.signed(None), "–"),
        (reports.share(0.0412), "4.1 %"),
        (reports.estimate({"value": 0.04, "low": -0.01, "high": 0.09}, sign=True), "+0.040 [−0.010, +0.090]"),
        (reports.estimate({"value": None, "low": None, "high": None}), "–"),
        (reports.short("0123456789abcdef"), "0123456789"),
    ],
)
def test_numbers_as_people_write_them(said, expected):
    assert said == expected


def test_the_base_page_asks_nobody_for_anything():
    text = reports.render("base.html.j2")
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
