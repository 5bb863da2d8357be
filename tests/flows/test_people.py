"""Rounds with people, everything real: served deployments, suspended runs, stages, a browser, a Label Studio server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.flow_runs import resume_flow_run
from prefect.flows import load_flow_from_entrypoint

from tests.annotators.studio import TOKEN, Server, choice, submit, tasks_of
from tests.flows.asking import ROOT, ask, prefect, progress, state
from tests.pipeline.conftest import Workspace
from tests.pipeline.forking import programs
from tests.reports.conftest import Browser
from tests.web.reviewing import command, page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
SERVE = """\
import runpy, sys
sys.executable = {python!r}
sys.argv = ["flows/serve.py", "--name", "people"]
sys.path.insert(0, "flows")
runpy.run_path("flows/serve.py", run_name="__main__")
"""
"""`flows/serve.py --name people`, whose runs are forks: see tests/pipeline/forking.py."""
ANSWERS = 3
"""Images of a round."""


@pytest.fixture(scope="module")
def served(done: Workspace, api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The deployments of a project, and the process that runs them."""
    project = done.copy(tmp_path_factory.mktemp("served") / "project")
    env = {
        **project.env,
        "PREFECT_API_URL": api,
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "LABEL_STUDIO_TOKEN": TOKEN,
    }
    line = [sys.executable, "-c", SERVE.format(python=str(programs() / "python"))]
    with (project.root.parent / "serve.log").open("wb") as log:
        process = subprocess.Popen(line, cwd=project.root, env=env, stdout=log, stderr=log)
        try:
            until(lambda: b"being served" in Path(log.name).read_bytes(), Path(log.name))
            yield
        finally:
            process.terminate()
            process.wait()


def until(true: Callable[[], Any], log: Path | None = None, seconds: float = 1000) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, log.read_text()[-5000:] if log else "never"
        time.sleep(0.3)


def begin(done: Workspace, root: Path, annotator: str, **options: Any) -> Workspace:
    """A copy of the project whose people answer with this annotator, in two rounds."""
    project = done.copy(root)
    select = {"annotator": annotator, "annotator_options": options, "budget": ANSWERS}
    project.set({"select": select, "iterate": {"rounds": 2, "promote": False}})
    project.commit("people answer")
    return project


def start(deployment: str, **parameters: Any) -> UUID:
    """A run of a deployment; its id."""

    async def made(client: Any) -> Any:
        found = await client.read_deployment_by_name(deployment)
        return await client.create_flow_run_from_deployment(found.id, parameters=parameters)

    return UUID(str(ask(made).id))


def wait_for(run: UUID, name: str) -> None:
    """Until the run is in the state of this name."""

    def there() -> bool:
        now = ask(lambda client: client.read_flow_run(run)).state
        assert now.name == name or not now.is_final(), f"{now.name}: {now.message}"
        return bool(now.name == name)

    until(there)


def title(run: UUID) -> str:
    return str(ask(lambda client: client.read_flow_run(run)).name)


def log(project: Workspace) -> list[str]:
    """The subjects of the commits of the rounds, the last one first."""
    return project.run("git", "log", "--format=%s", "main..").stdout.splitlines()


def watching() -> None:
    """Start the deployment that resumes runs, in place of its schedule."""
    start("watch/people-watch", every=1)


# --- a reminder


@pytest.fixture
def reminded(api: str, tmp_path: Path) -> Iterator[list[str]]:
    """What a webhook is sent by the automation of `flows/reminder.yaml`, after ten seconds in place of a day."""
    heard: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        block = CustomWebhookNotificationBlock(name="hook", url=url, json_data={"body": "{{body}}"})
        made = yaml.safe_load((ROOT / "flows" / "reminder.yaml").read_text())
        (automation,) = made["automations"]
        automation["trigger"]["within"] = 10
        automation["actions"][0]["block_document_id"] = str(block.save("reminder-of-a-test", overwrite=True))
        (tmp_path / "reminder.yaml").write_text(yaml.safe_dump(made))
        prefect("automation", "create", "--from-file", str(tmp_path / "reminder.yaml"), api=api)
        try:
            yield heard
        finally:
            prefect("automation", "delete", automation["name"], api=api)
            server.shutdown()


# --- the page


