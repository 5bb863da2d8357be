"""`assay reproduce` as a Prefect flow, e.g. on a weekly schedule.

    python flows/reproduce.py [RUN|REV] [--all-since REV] [--exact] [--workspace DIR]

One task for each commit or run, in sequence, as each may use as many cores as the recorded one. A task fails if the
result differs from the record; the flow then fails after all tasks have run.
"""

# No `from __future__ import annotations` here: see flows/pipeline.py

import argparse
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from pydantic import DirectoryPath
from rich.console import Console

from assay.commands.reproduce import failed, markdown, render, since_then, with_exit_code
from assay.commands.reproduce import reproduce as build_again
from assay.commands.streams import reported
from assay.errors import AssayError
from assay.layout import Layout
from assay.params import load_params
from assay.progress import Silent
from own_server import own_server

ARTIFACT = "assay-reproduction"


class NotTheSame(AssayError):
    """At least one result differs from its record or cannot be reproduced. `results`: all results."""

    def __init__(self, results: list[dict[str, Any]]) -> None:
        others = [result for result in results if result["exit_code"]]
        more = f", and {len(others) - 1} more" if len(others) > 1 else ""
        super().__init__(f"{others[0]['label']}: {others[0]['sentence']}{more}", others[0].get("hint"))
        self.results = results
        self.exit_code = min(int(other["exit_code"]) for other in others)


class Log(Silent):
    """A Progress that writes remarks to the log of the task."""

    def __init__(self) -> None:
        self._log = get_run_logger()

    def say(self, text: str) -> None:
        self._log.info("%s", text)


@task(cache_policy=NO_CACHE, persist_result=False, task_run_name="{name}")
def one(name: str, root: Path, exact: bool) -> dict[str, Any]:
    """Reproduce one commit or run. NotTheSame if its exit code would not be 0."""
    layout = Layout(root)
    try:
        result = build_again(name, load_params(layout.params), layout, progress=Log())
    except AssayError as error:
        result = failed(name, error)
    result = with_exit_code(result, exact)
    if result["exit_code"]:
        raise NotTheSame([result])
    return result


@flow(
    name="reproduce",
    description="Run recorded results again in a clean worktree, and compare them bit by bit.",
    validate_parameters=True,
)
def reproduce(
    what: str = "HEAD", since: str | None = None, exact: bool = False, workspace: DirectoryPath = Path()
) -> list[dict[str, Any]]:
    """Reproduce one commit or run, or every recording since a revision.

    Args:
        what: a git revision, or an MLflow run: id, prefix of it, or name.
        since: instead of `what`, every commit after this revision that recorded a result.
        exact: fail unless bitwise identical.
        workspace: the folder with dvc.yaml and params.yaml.
    """
    layout = Layout(workspace.resolve())
    with chdir(layout.root):
        names = [what] if since is None else since_then(since, layout)
        states = [one(name, layout.root, exact, return_state=True) for name in names]
    results = [_result(state) for state in states]
    create_markdown_artifact(markdown(results), ARTIFACT, "Reproduction of recorded results")
    if any(result["exit_code"] for result in results):
        raise NotTheSame(results)
    return results


def _result(state: State[dict[str, Any]]) -> dict[str, Any]:
    """The result of a task, also of one that failed with NotTheSame; other errors are raised."""
    try:
        return state.result()
    except NotTheSame as error:
        return error.results[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Reproduce recorded results.")
    parser.add_argument("what", nargs="?", default="HEAD", metavar="RUN|REV")
    parser.add_argument("--all-since", metavar="REV", help="every commit after REV that recorded a result")
    parser.add_argument("--exact", action="store_true", help="fail unless bitwise identical")
    parser.add_argument("--workspace", type=Path, default=Path(), metavar="DIR")
    given = parser.parse_args()
    status = 0
    try:
        with own_server():
            results = reproduce(given.what, given.all_since, given.exact, given.workspace)
    except NotTheSame as error:
        results, status = error.results, error.exit_code
    for result in results:
        render(result, Console())
    sys.exit(status)


if __name__ == "__main__":
    with reported():
        main()
