"""The flow on a real Prefect server, over real DVC pipelines."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import psutil
import pyarrow as pa
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.exceptions import ParameterTypeError
from prefect.flows import load_flow_from_entrypoint
from rich.console import Console

from assay.data.files import write_json, write_table
from assay.data.holding import holding
from assay.errors import WorkspaceBusy
from assay.lineage.revisions import run_dvc
from assay.tracking.summary import Summary

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]
ROOT = Path(__file__).parents[2]
Make = Callable[..., Path]


def task_states(state: Any) -> dict[str, str]:
    """{task run: its state's name} of a flow run."""

    async def read() -> list[Any]:
        async with get_client() as client:
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
            return list(await client.read_task_runs(flow_run_filter=chosen))

    for _ in range(100):  # task runs reach the server through its event stream
        found = {run.name: run.state_name for run in asyncio.run(read())}
        if found and not {"Running", "Pending"} & set(found.values()):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def logged(state: Any, words: str) -> bool:
    """Whether a line of a flow run's log, tasks included, holds some words; logs arrive in batches."""

    async def read() -> list[Any]:
        async with get_client() as client:
            return list(
                await client.read_logs(
                    LogFilter(flow_run_id=LogFilterFlowRunId(any_=[state.state_details.flow_run_id]))
                )
            )

    for _ in range(100):
        if any(words in log.message for log in asyncio.run(read())):
            return True
        time.sleep(0.1)
    return False


def artifact() -> str:
    async def read() -> list[Any]:
        async with get_client() as client:
            key = ArtifactFilter(key=ArtifactFilterKey(any_=["assay-result"]))
            return list(await client.read_artifacts(artifact_filter=key))

    return str(max(asyncio.run(read()), key=lambda a: a.created).data)


def test_the_stages_of_the_flow_are_those_of_dvc_yaml(flow: ModuleType) -> None:
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert get_args(flow.Stage) == tuple(declared)
    assert set(flow.RETRY_DELAYS) == {"ingest", "track"}


@pytest.fixture(scope="module")
def ran(flow: ModuleType, make_workspace: Make) -> tuple[Path, Any]:
    """A workspace with results of its own, after its first flow run; that run's state."""
    root = make_workspace()
    accuracy = {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.95, "n": 50}}
    write_json(root / "outputs" / "metrics.json", {"primary": "accuracy", "test": accuracy, "val": accuracy})
    write_json(root / "data" / "selection" / "selection.json", {"digest": "d"})
    queue = {"rank": [0], "id": ["f" * 64], "score": [1.0], "strategy": ["margin"], "reason": ["close | call"],
             "predicted": [None], "confidence": [None], "split": ["train"]}  # fmt: skip
    write_table(root / "data" / "selection" / "queue.parquet", pa.table(queue))
    return root, flow.pipeline(root, return_state=True)


def test_there_is_one_task_a_stage_with_its_log(ran: tuple[Path, Any]) -> None:
    _, state = ran
    assert state.is_completed()
    assert task_states(state) == {"ingest": "Completed", "embed": "Completed", "train": "Completed"}
    assert logged(state, "embedding"), "what the stage prints is in the task's log"


def test_the_result_is_an_artifact(ran: tuple[Path, Any]) -> None:
    text = artifact()
    assert "| accuracy | 90.0 % \\[85.0, 95.0\\] | 90.0 % \\[85.0, 95.0\\] | 50 |" in text
    assert "**Label next** (1 of 1)" in text
    assert "close \\| call" in text
    assert "| train | ran |" in text


