"""The pages that people read: README and docs/, and the blocks in them.

A comment in front of a block says what becomes of it in a test:

    <!-- run -->            sh or python: run in a project, in the order of the page
    <!-- params -->         yaml: merged into params.yaml
    <!-- file: PATH -->     written there
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from docs.generate import __main__ as generate

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in DOCS.rglob("*.md") if page.relative_to(DOCS).as_posix() not in generate.PAGES),
]
FENCED = re.compile(
    r"^(?:<!-- (?P<tag>.+?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMAND = re.compile(r"^(?: {4})?((?:assay|make|python|dvc|git) .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what it says, and what becomes of it in a test."""

    kind: str
    text: str
    tag: str


def blocks(page: Path) -> list[Block]:
    return [Block(m["kind"], m["text"], m["tag"] or "") for m in FENCED.finditer(page.read_text())]


def commands(page: Path) -> list[list[str]]:
    """Every command line of a page, as words: those of its sh blocks, and in README those that are indented."""
    shell = "".join(block.text for block in blocks(page) if block.kind == "sh")
    indented = "".join(re.findall(r"^ {4}\S.*\n", page.read_text(), re.MULTILINE))
    lines = [
        one for text in (shell, indented) for line in COMMAND.findall(text) for one in line.split(" && ")
    ]
    return [words for line in lines if (words := shlex.split(line, comments=True))]
