"""Every file in src/assay/tasks keeps the contract of tasks: assay.contracts.tasks."""

from __future__ import annotations

import pytest

from assay import contracts, plugins


@pytest.mark.parametrize("name", plugins.names("tasks"))
@pytest.mark.parametrize("check", contracts.of_kind("tasks"), ids=lambda check: check.__name__)
def test_it_keeps_the_contract(name: str, check: contracts.Check) -> None:
    check(plugins.load("tasks", name))
