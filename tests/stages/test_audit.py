from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from assay.data.files import read_json, read_table
from assay.errors import MissingInput, ParamsError
from assay.progress import silent
from assay.stages import audit, curate


@pytest.fixture
def small(project, draw):
    for n in range(10):
        project.add(f"p{n}", draw(n), label="cat" if n % 2 else "dog", split=("train", "test")[n % 5 == 0])
    project.embed()
    curate.run(project.params(), project.layout, silent)
    return project


def run(project, **settings):
    return audit.run(project.params(audit=settings), project.layout, silent)


def test_the_findings_land_beside_the_snapshot(small):
    summary = run(small)
    folder = small.layout.audit
    assert {file.name for file in folder.iterdir()} == {"audit.json", "audit.parquet", "label_errors.parquet"}
    assert set(summary["issues"]) == set(read_json(folder / "audit.json"))
    table = read_table(folder / "audit.parquet")
    assert table.column_names == ["check", "id", "score", "is_issue", "reason", "related"]


def test_the_same_inputs_are_the_same_bytes(small):
    run(small)
    before = {file.name: file.read_bytes() for file in small.layout.audit.iterdir()}
    run(small)
    assert before == {file.name: file.read_bytes() for file in small.layout.audit.iterdir()}


def test_only_the_checks_asked_for_are_run(small):
    summary = run(small, checks=["images"])
    assert (set(summary["issues"]), summary["labels"]) == ({"images"}, None)
    assert not (small.layout.audit / "label_errors.parquet").exists()


def test_a_limit_that_there_is_not_is_refused(small):
    with pytest.raises(ParamsError, match="no limit 'blury'"):
        run(small, limits={"blury": 0.2})


def test_a_snapshot_of_other_images_is_noticed(small, draw):
    small.add("late", draw(77))
    small.embed()
    with pytest.raises(MissingInput, match="the snapshot are not of the same images"):
        run(small)


def test_of_each_check_the_worst_finding_is_shown_on_one_line(small):
    summary = run(small) | {
        "issues": {"exact_duplicates": 2, "label_errors": 1},
        "worst": {"exact_duplicates": f"one image, several labels: {'x' * 200}", "label_errors": "a b"},
    }
    console = Console(file=StringIO(), width=100)
    audit.render(summary, console)
    first, second, third = console.file.getvalue().splitlines()[:3]
    assert first == "the audit found: exact duplicates 2, label errors 1"
    assert second.startswith("  exact duplicates: one image, several labels: xxx")
    assert (len(second), third[:12]) == (100, "  the worst ")
