"""The findings of one check on a project."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay import audit, plugins


@pytest.fixture
def findings(project) -> Callable[..., list[dict]]:
    """`findings(check, **curate)`: the rows of a check, with the names that the test gave instead of ids."""

    def run(check: str, **curate) -> list[dict]:
        project.embed()
        context = audit.open_context(project.params(curate=curate), project.layout)
        name_of = {sample: name for name, sample in project.names.items()} | {"": "", None: None}
        rows = plugins.load("checks", check).check(context).to_pylist()
        return [row | {"id": name_of[row["id"]], "related": name_of[row["related"]]} for row in rows]

    return run
