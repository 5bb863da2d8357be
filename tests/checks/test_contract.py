"""What every check on disk has to keep."""

from __future__ import annotations

import pytest

from assay import audit, plugins
from assay.checks import FINDINGS


@pytest.fixture(params=plugins.names("checks"))
def module(request):
    return plugins.load("checks", request.param)


@pytest.fixture
def context(project, draw):
    """A bit of everything: duplicates, a blank, a leak, few labels."""
    for n in range(6):
        project.add(f"p{n}", draw(n), label="cat" if n % 2 else "dog", split=("train", "val", "test")[n % 3])
    project.add("again", draw(0), label="cat", split="test")
    project.add("copy", draw(1), "JPEG", label="dog", split="train")
    project.add("blank", draw(0) * 0, label="cat", split="train")
    project.add("unlabelled", draw(9))
    project.embed()
    return audit.open_context(project.params(), project.layout)


def test_findings_have_the_promised_form(module, context):
    found = module.check(context)
    assert found.schema.equals(FINDINGS)
    known = {*context.split_of, "", None}
    for row in found.to_pylist():
        assert {row["id"], row["related"]} <= known
        assert 0 <= row["score"] <= 1
        assert row["reason"]
    pairs = [(row["id"], row["related"], row["reason"]) for row in found.to_pylist()]
    assert len(set(pairs)) == len(pairs)


def test_the_same_context_gives_the_same_findings(module, context):
    assert module.check(context).equals(module.check(context))


def test_it_says_whether_it_blocks(module):
    assert isinstance(module.BLOCKS, bool)
    assert all(isinstance(limit, float) for limit in getattr(module, "LIMITS", {}).values())


def test_an_audit_of_a_single_unlabelled_image_finds_its_way(module, project, draw):
    project.add("only", draw(0))
    project.embed()
    assert not module.check(audit.open_context(project.params(), project.layout)).to_pylist()
