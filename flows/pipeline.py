"""The pipeline as a Prefect flow: one task for each stage of dvc.yaml, each running `dvc repro` of that stage.

    python flows/pipeline.py [--workspace DIR] [--until STAGE] [--force] [--commit]

dvc.yaml alone defines what is computed and what is skipped; this file adds schedules, retries and logs.
"""

# No `from __future__ import annotations` here: Prefect loads this file as a module that it does not register, so
# pydantic could not resolve the types of the flow's parameters by name.

import argparse
import json
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal, get_args

from prefect import Task, flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed
from pydantic import DirectoryPath
from rich.console import Console
from rich.table import Table

from assay.commands.streams import reported
from assay.commands.terminal import lines_table
from assay.data import holding as locks
from assay.data.files import write_json
from assay.errors import AssayError, WorkspaceBusy
from assay.layout import Layout
from assay.lineage.branches import commit_paths, uncommitted
from assay.lineage.revisions import DvcError, run_dvc, stages
from assay.tracking import last_run
from assay.tracking.summary import Summary, confidence, markdown, summarise
from own_server import own_server

Stage = Literal["ingest", "embed", "curate", "audit", "select", "train", "evaluate", "track"]
RETRY_DELAYS: dict[str, list[float]] = {"ingest": [10, 60], "track": [10, 60]}
"""Seconds before each retry, for stages with external services. The other stages are deterministic."""
FINAL = (2, 3)
"""Exit codes of a stage that are not retried: invalid params, data refused by a gate."""
SKIPPED = ("didn't change, skipping", "is cached - skipping run")
HINTS = (
    "To track the changes",
    "git add",
    "To enable auto staging",
    "dvc config core.autostage",
    "Use `dvc push`",
)
"""Hints of DVC for a terminal, left out of the log."""
ARTIFACT = "assay-result"


class PipelineError(AssayError):
    """A stage failed; the later ones were not run."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of one stage: ran, cached, failed, or not run."""

    stage: str
    outcome: Literal["ran", "cached", "failed", "not run"]
    seconds: float = 0.0


@task(cache_policy=NO_CACHE, persist_result=False)
def run_stage(stage: str, workspace: Path, force: bool) -> State[None]:
    """Run `dvc repro` of one stage, with its output in the log of the task; state `Cached` if it was up to date."""
    log = get_run_logger()

    def say(line: str) -> None:
        if not line.strip().startswith(HINTS):
            log.info("%s", line)

    lines = run_dvc(["repro", "--single-item", *(["--force"] if force else []), stage], workspace, say)
    if any(words in line for line in lines for words in SKIPPED):
        return Completed(name="Cached", message="no dependency of the stage has changed")
    return Completed(message="the stage ran")


