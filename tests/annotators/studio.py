"""A real Label Studio server for tests, on a copy of a data folder that has its migrations already."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock

from assay.annotators._label_studio_client import Studio

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-label-studio"
PROGRAM = HOME / "bin" / "label-studio"
MIGRATED = HOME / "migrated"
"""Data folder after the first start, which takes half a minute of CPU; tests start from copies."""
TOKEN = "0123456789abcdef0123456789abcdef01234567"
"""Legacy token of the user."""
USER, BO = "ada@example.local", "bo@example.local"
START = 400
"""Most seconds for a start."""
ABSENT = "there is no Label Studio: `make label-studio` installs it, 4 minutes, 1 GB"


@dataclass(frozen=True)
class Server:
    url: str
    client: httpx.Client
    """Authenticated by TOKEN."""


@contextmanager
def label_studio(folder: Path) -> Iterator[Server]:
    """A server with an empty database in `folder`, on a free port; it ends with the block."""
    with FileLock(HOME / "migrated.lock"):
        if not MIGRATED.is_dir():
            new = HOME / "migrating"
            shutil.rmtree(new, ignore_errors=True)
            with _running(new):
                pass
            new.rename(MIGRATED)
    shutil.copytree(MIGRATED, folder)
    with _running(folder) as server:
        yield server


@contextmanager
def _running(folder: Path) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(PROGRAM), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=_environment(folder), cwd=folder, stdout=stream, stderr=stream
        )
    try:
        _await_health(url, process, log)
        headers = {"Authorization": f"Token {TOKEN}"}
        with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
            yield Server(url, client)
    finally:
        process.terminate()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    quiet = {
        "COLLECT_ANALYTICS": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "0",
    }
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **quiet,
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_USERNAME": USER,
        "LABEL_STUDIO_PASSWORD": "labels-of-images",
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
    }


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        time.sleep(0.2)
    raise RuntimeError(f"Label Studio does not start:\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- what people see and do


def tasks_of(server: Server, title: str) -> list[dict[str, Any]]:
    """All tasks of the project with this title, in order."""
    (found,) = Studio(server.client).projects(title)
    asked = {"project": found["id"], "page_size": 1000, "fields": "all", "resolve_uri": "false"}
    return server.client.get("/api/tasks", params=asked).raise_for_status().json()["tasks"]  # type: ignore[no-any-return]


def choice(*names: str) -> list[dict[str, Any]]:
    value = {"choices": list(names)}
    return [{"id": "1", "from_name": "tag", "to_name": "image", "type": "choices", "value": value}]


def submit(server: Server, task: dict[str, Any], result: list[dict[str, Any]], **more: Any) -> int:
    sent = {"result": result, "lead_time": 4.25, **more}
    made = server.client.post(f"/api/tasks/{task['id']}/annotations/", json=sent).raise_for_status().json()
    return int(made["id"])


@contextmanager
def second_person(server: Server) -> Iterator[Server]:
    """The server as seen by somebody who has signed up by the invitation of the organisation."""
    headers = {"Authorization": f"Token {_token_of_bo(server)}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=120) as client:
        yield Server(server.url, client)


@cache
def _token_of_bo(server: Server) -> str:
    url = server.client.get("/api/invite").raise_for_status().json()["invite_url"]
    with httpx.Client(base_url=server.url, follow_redirects=True, timeout=60) as client:
        client.get(url)
        form = {"email": BO, "password": "labels-of-images", "allow_newsletters": "false"}
        form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
        client.post(url, data=form, headers={"Referer": server.url}).raise_for_status()
        return str(client.get("/api/current-user/token").raise_for_status().json()["token"])


def rectangle(*corner: float, rotation: float = 0, label: str | None = "car") -> dict[str, Any]:
    x, y, w, h = corner
    value: dict[str, Any] = {"x": x, "y": y, "width": w, "height": h, "rotation": rotation}
    if label is not None:
        value["rectanglelabels"] = [label]
    size = {"original_width": 40, "original_height": 20, "image_rotation": 0}
    return {
        "id": f"r{x}",
        "type": "rectanglelabels",
        "from_name": "box",
        "to_name": "image",
        "value": value,
        **size,
    }