def test_the_queue_has_a_line_of_80_columns_an_image(flow: ModuleType) -> None:
    row = {"id": "a" * 64, "split": "train", "strategy": "uncertainty_herding", "predicted": "longsleeve",
           "confidence": 0.43, "reason": "a long reason " * 9}  # fmt: skip
    console = Console(file=StringIO(), width=80)
    console.print(flow._queue_table(Summary(queue=[row] * 5, queued=5)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert sum("aaaaaaaaaaaa" in line and "a long" in line for line in lines) == 5
    assert max(map(len, lines)) <= 80
    assert len(lines) == 2 + 5


def test_cached_stages_are_shown_as_such(flow: ModuleType, ran: tuple[Path, Any]) -> None:
    root, _ = ran
    again = flow.pipeline(root, return_state=True)
    assert task_states(again) == {"ingest": "Completed", "embed": "Cached", "train": "Cached"}
    (root / "dvc.lock").unlink()
    restored = flow.pipeline(root, until="embed", return_state=True)
    assert task_states(restored) == {"ingest": "Completed", "embed": "Cached"}, "from the run cache"
    forced = flow.pipeline(root, until="embed", force=True, return_state=True)
    assert task_states(forced) == {"ingest": "Completed", "embed": "Completed"}


@pytest.mark.parametrize(("status", "tries"), [(1, 2), (2, 1)])
def test_ingest_is_tried_again_unless_the_params_are_wrong(
    flow: ModuleType, make_workspace: Make, monkeypatch: pytest.MonkeyPatch, status: int, tries: int
) -> None:
    monkeypatch.setitem(flow.RETRY_DELAYS, "ingest", [0])
    root = make_workspace(
        ingest=f"mkdir -p data; echo x >> tries; [ $(wc -l < tries) = 2 ] && echo 1 > data/pool || exit {status}"
    )
    state = flow.pipeline(root, until="ingest", return_state=True)
    assert state.is_completed() == (tries == 2)
    assert (root / "tries").read_text().count("x") == tries


def test_a_second_flow_run_names_the_first(flow: ModuleType, make_workspace: Make) -> None:
    root = make_workspace()
    states = []
    with holding(root / ".assay", "flow", about="flow run bold-ibex, abc"):
        run = contextvars.copy_context().run  # in another context Prefect would start a server of its own
        other = threading.Thread(target=lambda: states.append(run(flow.pipeline, root, return_state=True)))
        other.start()
        other.join()
    error = states[0].result(raise_on_failure=False)
    assert isinstance(error, WorkspaceBusy)
    assert f"(flow run bold-ibex, abc, process {os.getpid()} on " in str(error)
    assert not (root / "dvc.lock").exists()


def test_parameters_are_checked_before_anything_runs(flow: ModuleType, make_workspace: Make) -> None:
    root = make_workspace()
    with pytest.raises(ParameterTypeError, match="'ingest', 'embed', 'curate'"):
        flow.pipeline(root, until="trian")
    with pytest.raises(ParameterTypeError, match="does not point to a directory"):
        flow.pipeline(root / "nowhere")


def test_prefect_loads_the_flow_from_its_file_and_knows_its_parameters() -> None:
    loaded = load_flow_from_entrypoint(f"{ROOT / 'flows' / 'pipeline.py'}:pipeline")
    assert loaded.validate_parameters({"workspace": str(ROOT), "until": "train"})["until"] == "train"
    assert loaded.parameters.properties["until"]["anyOf"][0]["enum"][0] == "ingest", "a menu in Prefect's UI"


def test_a_night_commits_the_lock_it_made_and_nothing_of_anybody(
    flow: ModuleType, make_workspace: Make
) -> None:
    root = make_workspace()

    def git(*args: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=n@n"]
        return subprocess.run(
            ["git", *who, *args], cwd=root, check=True, capture_output=True, text=True
        ).stdout

    git("config", "user.name", "night")
    git("config", "user.email", "n@n")
    (root / ".gitignore").write_text(".assay/\ndata\nvectors\nmodel\n")
    git("add", "-A")
    git("commit", "-qm", "begin")
    flow.pipeline(root, commit=True)
    assert git("log", "-1", "--format=%s").strip() == "dvc.lock: ingest, embed, train"
    assert git("status", "--porcelain") == ""
    (root / "notes.txt").write_text("of a person\n")
    (root / "dvc.lock").unlink()
    git("commit", "-qam", "the lock is gone")
    flow.pipeline(root, commit=True)
    assert git("log", "-1", "--format=%s").strip() == "the lock is gone"
    assert git("status", "--porcelain").split() == ["??", "dvc.lock", "??", "notes.txt"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PREFECT_API_URL", "http://127.0.0.1:9/api", "no Prefect server answers at http://127.0.0.1:9/api"),
        ("PREFECT_HOME", "/proc/nothing", "Prefect's folder /proc/nothing is not writable"),
    ],
)
def test_a_server_that_cannot_be_had_is_a_line(
    make_workspace: Make, variable: str, value: str, said: str
) -> None:
    env = {name: held for name, held in os.environ.items() if name != "PREFECT_API_URL"} | {variable: value}
    command = [sys.executable, ROOT / "flows" / "pipeline.py", "--workspace", make_workspace()]
    done = subprocess.run(command, env={**env, "COLUMNS": "300"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert variable in done.stderr
    assert len(done.stderr.splitlines()) <= 4  # Prefect warns of its folder too, in two lines


def test_ctrl_c_ends_the_flow_before_its_own_server_and_nothing_is_left(
    make_workspace: Make, tmp_path: Path
) -> None:
    root = make_workspace(train="echo $$ > pid; sleep 300")
    env = {name: held for name, held in os.environ.items() if name != "PREFECT_API_URL"}
    child = subprocess.Popen(
        [sys.executable, ROOT / "flows" / "pipeline.py", "--workspace", root],
        env={**env, "PREFECT_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (root / "pid").exists():
        assert child.poll() is None
        time.sleep(0.05)
    servers = [one for one in psutil.Process(child.pid).children(recursive=True) if "server" in one.cmdline()]
    assert servers
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(servers, timeout=60)
    assert not alive
    assert not [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(root)]


def test_a_cancelled_flow_ends_its_stage(make_workspace: Make, api: str) -> None:
    root = make_workspace(train="echo $$ > pid; sleep 300")
    child = subprocess.Popen(
        [sys.executable, ROOT / "flows" / "pipeline.py", "--workspace", root],
        env={**os.environ, "PREFECT_API_URL": api},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (root / "pid").exists():
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) != 0
    left = [p.info for p in psutil.process_iter(["cwd", "cmdline"]) if p.info["cwd"] == str(root)]
    assert not left
    assert run_dvc(["status", "embed"], root), "DVC's locks are free"


def test_a_failed_stage_ends_the_flow_and_is_not_tried_again(make_workspace: Make, api: str) -> None:
    root = make_workspace(
        ingest="mkdir -p data && echo 1 > data/pool", train="echo x >> tries; echo broken; exit 1"
    )
    done = subprocess.run(
        [sys.executable, ROOT / "flows" / "pipeline.py", "--workspace", root],
        env={**os.environ, "PREFECT_API_URL": api, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "│ embed  │ ran" in done.stdout
    assert "│ train  │ failed" in done.stdout
    assert "broken" in done.stderr
    assert "stage train failed" in done.stderr
    assert (root / "tries").read_text().count("x") == 1
    assert "| train | failed |" in artifact()


def test_the_deployments_for_workers_can_be_deployed(api: str, tmp_path: Path) -> None:
    env = {**os.environ, "PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path), "PROJECT": "steel"}
    run = [sys.executable, "-m", "prefect", "--no-prompt"]
    subprocess.run(
        [*run, "work-pool", "create", "process", "--type", "process"], env=env, check=True, cwd=ROOT
    )
    subprocess.run([*run, "deploy", "--all"], env=env, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)

    async def read() -> tuple[Any, list[Any]]:
        async with get_client() as client:
            weekly = await client.read_deployment_by_name("reproduce/steel-weekly")
            assert (weekly.entrypoint, weekly.parameters["what"]) == ("flows/reproduce.py:reproduce", "HEAD")
            found = await client.read_deployment_by_name("assay/steel-nightly")
            await client.request("POST", "/deployments/{id}/schedule", path_params={"id": found.id})
            chosen = DeploymentFilter(id=DeploymentFilterId(any_=[found.id]))
            return found, list(await client.read_flow_runs(deployment_filter=chosen))

    deployment, nights = asyncio.run(read())
    assert {night.state_name for night in nights} == {"Scheduled"}, (
        "prefect 3.8 schedules nothing on SQLAlchemy 2.1"
    )
    assert deployment.schedules[0].schedule.cron == "0 2 * * *"
    assert deployment.global_concurrency_limit.limit == 1
    assert deployment.concurrency_options.collision_strategy.value == "CANCEL_NEW"
    assert deployment.entrypoint == "flows/pipeline.py:pipeline"
    assert deployment.enforce_parameter_schema
