"""Every command of README and docs is one that there is, with options that it has; every file and key exists."""

from __future__ import annotations

import re

import pytest
import typer
import yaml

from assay.commands.cli import app
from assay.params import parse_params
from tests.docs.pages import PAGES, ROOT, blocks, commands

NAMED = {page.relative_to(ROOT).as_posix(): page for page in PAGES}
ASSAY = [
    (name, words[1:])
    for name, page in NAMED.items()
    for words in commands(page)
    if words[0] == "assay" and words[1] != "--version"
]
HERE = re.compile(r"`((?:src|docs|flows|tests|benchmarks)/[\w./-]*)`|python (flows/\w+\.py)")


def test_there_are_commands():
    assert {words[0] for _, words in ASSAY} >= {
        "advise", "annotate", "attribute", "audit", "diff", "effort", "iterate", "label", "promote", "queue", "race",
        "reproduce", "resolve", "simulate", "status",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("page", "words"), ASSAY, ids=lambda given: given if isinstance(given, str) else " ".join(given)
)
def test_the_command_line_takes_it(page, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typer.main.get_group(app).commands[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("page", NAMED)
def test_no_merge_is_left_unfinished(page):
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", NAMED[page].read_text(), re.MULTILINE) == []


@pytest.mark.parametrize("page", NAMED)
def test_make_has_its_targets(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {words[1] for words in commands(NAMED[page]) if words[0] == "make"} <= targets


@pytest.mark.parametrize("page", NAMED)
def test_its_files_are_there(page):
    named = {quoted or run for quoted, run in HERE.findall(NAMED[page].read_text())}
    made = {block.tag.removeprefix("file: ") for block in blocks(NAMED[page])}
    assert (
        sorted(name for name in named - made if not name.endswith("/x.py") and not (ROOT / name).exists())
        == []
    )


@pytest.mark.parametrize("page", NAMED)
def test_its_params_are_valid(page):
    source = {"name": "s", "format": "demo"}
    for block in blocks(NAMED[page]):
        given = yaml.safe_load(block.text) if block.kind == "yaml" else {}
        if given.get("train", {}).get("model") not in ("tiny",):
            parse_params({"ingest": {"sources": [source]}, **given}, where=page)


@pytest.mark.parametrize("page", NAMED)
def test_revisions_are_such_as_every_project_with_two_commits_has(page):
    compared = [
        words for words in commands(NAMED[page]) if words[1] in ("diff", "attribute", "race", "reproduce")
    ]
    named = [word for words in compared for word in words[2:] if re.fullmatch(r"v\d+|HEAD.*|main", word)]
    assert set(named) <= {"HEAD", "HEAD~1"}


def test_the_readme_is_read_once():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_pictures_are_there_and_small():
    for page in PAGES:
        for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / name).stat().st_size < 200_000


def test_links_of_the_readme_lead_to_files():
    links = re.findall(r"\]\(((?!http)[^)#]+)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
