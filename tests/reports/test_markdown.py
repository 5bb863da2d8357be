from __future__ import annotations

import re
from html import unescape

import pytest
from markdown_it import MarkdownIt

from assay.reports.markdown import bold, code, link, table, text

NASTY = [
    "[+0.02, +0.05] (helped)",
    "a_b_c and *x*",
    "<b>1</b> & |",
    "`rm`",
    "back\\slash",
    "~~no~~ ![i](j)",
    "two\nlines",
]


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(markdown)


def plain(markdown: str) -> str:
    """The text that a reader sees: what is rendered, without tags."""
    return unescape(re.sub(r"<[^>]+>", "", rendered(markdown))).strip()


@pytest.mark.parametrize("nasty", NASTY)
def test_text_comes_out_as_it_went_in(nasty):
    seen = nasty.replace("\n", " ")
    assert plain(text(nasty)) == seen
    assert plain(bold(nasty)) == seen
    html = rendered(table(("x", nasty), [(nasty, bold("y"))]))
    assert html.count("<td>") == 2
    assert "<a " not in html
    assert "<img" not in html
    assert "<strong>y</strong>" in html


def test_what_is_marked_up_already_is_left_alone():
    assert text(bold("a")) == "**a**"
    assert code("a`b") == "`a'b`"
    assert rendered(link("x [1]", "http://h/p")) == '<p><a href="http://h/p">x [1]</a></p>\n'