def may_pass_next_time(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether to retry a failed stage."""
    try:
        state.result()
    except DvcError as error:
        return error.status not in FINAL
    except Exception:
        return True
    return False


def task_of(stage: str) -> Task[[str, Path, bool], State[None]]:
    """The Prefect task of a stage, with its name."""
    delays = RETRY_DELAYS.get(stage, [])
    return run_stage.with_options(
        name=stage,
        task_run_name=stage,
        retries=len(delays),
        retry_delay_seconds=delays,
        retry_condition_fn=may_pass_next_time,
    )


@flow(name="assay", description="All stages of dvc.yaml, in order.", validate_parameters=True)
def pipeline(
    workspace: DirectoryPath = Path(), until: Stage | None = None, force: bool = False, commit: bool = False
) -> None:
    """Bring a workspace up to date.

    Args:
        workspace: the folder with dvc.yaml and params.yaml.
        until: the last stage to run; default: all.
        force: run stages that are up to date as well.
        commit: commit dvc.lock, unless files were uncommitted before, so that a nightly run leaves a clean workspace.
    """
    names = stages(workspace)
    if until is not None:
        names = names[: names.index(until) + 1]
    layout = Layout(workspace.resolve())
    with holding(layout):
        mine = not commit or _is_clean(layout.root)
        outcomes = _run(names, layout.root, force)
        if commit and mine and outcomes[-1].outcome in ("ran", "cached"):
            _commit_lock(outcomes, layout)
        write_json(layout.scratch / "flow.json", [asdict(outcome) for outcome in outcomes])
        create_markdown_artifact(report(layout, outcomes), ARTIFACT, "Results of the last run")
    if failed := [outcome.stage for outcome in outcomes if outcome.outcome == "failed"]:
        raise PipelineError(f"stage {failed[0]} failed", hint="see its log")


def _run(names: list[str], workspace: Path, force: bool) -> list[Outcome]:
    """Run stages in order, up to the first that fails."""
    outcomes: list[Outcome] = []
    for name in names:
        if outcomes and outcomes[-1].outcome in ("failed", "not run"):
            outcomes.append(Outcome(name, "not run"))
            continue
        start = monotonic()
        state = task_of(name)(name, workspace, force, return_state=True)
        done: Literal["ran", "cached"] = "cached" if state.name == "Cached" else "ran"
        outcomes.append(Outcome(name, done if state.is_completed() else "failed", monotonic() - start))
    return outcomes


def _is_clean(root: Path) -> bool:
    """Whether the workspace has no uncommitted files; a warning names them."""
    if files := uncommitted(root):
        get_run_logger().warning(
            "dvc.lock will not be committed: %s uncommitted before this run", ", ".join(files[:3])
        )
    return not files


def _commit_lock(outcomes: list[Outcome], layout: Layout) -> None:
    """Commit dvc.lock if the run changed it and no other file."""
    if uncommitted(layout.root) == ["dvc.lock"]:
        ran = ", ".join(o.stage for o in outcomes if o.outcome == "ran")
        scores = "".join(f"\n{m.title}: test {m.interval(test)}" for m, test, _ in summarise(layout).scores)
        made = commit_paths(["dvc.lock"], f"dvc.lock: {ran}\n{scores}", layout.root)
        get_run_logger().info("committed dvc.lock as %s", made[:8])


def holding(layout: Layout) -> AbstractContextManager[None]:
    """Context with the lock of the workspace. WorkspaceBusy, with its owner, if another flow run has it."""
    run = runtime.flow_run
    about = f"flow run {run.name}, {run.id}"
    return locks.holding(
        layout.scratch, "flow", wait=0, about=about, hint="wait for it, or `prefect flow-run cancel ID`"
    )


def report(layout: Layout, outcomes: list[Outcome]) -> str:
    """The artifact in Markdown: metrics with intervals, snapshot, first images of the queue, links, stages."""
    tracked = last_run(layout)
    links = [(f"MLflow run {tracked['run']}", tracked["url"])] if tracked.get("url") else []
    rows = "\n".join(f"| {o.stage} | {o.outcome} | {o.seconds:.1f} |" for o in outcomes)
    table = f"| stage | outcome | seconds |\n| --- | --- | --- |\n{rows}"
    changed = f"**Changed: {tracked['changed']}** (run `{tracked['run']}`)\n\n" if tracked else ""
    return f"{changed}{markdown(summarise(layout), links)}\n{table}\n"


# --- the terminal


def main() -> int:
    """Run the flow from a shell, on the configured Prefect server or on its own."""
    options = _arguments()
    layout = Layout(options.workspace)
    with own_server():
        state = pipeline(options.workspace, options.until, options.force, options.commit, return_state=True)
    done = layout.scratch / "flow.json"
    error = None if state.is_completed() else state.result(raise_on_failure=False)
    if done.exists() and not isinstance(error, WorkspaceBusy):
        show([Outcome(**row) for row in json.loads(done.read_text())], summarise(layout), last_run(layout))
    if error is not None:
        hint = f"\n{error.hint}" if isinstance(error, AssayError) and error.hint else ""
        Console(stderr=True).print(f"[red]✗[/] {error}{hint}", highlight=False)
    return int(error is not None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the pipeline of a workspace as a Prefect flow.")
    parser.add_argument("--workspace", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--until", choices=get_args(Stage), metavar="STAGE", help=", ".join(get_args(Stage)))
    parser.add_argument("--force", action="store_true", help="run stages that are up to date as well")
    parser.add_argument(
        "--commit", action="store_true", help="commit dvc.lock, if nothing else is uncommitted"
    )
    return parser.parse_args()


def show(outcomes: list[Outcome], summary: Summary, tracked: dict[str, Any]) -> None:
    """Print the stages, the metrics and the images to label next."""
    console = Console()
    console.print()
    console.print(_stages_table(outcomes))
    if summary.scores:
        console.print(_metrics_table(summary))
    if summary.queue:
        console.print(_queue_table(summary))
    if tracked:
        where = tracked["url"] or "`make ui` shows it"
        console.print(
            f"MLflow run [bold]{tracked['run']}[/], changed: [bold]{tracked['changed']}[/]. {where}"
        )


def _stages_table(outcomes: list[Outcome]) -> Table:
    colours = {"ran": "green", "cached": "cyan", "failed": "red", "not run": "dim"}
    table = Table("stage", "outcome", title="Stages", title_justify="left")
    table.add_column("seconds", justify="right")
    for o in outcomes:
        colour = colours[o.outcome]
        table.add_row(o.stage, f"[{colour}]{o.outcome}[/]", f"{o.seconds:.1f}" if o.seconds else "")
    return table


def _metrics_table(summary: Summary) -> Table:
    counts = ", ".join(f"{split} {labelled:,}" for split, labelled, _ in summary.splits)
    table = Table("metric", "test (95 % interval)", "val", title="Metrics", title_justify="left",
                  caption=f"labelled: {counts}" if counts else None, caption_justify="left")  # fmt: skip
    for metric, test, val in summary.scores:
        table.add_row(metric.title, metric.interval(test), metric.interval(val))
    return table


def _queue_table(summary: Summary) -> Table:
    title = f"Label next (the first {min(5, len(summary.queue))} of {summary.queued:,})"
    widths = {"image": 12, "split": 5, "strategy": 19, "predicted": 16}
    rows = []
    for row in summary.queue[:5]:
        guess = f"{row['predicted']} {confidence(row['confidence'])}" if row["predicted"] else ""
        rows.append((row["id"][:12], row["split"], row["strategy"], guess, row["reason"]))
    return lines_table(rows, widths, "why", title)


if __name__ == "__main__":
    with reported():
        sys.exit(main())
