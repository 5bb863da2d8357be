"""A page in a real browser: headless Chromium, spoken to in its own protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser import Tab, chromium, connection


class Browser(Tab):
    """One tab. What a script on the page throws, or the page asks of the network, is in `troubles`."""

    DOMAINS = ("Page", "Runtime", "Network", "Log")

    def __init__(self, socket: Any) -> None:
        self._loaded = False
        self.troubles: list[str] = []
        super().__init__(socket)

    def open(self, file: Path, fragment: str = "") -> None:
        self.troubles.clear()
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=f"{file.as_uri()}{fragment}")
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
        self.ask("Page.reload")
        while not self._loaded:
            said = json.loads(self._socket.recv(timeout=60))
            self.note(said["method"], said["params"])

    def texts(self, selector: str) -> list[str]:
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, selector: str, value: str) -> None:
        """Set a field as a person does who then leaves it."""
        script = "const e = document.querySelector(%s); e.value = %s; e.dispatchEvent(new Event('change'))"
        self.run(f"{{ {script % (json.dumps(selector), json.dumps(value))} }}")

    def saved(self, selector: str = ".save") -> str:
        """The text of the file that a click on this offers for download."""
        self.run("URL.createObjectURL = blob => { window.offered = blob; return '#'; }")
        self.click(selector)
        return self.run("window.offered.text()")

    def emulate(self, scheme: str, width: int) -> None:
        """`light` or `dark` by prefers-color-scheme, in a window so wide (px)."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        phone = width < 500
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone
        )

    def note(self, event: str, about: dict[str, Any]) -> None:
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
    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    with connection(tmp_path_factory.mktemp("chromium")) as socket:
        yield Browser(socket)


@pytest.fixture
def fresh(browser: Browser, file: Path) -> Browser:
    """A browser on the page `file` of the module, with empty storage."""
    browser.open_fresh(file)
    return browser
