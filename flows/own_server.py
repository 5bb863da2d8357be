"""For a flow that is started from a shell: the server that Prefect starts for it when there is no other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import (
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

PATIENCE = 180
"""Seconds. Prefect gives its server 20 to start, which a slow machine, or a busy one, does not make."""


@contextmanager
def own_server() -> Iterator[None]:
    """Settings for that server; nothing is reported to anybody."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    patient = {
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: PATIENCE,
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
    }
    with temporary_settings(patient):
        yield
