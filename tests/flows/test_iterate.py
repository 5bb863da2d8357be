"""The rounds as a flow on a real Prefect server: suspended while people label, and going on when resumed."""

from __future__ import annotations

import asyncio
import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.flow_runs import resume_flow_run
from prefect.flows import load_flow_from_entrypoint

from assay.commands.iterate import NOT_FIT
from assay.data.edits import read_batches
from assay.data.fold import fold
from assay.data.pool import Pool
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import select
from tests.reports.conftest import Browser
from tests.web.reviewing import command, page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api"), pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
ENTRYPOINT = f"{ROOT / 'flows' / 'iterate.py'}:iterate"
NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
PARAMS = {
    "ingest": {"sources": [{"name": "s", "format": "demo"}]},
    "select": {"strategy": "random", "budget": 4, "ruler_halfwidth": 0.49, "annotator": "file"},
}
STAGES = {
    "ingest": {"cmd": "cat data/pool/index.txt", "always_changed": True},
    "select": {"cmd": "echo choosing", "deps": ["params.yaml"]},
}


@pytest.fixture
def workspace(make_pool: Any, tmp_path: Path) -> Layout:
    """A repository with a queue, whose stages do nothing up to `select`, and whose `train` fails."""
    make_pool(tmp_path / "project/data/pool")
    return begin(tmp_path / "project", {})


def begin(root: Path, changes: dict[str, Any], train: int = 1, test: float = 0.2) -> Layout:
    """A repository around a pool, with a queue. `train`: exit code of that stage; `test`: share of the images."""
    layout = Layout(root)
    params = {**PARAMS, **changes, "select": {**PARAMS["select"], **changes.get("select", {})}}
    stages = {
        **STAGES,
        "train": {"cmd": f"echo the model is not what is tested here; exit {train}", "deps": ["data/edits"]},
    }
    (layout.pool / "index.txt").write_text("20 images\n")
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (root / ".gitignore").write_text(
        ".assay/\n/data/pool\n/data/snapshot\n/data/selection\n/labelling\nmlflow.db\n"
    )
    layout.edits.mkdir(parents=True)
    (layout.edits / ".gitkeep").touch()
    layout.snapshot.mkdir()
    snapshot = fold(Pool.open(layout.pool), [], NO_PAIRS, {"train": 0.8 - test, "val": 0.2, "test": test}, 0)
    snapshot.write(layout.snapshot)
    select.run(parse_params(params), layout, silent)
    for line in ("git init -qb main", "dvc init -q", "git add -A", "git commit -qm start"):
        subprocess.run(line.split(), cwd=root, check=True, env=environment())
    return layout


def environment() -> dict[str, str]:
    who = {"GIT_AUTHOR_NAME": "Ada", "GIT_COMMITTER_NAME": "Ada"}
    mail = {"GIT_AUTHOR_EMAIL": "ada@localhost", "GIT_COMMITTER_EMAIL": "ada@localhost"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **who, **mail, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull}


@pytest.fixture
def deployed() -> str:
    """The id of a deployment of the flow."""
    return str(load_flow_from_entrypoint(ENTRYPOINT).to_deployment("demo-rounds").apply())  # type: ignore[union-attr]


def execute(run: str, api: str) -> str:
    """Start the process that a worker starts for a run that is due; the name of the state that it ends in."""
    command = [sys.executable, "-m", "prefect.engine", str(run)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment(), "PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        check=False,
    )
    state = ask(lambda client: client.read_flow_run(run)).state
    assert state.is_paused() or state.is_final(), done.stdout[-3000:] + done.stderr[-3000:]
    return str(state.name)


def ask(question: Any) -> Any:
    """What the server answers."""

    async def put() -> Any:
        async with get_client() as client:
            return await question(client)

    return asyncio.run(put())


def test_a_run_is_suspended_until_the_answers_are_there(workspace: Layout, deployed: str, api: str) -> None:
    watch = load_flow_from_entrypoint(f"{ROOT / 'flows' / 'watch.py'}:watch")
    parameters = {"workspace": str(workspace.root), "name": "demo"}
    run = ask(lambda client: client.create_flow_run_from_deployment(deployed, parameters=parameters)).id
    assert execute(run, api) == "Suspended"
    percent, about = progress(run)
    assert percent == 0
    assert about.startswith("0 of 4 images are answered; goes on with all\n")
    (file,) = (workspace.root / "labelling").glob("0001-file-*.csv")
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4

    answer(file, rows, 3)
    watch("demo", minutes=0)
    assert state(run) == "Suspended", "one is still open"
    percent, about = progress(run)
    assert (percent, about.splitlines()[-1]) == (75, f"- {file.relative_to(workspace.root)}")
    assert read_batches(workspace.edits) == [], "only the run itself accepts answers"
    resume_flow_run(run)
    assert execute(run, api) == "Suspended", "resumed by hand too early"
    answer(file, rows, 4)
    watch("demo", minutes=0)
    assert state(run) == "Resuming"
    assert execute(run, api) == "Failed", "it went on to train"
    assert [len(batch) for _, batch in read_batches(workspace.edits)] == [3, 1]
    assert len(list(workspace.ledger.glob("*.jsonl"))) == 1


