"""A project to review, its server, and the page in a browser of somebody's own."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import yaml

from assay.data.edits import read_batches
from assay.data.journal import FOLDER, Journal
from assay.layout import Layout
from assay.params import Params
from assay.web import access, app
from assay.web.review import Review
from tests.conftest import png
from tests.project import Project
from tests.reports.conftest import Browser

SOURCE = {"sources": [{"name": "s", "format": "csv", "path": "raw/images.csv"}]}
KINDS = ("circle", "square", "triangle")


def make_project(root: Path, images: int, classes: Sequence[str] = KINDS) -> Project:
    """Small pictures: of ten, four have a label; all that have none are queued."""
    project = Project(
        root, ingest=SOURCE, select={"strategy": "random", "budget": 2 * images, "ruler_halfwidth": 0.49}
    )
    labels = [classes[n % len(classes)] if n % 10 < 4 else None for n in range(images)]
    splits = [("train", "val", "test")[0 if n % 10 < 8 else n % 10 - 7] for n in range(images)]
    metadata = [json.dumps({"camera": f"cam{n % 3}"}) for n in range(images)]
    project.put([png(n, 12) for n in range(images)], label=labels, split=splits, metadata=metadata)
    project.curate()
    project.select()
    (root / "params.yaml").write_text(yaml.safe_dump({**project.defaults}))
    return project


def judgements(root: Path) -> dict[str, list[Any]]:
    """{content id: what it comes to} of all edit batches, in order."""
    found: dict[str, list[Any]] = {}
    for _, batch in read_batches(Layout(root).edits):
        for one in batch:
            said = one.op if one.annotations is None else [note.category for note in one.annotations]
            found.setdefault(one.id, []).append(said)
    return found


def journal(root: Path) -> Journal:
    return Journal(root / FOLDER)


@dataclass(frozen=True)
class Site:
    """A server in a thread."""

    port: int
    people: list[access.Person]
    review: Review

    def link(self, name: str = "", query: str = "") -> str:
        token = next(one.token for one in self.people if name in ("", one.name))
        return f"http://127.0.0.1:{self.port}/?token={token}{query and '&'}{query}"

    def cookie(self, name: str = "") -> str:
        return f"assay-{self.port}={next(one.token for one in self.people if name in ('', one.name))}"

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request with exactly these headers, and a Host unless it is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None and "Transfer-Encoding" not in (headers or {}):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        said = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        connection.close()
        return said

    def talk(self, lines: Sequence[str], body: bytes, length: bool = True, half: bool = False) -> int:
        """Status of a POST to /api/judge with these lines as headers, byte by byte. `half`: close without reading."""
        told = [f"Content-Length: {len(body)}"] if length else []
        head = "".join(
            f"{line}\r\n" for line in ["POST /api/judge HTTP/1.1", *lines, *told, "Connection: close"]
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as one:
            one.sendall(head.encode("latin-1") + b"\r\n" + body)
            return 0 if half else int(one.makefile("rb").readline().split()[1])

    def post(self, path: str, said: Any, name: str = "", **headers: str) -> tuple[int, Any]:
        usual = {
            "Cookie": self.cookie(name),
            "Origin": f"http://127.0.0.1:{self.port}",
            "Content-Type": "application/json",
        }
        status, _, body = self.ask("POST", path, usual | headers, json.dumps(said).encode())
        return status, json.loads(body)


@contextmanager
def serving(
    params: Params, layout: Layout, people: dict[str, access.Rights] | None = None, **guard: Any
) -> Iterator[Site]:
    review = Review(params, layout)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        invited = access.invite(layout.scratch / "review-people.json", people or {"Ada": "judge"})
        made = access.Guard(app.make_app(review), invited, port, **guard)
        server = access.make_server(made)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        _until(lambda: server.started)
        try:
            yield Site(port, invited, review)
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def command(
    root: Path, *options: str, stderr: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`assay review` as a process, and what it says of itself."""
    line = [sys.executable, "-m", "assay", "review", "--no-open", "--json", *options]
    process = subprocess.Popen(line, cwd=root, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()
        if process.stderr is not None:
            process.stderr.close()


def _until(true: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "never"
        time.sleep(0.01)


class Page:
    """The page of `assay review` in a browser context of its own: own cookies, own storage."""

    def __init__(self, browser: Browser, link: str) -> None:
        self.browser = browser
        self.origin = link.split("/?")[0]
        browser.emulate("light", 1100)
        browser.troubles.clear()
        self.open(link)

    def open(self, link: str) -> None:
        self.browser.ask("Page.navigate", url="about:blank")
        self.browser.ask("Page.navigate", url=link)
        self.until("window.review?.rows?.n >= 0 || !!document.querySelector('.empty b')")

    def run(self, expression: str) -> Any:
        return self.browser.run(expression)

    def until(self, expression: str) -> None:
        _until(lambda: self.run(expression))

    def press(self, *names: str) -> None:
        """Press keys one after the other: `1`, `ArrowRight`, `Shift+U`, `Control+a`."""
        bits = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
        for name in names:
            *held, key = name.split("+")
            mask = sum(bits[one] for one in held)
            text = {"text": key} if len(key) == 1 and "Control" not in held else {}
            for what, more in (("keyDown", text), ("keyUp", {})):
                self.browser.ask("Input.dispatchKeyEvent", type=what, key=key, modifiers=mask, **more)

    def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        for what, (x, y), held in (
            ("mousePressed", start, 1),
            ("mouseMoved", end, 1),
            ("mouseReleased", end, 0),
        ):
            self.browser.ask(
                "Input.dispatchMouseEvent", type=what, x=x, y=y, button="left", buttons=held, clickCount=1
            )

    def middle(self, at: int) -> tuple[float, float]:
        """Middle of a cell of the grid, px of the window."""
        script = "(() => { const b = document.getElementById('cell-%d').getBoundingClientRect(); "
        x, y = self.run(f"{script % at}return [b.left + b.width / 2, b.top + b.height / 2]; }})()")
        return x, y

    def ready(self) -> None:
        """Wait for the rows around the present place."""
        self.until("review.row !== null")

    def saved(self) -> None:
        """Wait until everything is on the server's disk."""
        self.until("review.outbox.pending === 0")

    def says(self, text: str) -> None:
        """Wait until the line at the top says this of what is saved."""
        self.until(f"document.querySelector('#bar .saved')?.textContent === {json.dumps(text)}")

    def ids(self) -> list[str]:
        """Content ids of the whole list, in its order."""
        return self.run(
            "(async () => { const out = []; for (let at = 0; at < review.rows.n; at++) "
            "out.push((await review.rows.wait(at)).id); return out; })()"
        )

    def offline(self, is_so: bool) -> None:
        self.browser.ask(
            "Network.emulateNetworkConditions",
            offline=is_so,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def asleep(self, is_so: bool) -> None:
        """As a laptop that is closed: no script runs, no timer, until it is opened."""
        state = "frozen" if is_so else "active"
        self.browser.ask("Page.setWebLifecycleState", state=state)
        self.browser.ask("Emulation.setFocusEmulationEnabled", enabled=not is_so)  # else it stays hidden

    def texts_of(self, selector: str) -> list[str]:
        return self.browser.texts(selector)

    def troubles(self) -> list[str]:
        """What went wrong on the page, or was asked of another server."""
        return [one for one in self.browser.troubles if not one.startswith((self.origin, "blob:"))]


HOLD = """(() => {
  const asked = window.fetch, held = [];
  window.fetch = (url, more) => String(url).includes("%s")
    ? new Promise(done => held.push(() => done(asked(url, more)))) : asked(url, more);
  window.release = () => { window.fetch = asked; held.forEach(go => go()); return held.length; };
})()"""


def held(shown: Page, path: str) -> Callable[[], int]:
    """Hold requests of a path back until the result is called; it returns how many there were."""
    shown.run(HOLD % path)
    return lambda: int(shown.run("window.release()"))


@contextmanager
def page(browser: Browser, link: str) -> Iterator[Page]:
    """The page in a new context, as on another computer."""
    from websockets.sync.client import connect

    host, port = browser._socket.remote_address[:2]
    with build_opener(ProxyHandler({})).open(f"http://{host}:{port}/json/version", timeout=20) as answer:
        whole = json.load(answer)["webSocketDebuggerUrl"]
    with connect(whole, max_size=None, proxy=None) as control:
        context = _ask(control, "Target.createBrowserContext")["browserContextId"]
        target = _ask(control, "Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        with connect(f"ws://{host}:{port}/devtools/page/{target}", max_size=None, proxy=None) as connection:
            yield Page(Browser(connection), link)
        _ask(control, "Target.disposeBrowserContext", browserContextId=context)


def _ask(control: Any, method: str, **params: Any) -> dict[str, Any]:
    control.send(json.dumps({"id": 1, "method": method, "params": params}))
    while "id" not in (said := json.loads(control.recv(timeout=60))):
        pass
    return said["result"]
