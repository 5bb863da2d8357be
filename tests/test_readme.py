"""Every command of the README is one that there is, with options that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from assay.commands.cli import app

ROOT = Path(__file__).parents[1]
LINES = [
    line.strip()
    for line in (ROOT / "README.md").read_text().splitlines()
    if re.match(r" {4}(assay|make|python|dvc|git) ", line)
]


def of(program: str) -> list[list[str]]:
    return [
        words[1:] for line in LINES for words in [shlex.split(line, comments=True)] if words[0] == program
    ]


def test_there_are_commands():
    assert {words[0] for words in of("assay")} >= {"audit", "diff", "iterate", "promote", "queue", "status"}


@pytest.mark.parametrize("words", of("assay"), ids=" ".join)
def test_the_command_line_takes_it(words):
    typer.main.get_group(app).commands[words[0]].make_context(words[0], words[1:])


def test_make_has_its_targets():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {words[0] for words in of("make")} <= targets


def test_its_flows_are_there():
    assert all(
        (ROOT / flow).exists()
        for flow in re.findall(r"python (flows/\w+\.py)", (ROOT / "README.md").read_text())
    )


def test_revisions_are_such_as_every_project_with_two_commits_has():
    named = [
        word
        for words in of("assay")
        if words[0] in ("diff", "attribute", "race", "reproduce")
        for word in words[1:]
    ]
    named = [word for word in named if re.fullmatch(r"v\d+|HEAD.*|main", word)]
    assert set(named) <= {"HEAD", "HEAD~1"}