def test_people_answer_in_the_browser_and_the_next_round_begins(
    make_pool: Any, tmp_path: Path, deployed: str, api: str, browser: Browser, database: Path
) -> None:
    """Five images are queued. The first round sends four and needs half; the second one sends the last."""
    make_pool(tmp_path / "project/data/pool")
    rules = {"budget": 4, "enough": 0.5}
    chosen = {"annotator": "review", "budget": 5}
    layout = begin(tmp_path / "project", {"iterate": rules, "select": chosen}, train=NOT_FIT, test=0.0)
    watch = load_flow_from_entrypoint(f"{ROOT / 'flows' / 'watch.py'}:watch")
    parameters = {"workspace": str(layout.root), "name": "demo"}
    run = ask(lambda client: client.create_flow_run_from_deployment(deployed, parameters=parameters)).id
    assert execute(run, api) == "Suspended"
    percent, about = progress(run)
    assert (percent, about.splitlines()[0]) == (0, "0 of 4 images are answered; goes on with 50%")
    assert about.splitlines()[-1] == "- the page of `assay review sent`"
    assert str(layout.root) in about, "where to call it"
    with command(layout.root, "sent") as (_, said):
        with page(browser, said["url"]) as it:
            it.ready()
            first = it.ids()
            it.press("Enter", "1")
            it.saved()
            it.run("document.querySelector('#bar .primary').click()")
            it.run("document.querySelector('dialog .primary').click()")
            it.until(
                "/Written: data.edits.0001-review.jsonl/.test(document.querySelector('dialog').innerText)"
            )
        watch("demo", minutes=0)
        assert (state(run), progress(run)[0]) == ("Suspended", 25), "an answer by Done counts"
        with page(browser, said["url"]) as it:
            it.ready()
            it.press("Enter", "2")
            it.saved()
        watch("demo", minutes=0)
        assert (state(run), progress(run)[0]) == ("Resuming", 50), "without Done as well"
        assert execute(run, api) == "Suspended", "the second round waits"
        assert progress(run)[1].startswith("0 of 1 images are answered")
        with page(browser, said["url"]) as it:
            it.ready()
            then = set(it.ids())
            assert it.troubles() == []
    assert len(first) == 4
    assert len(then - set(first)) == 1, "sent since"
    assert then & set(first) == set(first) - set(answered(layout)), "still open"
    assert [len(batch) for _, batch in read_batches(layout.edits)] == [1, 1], "by Done, and from the journal"
    assert len(set(answered(layout))) == 2
    assert set(answered(layout)) < set(first)
    assert len(list(layout.ledger.glob("*.jsonl"))) == 2
    token = said["url"].rsplit("token=", 1)[1]
    stored = b"".join(file.read_bytes() for file in database.parent.glob("prefect.db*"))
    assert b"assay review sent" in stored
    assert token.encode() not in stored


def answered(layout: Layout) -> list[str]:
    return [one.id for _, batch in read_batches(layout.edits) for one in batch]


def state(run: str) -> str:
    return str(ask(lambda client: client.read_flow_run(run)).state.name)


def progress(run: str) -> tuple[float, str]:
    """Percent and description of the progress artifact of a run, the newest one."""
    found = ask(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(
                key=ArtifactFilterKey(any_=["assay-answers"]), flow_run_id=ArtifactFilterFlowRunId(any_=[run])
            )
        )
    )
    newest = max(found, key=lambda artifact: artifact.created)
    return newest.data, newest.description


def answer(file: Path, rows: list[dict[str, str]], many: int) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([*({**row, "label": "odd"} for row in rows[:many]), *rows[many:]])


def test_prefect_loads_the_flow_from_its_file_and_knows_its_parameters() -> None:
    loaded = load_flow_from_entrypoint(ENTRYPOINT)
    assert loaded.validate_parameters({"workspace": str(ROOT), "rounds": 2})["rounds"] == 2


def test_the_reminder_is_an_automation_of_prefect(api: str, tmp_path: Path) -> None:
    """Prefect checks the trigger and the action; a block of another kind stands for that of e-mail or Slack."""
    command = [sys.executable, "-m", "prefect", "automation", "create", "--from-file", "flows/reminder.yaml"]
    env = {**environment(), "PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = ask(lambda client: client.read_automations_by_name("images wait for people"))
    assert (made.trigger.posture, made.trigger.expect) == (
        "Proactive",
        {"prefect.flow-run.Resuming", "prefect.flow-run.Cancelled"},
    )
