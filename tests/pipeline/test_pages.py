"""The blocks of README and docs that are marked to be run do run, page by page, in a project after its first run."""

from __future__ import annotations

import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.pipeline.conftest import Workspace

pytestmark = [pytest.mark.slow]
TAGGED = [page for page in PAGES if any(block.tag for block in blocks(page))]
RUN = sorted(TAGGED, key=lambda page: "tutorial" not in page.parts)
"""In the order in which they are read."""
NOTEBOOK = ROOT / "docs" / "notebooks" / "one_version.py"


@pytest.fixture(scope="module")
def project(done, tmp_path_factory) -> Workspace:
    """One for all pages. Two commits, so that there is something to compare."""
    copy = done.copy(tmp_path_factory.mktemp("pages") / "project")
    copy.run("git", "commit", "--allow-empty", "-qm", "another")
    return copy


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_its_blocks_run(project, page):
    for block in blocks(page):
        _do(project, block)


def _do(project: Workspace, block: Block) -> None:
    """What the tag of a block says."""
    if block.tag == "params":
        project.set(yaml.safe_load(block.text))
    elif block.tag.startswith("file: "):
        file = project.root / block.tag.removeprefix("file: ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
    elif block.tag == "run":
        project.run(*{"sh": ("bash", "-ec"), "python": ("python", "-c")}[block.kind], block.text)


def test_pages_that_run_are_found():
    tagged = {page.stem for page in RUN}
    assert tagged >= {"first-round", "own-model", "label", "audit", "compare", "notebooks"}


def test_the_notebook_runs(project):
    done = project.run("python", str(NOTEBOOK))
    assert "test images" in done.stdout
