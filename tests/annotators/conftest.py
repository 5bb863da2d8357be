"""One Label Studio server for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.annotators.studio import ABSENT, PROGRAM, TOKEN, Server, label_studio


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not PROGRAM.exists():
        pytest.skip(ABSENT)
    with label_studio(tmp_path_factory.mktemp("label-studio") / "data") as server:
        yield server


@pytest.fixture
def server(_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A running server, whose token is in the environment."""
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", TOKEN)
    return _server
