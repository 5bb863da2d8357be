"""A page in a real browser: headless Chromium, spoken to in its own protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One tab. What a script on the page throws, or the page asks of the network, is in `troubles`."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._asked = 0
        self._loaded = False
        self.troubles: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, file: Path, fragment: str = "") -> None:
        self.troubles.clear()
        self._ask("Page.navigate", url="about:blank")
        self._ask("Page.navigate", url=f"{file.as_uri()}{fragment}")
        deadline = time.monotonic() + 60
        while not self.run(
            f"document.readyState === 'complete' && location.href.startsWith({json.dumps(file.as_uri())})"
        ):
            assert time.monotonic() < deadline, f"{file} does not load"
            time.sleep(0.05)

    def open_fresh(self, file: Path) -> None:
        """Open a page as somebody does who has never seen it: nothing is stored."""
        self.open(file)
        self.run("localStorage.clear()")
        self.reload()

    def reload(self) -> None:
        """Open the page again in the same process, which has seen every write to `localStorage`."""
        self.troubles.clear()
        self._loaded = False
        self._ask("Page.reload")
        while not self._loaded:
            said = json.loads(self._socket.recv(timeout=60))
            self._note(said["method"], said["params"])

    def run(self, script: str) -> Any:
        """The value of an expression on the page."""
        done = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, selector: str, value: str) -> None:
        """Set a field as a person does who then leaves it."""
        script = "const e = document.querySelector(%s); e.value = %s; e.dispatchEvent(new Event('change'))"
        self.run(f"{{ {script % (json.dumps(selector), json.dumps(value))} }}")

    def press(self, key: str) -> None:
        """Press a key and let it go: `a`, `ArrowRight`, `Enter`."""
        text = {"text": key} if len(key) == 1 else {}
        self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self._ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def saved(self, selector: str = ".save") -> str:
        """The text of the file that a click on this offers for download."""
        self.run("URL.createObjectURL = blob => { window.offered = blob; return '#'; }")
        self.click(selector)
        return self.run("window.offered.text()")

    def emulate(self, scheme: str, width: int) -> None:
        """`light` or `dark` by prefers-color-scheme, in a window so wide (px)."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        phone = width < 500
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone
        )

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(timeout=60))
            if said.get("id") == self._asked:
                assert "error" not in said, said
                return said["result"]
            self._note(said["method"], said["params"])

    def _note(self, event: str, about: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Runtime.exceptionThrown":
            self.troubles.append(json.dumps(about["exceptionDetails"]))
        elif event == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.troubles.append(about["entry"]["text"])
        elif event == "Network.requestWillBeSent" and not about["request"]["url"].startswith(
            ("file:", "data:", "about:")
        ):
            self.troubles.append(about["request"]["url"])


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    connect = pytest.importorskip("websockets.sync.client").connect
    home = tmp_path_factory.mktemp("chromium")
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]
    command = [CHROMIUM, *quiet, f"--user-data-dir={home}", "--remote-debugging-port=0", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_tab(home, process), max_size=None, proxy=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def fresh(browser: Browser, file: Path) -> Browser:
    """A browser on the page `file` of the module, with empty storage."""
    browser.open_fresh(file)
    return browser


def _tab(home: Path, process: subprocess.Popen[bytes]) -> str:
    """The address of the first tab, once the browser is up."""
    from urllib.request import ProxyHandler, build_opener

    port, deadline = home / "DevToolsActivePort", time.monotonic() + 60
    while not (port.exists() and port.read_text().strip()):
        assert process.poll() is None, "Chromium did not start"
        assert time.monotonic() < deadline, "Chromium does not say its port"
        time.sleep(0.05)
    address = f"http://127.0.0.1:{port.read_text().split()[0]}/json/list"
    while True:
        with build_opener(ProxyHandler({})).open(address, timeout=20) as answer:
            tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
        if tabs:
            return tabs[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
