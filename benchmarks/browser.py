"""Headless Chromium, spoken to in its own protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.clock import Failed

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-precise-memory-info",
    "--remote-debugging-port=0",
)
UNPACED = ("--disable-frame-rate-limit", "--disable-gpu-vsync")
"""Frames are not held back for a screen: what is timed is work, not the wait for the next of 60 frames a second."""
SIZE = (1280, 900)


class Tab:
    """A tab of a browser."""

    DOMAINS = ("Page", "Runtime")

    def __init__(self, socket: Any) -> None:
        self._socket, self._asked = socket, 0
        for domain in self.DOMAINS:
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while (said := json.loads(self._socket.recv(timeout=300))).get("id") != self._asked:
            self.note(said["method"], said["params"])
        if "error" in said:
            raise Failed(f"{method}: {said['error']}")
        result: dict[str, Any] = said["result"]
        return result

    def note(self, event: str, about: dict[str, Any]) -> None:
        """What the browser says unasked."""

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Give the page a window of this size, px."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def run(self, script: str) -> Any:
        """The value of an expression on the page."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise Failed(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def until(self, script: str, seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > deadline:
                raise Failed(f"never: {script}")
            time.sleep(0.02)

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)


def chromium() -> str | None:
    """The program; None if there is none on this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def tab(folder: Path, options: Sequence[str] = ()) -> Iterator[Tab]:
    """A tab of a new browser with its profile in `folder`. Failed if there is no Chromium."""
    with connection(folder, options) as socket:
        one = Tab(socket)
        one.resize(*SIZE)
        yield one


@contextmanager
def connection(folder: Path, options: Sequence[str] = ()) -> Iterator[Any]:
    """A websocket to the first tab of a new browser. Failed if there is no Chromium."""
    from websockets.sync.client import connect

    if (program := chromium()) is None:
        raise Failed("there is no Chromium on this machine")
    command = [program, *OPTIONS, *options, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(folder, process), max_size=None, proxy=None) as socket:
            yield socket
    finally:
        process.terminate()
        process.wait(20)


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    port, deadline = folder / "DevToolsActivePort", time.monotonic() + 60
    while not (port.exists() and port.read_text().strip()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed("Chromium did not start")
        time.sleep(0.05)
    listed = f"http://127.0.0.1:{port.read_text().split()[0]}/json/list"
    while True:
        with build_opener(ProxyHandler({})).open(listed, timeout=20) as answer:
            pages = [one for one in json.load(answer) if one["type"] == "page"]
        if pages:
            return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.05)
