"""The findings of one check on a project."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay import checks, gates, plugins
from assay.checks import Context
from assay.data.files import fresh_dir


@pytest.fixture
def looked_into(project) -> Callable[..., Context]:
    """`looked_into(**curate)`: the project embedded and folded, gate or no gate, as the checks see it."""

    def open_(**curate) -> Context:
        project.embed()
        params = project.params(curate=curate)
        with fresh_dir(project.layout.snapshot) as folder:
            gates.fold_version(params, project.layout).snapshot.write(folder)
        return checks.open_context(params, project.layout)

    return open_


@pytest.fixture
def findings(project, looked_into) -> Callable[..., list[dict]]:
    """`findings(check, **curate)`: the rows of a check, with the names that the test gave instead of ids."""

    def run(check: str, **curate) -> list[dict]:
        context = looked_into(**curate)
        name_of = {sample: name for name, sample in project.names.items()} | {"": "", None: None}
        kind = "gates" if check in plugins.names("gates") else "checks"
        rows = plugins.load(kind, check).check(context).to_pylist()
        return [row | {"id": name_of[row["id"]], "related": name_of[row["related"]]} for row in rows]

    return run
