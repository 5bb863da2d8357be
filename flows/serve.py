"""Serve the flows of this folder, on schedule or from Prefect's UI: `assay/PROJECT-nightly`,
`reproduce/PROJECT-weekly`, `iterate/PROJECT-rounds`, which has no schedule, and `watch/PROJECT-watch`, which resumes
its runs when people have answered.

python flows/serve.py [--with-server] [--name PROJECT] [--cron "0 2 * * *"] [--weekly "0 5 * * 0"] [--port 4200]

Deployments contain the name of the project, by default that of its folder, so that projects can share a server.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from prefect import serve as serve_all
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ANALYTICS_ENABLED, temporary_settings

from assay.commands.streams import reported
from own_server import answers, api_of, own_server, start

SERVED = {
    "nightly": "flows/pipeline.py:pipeline",
    "weekly": "flows/reproduce.py:reproduce",
    "rounds": "flows/iterate.py:iterate",
    "watch": "flows/watch.py:watch",
}
"""{name of a deployment: the flow it runs}."""
PARAMETERS = {"nightly": {"commit": True}}
"""{deployment: parameters}. The nightly run commits its dvc.lock, so that `assay iterate` finds a clean tree."""
NIGHTLY = "0 2 * * *"
WEEKLY = "0 5 * * 0"
WATCH = "*/10 * * * *"
"""A run watches for nine minutes at most."""
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
"""A run that is due while the previous one is active is cancelled, not queued."""


def main() -> None:
    options = _arguments()
    project = options.name or Path.cwd().name
    with ExitStack() as settings:
        if options.with_server:
            settings.enter_context(temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}))
            if answers(api_of(options.port)) is not None:
                start(options.port, log=sys.stdout.buffer)
            settings.enter_context(temporary_settings({PREFECT_API_URL: api_of(options.port)}))
        else:
            settings.enter_context(own_server())
        url = str(PREFECT_API_URL.value()).removesuffix("/api")
        print(
            f"Prefect: {url} · assay/{project}-nightly, cron {options.cron!r} · "
            f"reproduce/{project}-weekly, cron {options.weekly!r} · iterate/{project}-rounds · Ctrl-C ends all",
            flush=True,
        )
        serve(project, options.cron, options.weekly)


def serve(project: str, nightly: str, weekly: str) -> None:
    """Wait for runs, and start each in its own process, until Ctrl-C."""
    crons = {"nightly": nightly, "weekly": weekly, "watch": WATCH}
    serve_all(
        *(
            load_flow_from_entrypoint(entrypoint).to_deployment(  # type: ignore[arg-type]
                f"{project}-{name}",
                cron=crons.get(name),
                parameters=PARAMETERS.get(name),
                concurrency_limit=ONE_AT_A_TIME,
                tags=["assay", project],
            )
            for name, entrypoint in SERVED.items()
        )
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve the flows of this folder.")
    parser.add_argument("--with-server", action="store_true", help="start a Prefect server too")
    parser.add_argument("--port", type=int, default=4200, help="of that server (default: 4200)")
    parser.add_argument(
        "--name", metavar="PROJECT", help="in the deployments' names (default: this folder's name)"
    )
    parser.add_argument(
        "--cron", default=NIGHTLY, help="when the pipeline runs (default: every night at two)"
    )
    parser.add_argument("--weekly", default=WEEKLY, help="when HEAD is reproduced (default: Sundays at five)")
    return parser.parse_args()


if __name__ == "__main__":
    with reported():
        main()
