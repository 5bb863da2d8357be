"""Serve the flows on schedule or from Prefect's UI, in this process's folder: `assay/nightly`, `reproduce/weekly`, and
`iterate/rounds`, which somebody starts.

python flows/serve.py [--with-server] [--cron "0 2 * * *"] [--weekly "0 5 * * 0"] [--port 4200]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import serve as serve_all
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ANALYTICS_ENABLED, temporary_settings

SERVED = {
    "nightly": "flows/pipeline.py:pipeline",
    "weekly": "flows/reproduce.py:reproduce",
    "rounds": "flows/iterate.py:iterate",
}
"""{name of a deployment: the flow it runs}."""
NIGHTLY = "0 2 * * *"
WEEKLY = "0 5 * * 0"
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
"""A night that is still at work when the next one comes: the new one is cancelled, never queued up."""
START_UP = 120


def main() -> None:
    options = _arguments()
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if not options.with_server:
        serve(options.cron, options.weekly)
        return
    url = f"http://127.0.0.1:{options.port}"
    with server(url, options.port), temporary_settings({PREFECT_API_URL: f"{url}/api"}):
        print(
            f"Prefect: {url} · assay/nightly, cron {options.cron!r} · reproduce/weekly, cron {options.weekly!r} · "
            "iterate/rounds · Ctrl-C ends all",
            flush=True,
        )
        serve(options.cron, options.weekly)


def serve(nightly: str, weekly: str) -> None:
    """Wait for runs and start each in a process of its own, until Ctrl-C."""
    crons = {"nightly": nightly, "weekly": weekly}
    serve_all(
        *(
            load_flow_from_entrypoint(entrypoint).to_deployment(  # type: ignore[arg-type]
                name, cron=crons.get(name), concurrency_limit=ONE_AT_A_TIME, tags=["assay"]
            )
            for name, entrypoint in SERVED.items()
        )
    )


@contextmanager
def server(url: str, port: int) -> Iterator[None]:
    """`prefect server start` beside us, ended with us; one that is there already is used as it is."""
    if answers(url):
        yield
        return
    with temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}):
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
        environment = {
            **os.environ,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_UI_API_URL": f"{url}/api",
        }
        process = subprocess.Popen(command, env=environment)
    try:
        wait(url, process)
        yield
    finally:
        process.terminate()
        process.wait()


def wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_UP
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the Prefect server at {url} does not start; is the port taken?")
        time.sleep(0.5)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/health", timeout=2):
            return True
    except OSError:
        return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve the flows of this folder.")
    parser.add_argument("--with-server", action="store_true", help="start a Prefect server too")
    parser.add_argument("--port", type=int, default=4200)
    parser.add_argument(
        "--cron", default=NIGHTLY, help="when the pipeline runs (default: every night at two)"
    )
    parser.add_argument("--weekly", default=WEEKLY, help="when HEAD is reproduced (default: Sundays at five)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