def test_people_answer_in_the_browser_and_the_rounds_go_on_by_themselves(
    done: Workspace, served: None, tmp_path: Path, browser: Browser, reminded: list[str], database: Path
) -> None:
    from own_server import free_port

    port = free_port()
    project = begin(done, tmp_path / "project", "review", url=f"http://127.0.0.1:{port}")
    run = start("iterate/people-rounds", workspace=str(project.root), name="demo")
    wait_for(run, "Suspended")
    percent, about = progress(run)
    assert (percent, about.splitlines()[0]) == (0, "0 of 3 images are answered; goes on with all")
    assert str(project.root) in about, "where to call it"
    (link,) = re.findall(r"\]\((http\S+)\)", about)
    assert title(run) == "demo, round 1: 0 of 3 answered"
    until(lambda: reminded)
    assert reminded[0].startswith("demo, round 1: 0 of 3 answered has waited for a day: http")
    assert reminded[0].endswith(f"/flow-run/{run}")

    with command(project.root, "sent", "--port", str(port)) as (_, said):
        watching()
        with page(browser, said["url"]) as it:
            it.open(link)
            it.ready()
            first = it.ids()
            it.press("Enter", "1", "2")
            it.saved()
            until(lambda: progress(run)[0] > 60)
            assert (title(run), state(run)) == ("demo, round 1: 2 of 3 answered", "Suspended")
            it.press("3")
            it.saved()
        until(lambda: title(run).startswith("demo, round 2"))
        wait_for(run, "Suspended")
        assert [subject.split(":")[0] for subject in log(project)] == ["iterate demo, round 1"]
        assert progress(run)[0] == 0

        project.set({"iterate": {"deadline": 0.0001}})
        project.commit("a third of a second is long enough")
        watching()
        until(lambda: "or at" in progress(run)[1])
        assert state(run) == "Suspended", "the deadline has passed, without an answer"
        with page(browser, said["url"]) as it:
            it.ready()
            then = it.ids()
            it.press("Enter", "1")
            it.saved()
            assert it.troubles() == []
        wait_for(run, "Completed")
    assert len(first) == len(then) == ANSWERS
    assert not set(first) & set(then)
    told = project.json("iterate")
    assert [(row["asked"], row["answered"], row["open"]) for row in told["rounds"][1:]] == [
        (ANSWERS, {"label": 3}, 0),
        (ANSWERS, {"label": 1}, 2),
    ]
    assert told["stopped"]["rule"] == "rounds"
    token = said["url"].rsplit("token=", 1)[1]
    stored = b"".join(file.read_bytes() for file in database.parent.glob("prefect.db*"))
    assert link.encode() in stored
    assert token.encode() not in stored


# --- Label Studio


def test_people_answer_in_label_studio_and_the_rounds_go_on_by_themselves(
    done: Workspace, served: None, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = begin(done, tmp_path / "project", "label_studio", url=server.url, project="rounds")
    run = start("iterate/people-rounds", workspace=str(project.root), name="demo")
    wait_for(run, "Suspended")
    percent, about = progress(run)
    assert (percent, about.splitlines()[0]) == (0, "0 of 3 images are answered; goes on with all")
    number = tasks_of(server, "rounds")[0]["project"]
    assert f"]({server.url}/projects/{number}/data)" in about

    look = load_flow_from_entrypoint(f"{ROOT / 'flows' / 'watch.py'}:watch")
    options = {"url": server.url, "project": "rounds"}
    monkeypatch.setenv("WRONG", "0" * 40)
    for changed, words in (
        ({"url": "http://127.0.0.1:9"}, "Label Studio at http://127.0.0.1:9 does not answer"),
        ({"token": "WRONG"}, "(401): Invalid token"),
        ({"token": "MISSING"}, "the environment variable MISSING is not set"),
        ({"project": "gone"}, "has no project 'gone': deleted, or renamed?"),
    ):
        project.set({"select": {"annotator_options": {**options, **changed}}})
        look("people", minutes=0)
        assert words in progress(run)[1].splitlines()[0]
        assert progress(run)[0] == 0
    project.run("git", "checkout", "params.yaml")
    look("people", minutes=0)
    assert progress(run)[1] == about

    server.client.delete(f"/api/projects/{number}/").raise_for_status()
    resume_flow_run(run)
    until(lambda: f"/projects/{number}/" not in progress(run)[1])
    wait_for(run, "Suspended")
    for number in (1, 2):
        until(lambda number=number: title(run) == f"demo, round {number}: 0 of 3 answered")  # type: ignore[misc]
        wait_for(run, "Suspended")
        for task in tasks_of(server, "rounds")[-ANSWERS:]:
            submit(server, task, choice("3"))
        watching()
        until(lambda number=number: title(run) != f"demo, round {number}: 0 of 3 answered")  # type: ignore[misc]
    wait_for(run, "Completed")
    assert [subject.split(":")[0] for subject in log(project)][-2:] == [
        "iterate demo, round 2",
        "iterate demo, round 1",
    ]
    assert project.json("iterate")["answers"] == 2 * ANSWERS
