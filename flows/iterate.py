"""`assay iterate` as a Prefect flow: a task for each stage and each other step of a round.

    python flows/iterate.py [NAME] [--workspace DIR] [--rounds N] [--budget N] [--target X] [--enough SHARE]
                            [--deadline HOURS]

While images wait for people, a run of a deployment (`iterate/PROJECT-rounds`) is *suspended*: its process ends. The
deployment `watch/PROJECT-watch` (flows/watch.py) resumes it once the images are answered or the deadline has passed;
the button on its page does so at once. If answers are missing, it is suspended again. Without a deployment the flow
ends with exit code 4, as `assay iterate` does; another call resumes.
"""

# No `from __future__ import annotations` here: see flows/pipeline.py

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from prefect import flow, get_run_logger, runtime, suspend_flow_run, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import DirectoryPath, Field, PositiveInt
from rich.console import Console

from assay.commands.iterate import WAITING, render, run
from assay.commands.streams import reported
from assay.layout import Layout
from assay.params import load_params
from assay.rounds.family import note
from assay.rounds.stages import patiently
from own_server import own_server
from pipeline import holding, task_of
from watch import announce

ARTIFACT = "assay-rounds"
T = TypeVar("T")


class Log:
    """The Progress of a flow run: its log."""

    @contextmanager
    def bar(
        self, label: str, total: int | None = None, unit: str = "images"
    ) -> Iterator[Callable[[int], None]]:
        self.say(label)
        yield lambda _: None

    def say(self, text: str) -> None:
        get_run_logger().info("%s", text)


class Tasks:
    """Runs each step as a task: a stage by `dvc repro` with DVC's log, other steps in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stages(self, names: Sequence[str]) -> None:
        for name in names:
            patiently(lambda name=name: self._stage(name), Log())  # type: ignore[misc]

    def _stage(self, name: str) -> None:
        state = task_of(name)(name, self.root, False, return_state=True)
        if not state.is_completed():
            state.result(raise_on_failure=True)

    def act(self, name: str, call: Callable[[], T]) -> T:
        step = task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)
        return step(call)()


@flow(
    name="iterate",
    description="Rounds of select, annotate, train, evaluate, track and promote; each a commit on a branch of its own.",
    validate_parameters=True,
)
def iterate(
    name: str | None = None,
    workspace: DirectoryPath = Path(),
    rounds: PositiveInt | None = None,
    budget: PositiveInt | None = None,
    target: float | None = None,
    enough: Annotated[float, Field(gt=0, le=1)] | None = None,
    deadline: Annotated[float, Field(gt=0)] | None = None,
) -> dict[str, Any]:
    """Run rounds until a rule stops them. Defaults: section `iterate` of params.yaml.

    Args:
        name: name of the rounds, on branch iterate/NAME; default: those of the current branch, or the next free number.
        workspace: the folder with dvc.yaml and params.yaml.
        rounds: total number of rounds.
        budget: total number of answers.
        target: stop when the whole interval of the primary metric on test has reached this.
        enough: share of the images that must be answered before a round goes on.
        deadline: hours after which a round goes on with the answers that there are.
    """
    layout = Layout(workspace.resolve())
    changed = {"rounds": rounds, "budget": budget, "target": target, "enough": enough, "deadline": deadline}
    with chdir(layout.root), holding(layout):
        result = run(load_params(layout.params), layout, name, changed, Log(), Tasks(layout.root))
        create_markdown_artifact(note(result), ARTIFACT, "Rounds, and why they ended")
    if result["waiting"] and runtime.deployment.id:
        announce(result, layout.root)
        suspend_flow_run(
            key=uuid4().hex
        )  # a new key, so that open images suspend the run again after a resume
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Rounds of labelling and training, each a commit.")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--workspace", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--rounds", type=int, help="in all")
    parser.add_argument("--budget", type=int, help="total number of answers")
    parser.add_argument("--target", type=float, help="stop when the whole interval on test has reached it")
    parser.add_argument("--enough", type=float, help="share of the images that must be answered")
    parser.add_argument(
        "--deadline", type=float, help="hours after which a round goes on with the answers there are"
    )
    given = parser.parse_args()
    rules = given.rounds, given.budget, given.target, given.enough, given.deadline
    with own_server():
        result = iterate(given.name, given.workspace, *rules)
    render(result, Console())
    sys.exit(WAITING if result["waiting"] else 0)


if __name__ == "__main__":
    with reported():
        main()
