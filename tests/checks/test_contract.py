"""Every file in src/assay/checks and src/assay/gates keeps the contract of checks: assay.contracts.checks."""

from __future__ import annotations

import pytest

from assay import contracts, plugins
from assay.contracts.checks import ON_A_CONTEXT

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


def test_it_keeps_the_contract(module, context):
    for check in contracts.of_kind("checks"):
        check(module)
    for check in ON_A_CONTEXT:
        check(module, context)


def test_an_audit_of_a_single_unlabelled_image_finds_its_way(module, project, draw, looked_into):
    project.add("only", draw(0))
    assert not module.check(looked_into()).to_pylist()
