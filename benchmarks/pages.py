"""How fast a page with a grid of images is, in a browser: opening, scrolling, and from a key to the next image.

The same of every page: what differs is how a page says that it is drawn, which image it shows, and what it scrolls.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.browser import SIZE, UNPACED, Tab, connection
from benchmarks.clock import Failed

NOTHING = "nothing"
WHEELS = 200
PATIENCE = 10.0
"""Seconds after which a key counts as ignored."""
ROUNDS = 3
"""Openings of a page that was open before, and scrollings: pages take turns."""


@dataclass(frozen=True)
class Look:
    """Expressions of a page."""

    drawn: str
    """True once every image on the first screen of the grid is drawn."""
    scrolled: str
    """The element that the grid scrolls in."""
    open: str
    """Show the first image alone."""
    shown: str
    """What identifies the image that is shown alone, once it is decoded; otherwise null."""
    keys: Sequence[str]
    """Show the next image, each of them; pressed in turn."""
    pace: float = 0.02
    """Seconds from one key to the next: a page may ignore keys until it is ready for them."""
    most: int = 1000
    """Most keys that are pressed."""
    settle: str = "null"
    """After the first opening: close what asks whether a tour is wanted."""


EMPTY = Look("true", "document.querySelector('div')", "null", "null", ())
BLANK = "data:text/html," + quote(
    "<body style='margin:0'><div style='height:100vh;overflow:auto'><p style='height:999999px'>nothing</p></div>"
)
"""A page that only scrolls: the floor of every frame on this machine, as it is at that moment."""

WATCH = """
window.opened = 0; window.taken = []; window.turn = 0;
const until = (true_, then) => (function look() { if (true_()) then(); else requestAnimationFrame(look); })();
until(() => { try { return %(drawn)s; } catch { return false; } }, () => window.opened = performance.now());
addEventListener('keydown', event => {
  if (event.repeat) return;
  const shown = () => %(shown)s, before = shown(), at = event.timeStamp, turn = ++window.turn;
  requestAnimationFrame(() => until(() => turn < window.turn || ![null, before].includes(shown()), () => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { if (turn === window.turn) window.taken.push(performance.now() - at); };
    channel.port2.postMessage(0);
  }));
}, true);
"""
SCROLL = """
(async () => {
  const node = %s, frames = [];
  let last = performance.now(), stop = false;
  const look = () => {
    frames.push(performance.now() - last);
    last = performance.now();
    if (!stop) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  for (let n = 0; n < %d; n++) {
    node.scrollTop += n %% 50 === 49 ? node.scrollHeight / 7 : 240;
    await new Promise(done => setTimeout(done, 16));
  }
  stop = true;
  return frames;
})()
"""


@dataclass
class Readings:
    """Of one page."""

    first: float = 0.0
    """Seconds until the first screen is drawn, in a browser that never saw the page."""
    again: list[float] = field(default_factory=list)
    frames: list[list[float]] = field(default_factory=list)
    """Milliseconds of each frame, of each scrolling."""
    task: float = 0.0
    """Longest task of the page's thread while scrolling, in ms of CPU: it does not depend on the load."""
    keys: list[float] = field(default_factory=list)
    """Milliseconds from a key to the end of the frame with the next image."""
    ignored: int = 0
    """Keys that showed no image; they were pressed again."""
    busy: float = 0.0
    """CPU of the page's thread, in ms a key."""
    nodes: int = 0
    heap: float = 0.0
    """MB of the page's objects."""

    @property
    def longest(self) -> list[float]:
        """The longest frame of each scrolling, ms."""
        return [max(frames) for frames in self.frames]


class Traced(Tab):
    """A tab that keeps what the browser traces."""

    def __init__(self, socket: Any) -> None:
        self._events: list[dict[str, Any]] = []
        self._complete = False
        super().__init__(socket)
        self.resize(*SIZE)

    def note(self, event: str, about: dict[str, Any]) -> None:
        self._events += about["value"] if event == "Tracing.dataCollected" else []
        self._complete |= event == "Tracing.tracingComplete"

    def longest_task(self, script: str) -> float:
        """Milliseconds of CPU of the longest task of the page's main thread while a script runs."""
        self.ask("Tracing.start", categories="toplevel,devtools.timeline", transferMode="ReportEvents")
        self.run(script)
        self.ask("Tracing.end")
        while not self._complete:
            self.run("null")
        named = [one for one in self._events if one.get("name") == "thread_name"]
        mains = {(one["pid"], one["tid"]) for one in named if one["args"]["name"] == "CrRendererMain"}
        tasks = [one for one in self._events if one.get("name", "").endswith("RunTask")]
        return max(float(one.get("tdur", 0)) for one in tasks if (one["pid"], one["tid"]) in mains) / 1000


def read(pages: dict[str, tuple[Look, str]], folder: Path, keys: int) -> dict[str, Readings]:
    """The readings of pages, {name: (look, address)}, and of NOTHING: a page that only scrolls."""
    found: dict[str, Readings] = defaultdict(Readings)
    scrolling = {**pages, NOTHING: (EMPTY, BLANK)}
    with _tabs(scrolling, folder / "paced") as tabs:
        for name, (look, address) in pages.items():
            found[name].first = _open(tabs[name], address)
            tabs[name].run(look.settle)
        for _ in range(ROUNDS):
            for name, (look, address) in scrolling.items():
                found[name].again.append(_open(tabs[name], address))
                time.sleep(1)
                found[name].frames.append(tabs[name].run(SCROLL % (look.scrolled, WHEELS)))
                tabs[name].ask("Page.navigate", url="about:blank")
        for name, (look, address) in scrolling.items():
            _open(tabs[name], address)
            time.sleep(1)
            found[name].task = tabs[name].longest_task(SCROLL % (look.scrolled, WHEELS))
    for name, page in pages.items():
        with _tabs({name: page}, folder / "unpaced", *UNPACED) as tabs:
            _keys(tabs[name], *page, keys, found[name])
    return dict(found)


@contextmanager
def _tabs(pages: dict[str, tuple[Look, str]], folder: Path, *options: str) -> Iterator[dict[str, Traced]]:
    """A browser for each page, all with new profiles."""
    with ExitStack() as stack:
        tabs = {name: Traced(stack.enter_context(connection(folder / name, options))) for name in pages}
        for name, (look, _) in pages.items():
            tabs[name].ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH % vars(look))
        yield tabs


