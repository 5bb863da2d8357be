"""MLflow's server for a local store, opened at the runs table of the project."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from types import FrameType

from assay.errors import TrackingError
from assay.layout import Layout
from assay.params import Params
from assay.tracking.store import be_quick, connect, redacted, reporting, tracking_uri
from assay.tracking.view import experiment_tags, runs_link

HOST = "127.0.0.1"


def serve(params: Params, layout: Layout, port: int, say: Callable[[str], None]) -> int:
    """Print the address of the runs, and serve a local store until Ctrl-C; the exit code.

    TrackingError: the store does not answer, or the port is taken.
    """
    uri = tracking_uri(layout.root)
    be_quick()
    with reporting(uri):
        store = connect(layout.root, params.track.experiment, experiment_tags(params))
    if uri.startswith("http"):
        say(runs_link(redacted(uri), store.experiment_id))
        return 0
    if _is_taken(port):
        raise TrackingError(
            f"port {port} is taken", hint="another one: `make ui PORT=5001`, or `assay ui --port 5001`"
        )
    server = subprocess.Popen(_command(uri, port), cwd=layout.root, env={**os.environ, **QUIET})
    signal.signal(signal.SIGTERM, _end)
    try:
        _wait_for(f"http://{HOST}:{port}/health", server)
        say(link := runs_link(f"http://{HOST}:{port}", store.experiment_id))
        if _has_display():
            webbrowser.open(link)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()


QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONWARNINGS": "ignore",
}
"""Environment of the server: no workers for GenAI jobs, no deprecation warnings."""


def _command(uri: str, port: int) -> list[str]:
    options = ["--backend-store-uri", uri, "--host", HOST, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *options, "--uvicorn-opts", "--log-level warning"]


def _end(number: int, frame: FrameType | None) -> None:
    """Signal handler: ends this process, and with it the server."""
    raise KeyboardInterrupt


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TrackingError("MLflow's server has ended", hint="see its messages above")


def _has_display() -> bool:
    """Whether a browser opens in a window rather than in this terminal."""
    is_desktop = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    return bool(is_desktop) and sys.stdout.isatty()
