"""What every check on disk has to keep."""

from __future__ import annotations

import pytest

from assay import plugins
from assay.data.findings import FINDINGS

EVERY = [(kind, name) for kind in ("checks", "gates") for name in plugins.names(kind)]


@pytest.fixture(params=EVERY, ids=[name for _, name in EVERY])
def module(request):
    return plugins.load(*request.param)


@pytest.fixture
def context(project, draw, looked_into):
    """A bit of everything: duplicates, a blank, a leak, few labels."""
    for n in range(6):
        project.add(f"p{n}", draw(n), label="cat" if n % 2 else "dog", split=("train", "val", "test")[n % 3])
    project.add("again", draw(0), label="cat", split="test")
    project.add("copy", draw(1), "JPEG", label="dog", split="train")
    project.add("blank", draw(0) * 0, label="cat", split="train")
    project.add("unlabelled", draw(9))
    return looked_into()


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


def test_its_limits_are_numbers(module):
    assert all(isinstance(limit, float) for limit in getattr(module, "LIMITS", {}).values())


def test_an_audit_of_a_single_unlabelled_image_finds_its_way(module, project, draw, looked_into):
    project.add("only", draw(0))
    assert not module.check(looked_into()).to_pylist()