def _open(page: Tab, address: str) -> float:
    """Seconds until the first screen of the grid is drawn."""
    page.ask("Page.navigate", url="about:blank")
    page.ask("Page.navigate", url=address)
    page.until("window.opened > 0 && location.href !== 'about:blank'")
    return float(page.run("window.opened")) / 1000


def _keys(page: Tab, look: Look, address: str, keys: int, found: Readings) -> None:
    """Press keys, each once the image of the one before is painted."""
    page.ask("Performance.enable", timeDomain="threadTicks")
    _open(page, address)
    page.run(look.settle)
    page.run(look.open)
    page.until(f"{look.shown} !== null")
    time.sleep(2)
    page.run("window.taken.length = 0")
    before = _busy(page)
    while (n := page.run("window.taken.length")) < min(keys, look.most):
        page.press(look.keys[n % len(look.keys)])
        found.ignored += not _shows(page, n, look.pace)
    found.keys = page.run("window.taken")
    found.busy = 1000 * (_busy(page) - before) / len(found.keys)
    found.nodes = page.run("document.querySelectorAll('*').length")
    found.heap = page.run("performance.memory.usedJSHeapSize / 1e6")


def _shows(page: Tab, n: int, pace: float) -> bool:
    """Whether a key after `n` others shows an image, within the time in which a person would press it again."""
    time.sleep(pace)
    with suppress(Failed):
        page.until(f"window.taken.length > {n}", PATIENCE)
        return True
    return False


def _busy(page: Tab) -> float:
    """CPU time of the page's main thread so far, in seconds."""
    metrics = {one["name"]: one["value"] for one in page.ask("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])
