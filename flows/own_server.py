"""The Prefect server of a flow started from a shell: the configured one, or one that ends with the flow."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from prefect.context import get_settings_context
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    get_current_settings,
    temporary_settings,
)

from assay.errors import AssayError
from assay.lineage.kept import start_kept

START_UP = 180
"""Most seconds for the start of a server."""
ANSWER = 10
"""Most seconds for an answer of a running server."""
HOST = "127.0.0.1"


class ServerError(AssayError):
    """No Prefect server answers or can be started."""


@contextmanager
def own_server() -> Iterator[None]:
    """Context with a Prefect server: that of PREFECT_API_URL, or one of this process. ServerError if neither works.

    The server that Prefect starts by itself is ended by the same Ctrl-C as the flow, which then waits for it forever,
    and it outlives a flow that is killed.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}):
        if url := PREFECT_API_URL.value():
            _require_answer(url)
            yield
            return
        port = free_port()
        start(port)
        with temporary_settings({PREFECT_API_URL: api_of(port)}):
            yield


def start(port: int, log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Start a server that ends with this process, and wait until it answers; `log` or an error gets its output."""
    _require_home()
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    seen = {"PREFECT_UI_API_URL": api_of(port), "PREFECT_UI_URL": f"http://{HOST}:{port}"}  # in notifications
    with tempfile.TemporaryFile() as kept:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
        process = start_kept(command, {**os.environ, **settings, **seen}, log or kept)
        if not _answers_in_time(port, process):
            kept.seek(0)
            said = kept.read().decode(errors="replace").strip().splitlines()
            raise ServerError(
                f"the Prefect server does not start on port {port}: {said[-1] if said else 'is the port taken?'}",
                hint="`prefect server start` shows more",
            )
    return process


def api_of(port: int) -> str:
    return f"http://{HOST}:{port}/api"


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def answers(url: str, patience: float = 2) -> str | None:
    """None if a server answers at the address of an API; else the reason."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=patience):
            return None
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def _answers_in_time(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_UP
    while process.poll() is None and time.monotonic() < deadline:
        if answers(api_of(port)) is None:
            return True
        time.sleep(0.2)
    return False


def _require_answer(url: str) -> None:
    if why := answers(url, ANSWER):
        profile = get_settings_context().profile
        where = (
            "the environment" if "PREFECT_API_URL" in os.environ else f"Prefect's profile {profile.name!r}"
        )
        raise ServerError(
            f"no Prefect server answers at {url} ({why}); PREFECT_API_URL is set in {where}",
            hint="start that server, or unset PREFECT_API_URL: the flow then starts its own",
        )


def _require_home() -> None:
    home = Path(PREFECT_HOME.value())
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise ServerError(
            f"Prefect's folder {home} is not writable: {error.strerror}",
            hint="set PREFECT_HOME to a folder of yours",
        ) from None
