"""`assay review` in a browser: from a key to the next image, opening, scrolling, memory; and the map beside PCA.

The pools are tiny JPEGs, 200 pictures with a comment that makes each file another one. A key is timed from the event's
own time to the end of the frame with the next image, in a browser that does not wait for a screen. A list opens when
all thumbnails on the screen are drawn. Scrolling goes by 240 px a step, and jumps to another place every 50th.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from assay.data.fold import fold
from assay.data.images.decode import inspect
from assay.data.pool import Pool, PoolWriter, content_id
from assay.layout import Layout
from benchmarks.browser import UNPACED, Tab, tab
from benchmarks.clock import environment
from benchmarks.figures import Figure
from benchmarks.pictures import TRAIN_IMAGES, TRAIN_LABELS, encode
from benchmarks.subjects import Measured, Setting

FEW, MANY = 10_000, 1_000_000
KEYS, WHEELS = 300, 200
PICTURES = 200
NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
TIMED = """
window.taken = []; window.frames = [];
addEventListener('keydown', event => {
  if (event.repeat) return;
  requestAnimationFrame(() => { const channel = new MessageChannel(); const at = event.timeStamp;
    channel.port1.onmessage = () => window.taken.push(performance.now() - at); channel.port2.postMessage(0); });
}, true);
(function look() {
  const app = window.review, grid = app?.now;
  const drawn = grid?.cells?.size && [...grid.cells.keys()].every(at => grid.thumbnails.get(at) !== undefined);
  if (drawn) window.opened ??= performance.now();
  else requestAnimationFrame(look);
})();
"""
SCROLL = """
(async () => {
  const node = review.now.node, frames = [];
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


def measure(setting: Setting) -> Measured:
    figures: list[Figure] = []
    for count in (FEW, MANY):
        n = count // 20 if setting.quick else count
        if setting.quick and count == MANY:
            continue
        figures += of_pool(_made(setting.folder / str(count), n), n, KEYS // 10 if setting.quick else KEYS)
    rows = [] if setting.idx is None else list(maps(setting.idx, 2000 if setting.quick else FEW))
    return figures, {
        "keys": KEYS,
        "browser": "headless Chromium, software rendering",
        "maps": rows,
    }


def make_project(root: Path, count: int) -> None:
    """A project with `count` tiny JPEGs, half of them labelled, in a pool with a snapshot."""
    layout, rng = Layout(root), np.random.default_rng(0)
    bases = [encode(rng.integers(0, 256, (32, 32), dtype=np.uint8)) for _ in range(PICTURES)]
    info = inspect(bases[0], 1 << 20)
    with PoolWriter(layout.pool, 100_000, 1 << 30) as writer:
        for n in range(count):
            data = bases[n % PICTURES]
            data = data[:2] + b"\xff\xfe\x00\x0a%08d" % n + data[2:]  # a comment after the start of the image
            sample = content_id(data)
            writer.add(sample, data, info)
            note = f'[{{"category":"{n % 10}"}}]' if n % 2 else None
            writer.add_row(
                "imports", (sample, "s", f"{n // 1000}/{n}.jpg", note, None, None, None, "{}", False)
            )
            if writer.full:
                writer.commit()
    snapshot = fold(Pool.open(layout.pool), [], NO_PAIRS, {"train": 0.8, "val": 0.1, "test": 0.1}, 0)
    layout.snapshot.mkdir(parents=True)
    snapshot.write(layout.snapshot)
    source = {"name": "s", "format": "csv", "path": "images.csv"}
    layout.params.write_text(yaml.safe_dump({"ingest": {"sources": [source]}}))


@contextmanager
def served(root: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The page of a project: what the command says, and the id of its process."""
    line = [sys.executable, "-m", "assay", "review", "all", "--no-open", "--json", "--port", "0"]
    process = subprocess.Popen(line, cwd=root, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        began = time.perf_counter()
        said = json.loads(process.stdout.readline())
        yield {**said, "seconds": time.perf_counter() - began}, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _made(root: Path, count: int) -> Path:
    """`make_project` in a process of its own, whose memory is no longer needed."""
    root.mkdir(parents=True)
    line = f"from benchmarks.review import *; make_project(Path({str(root)!r}), {count})"
    subprocess.run(
        [sys.executable, "-c", line],
        check=True,
        env=environment() | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return root


def of_pool(root: Path, count: int, keys: int) -> list[Figure]:
    """The figures of one project."""
    with served(root) as (said, pid):
        with tab(root / "paced") as page:
            page.ask("Page.addScriptToEvaluateOnNewDocument", source=TIMED)
            cold, *warm = [_open(page, said["url"]) for _ in range(4)]
            frames = page.run(SCROLL % WHEELS)
        with tab(root / "unpaced", UNPACED) as page:
            page.ask("Page.addScriptToEvaluateOnNewDocument", source=TIMED)
            page.ask("Performance.enable", timeDomain="threadTicks")
            _open(page, said["url"])
            taken, busy = _keys(page, keys)
            nodes = page.run("document.querySelectorAll('*').length")
            heap = page.run("performance.memory.usedJSHeapSize / 1e6")
        peak = _peak(pid)
    title = f"{count:,} images"
    parts = {
        "p95, ms": _quantile(taken, 0.95),
        "CPU of the page, ms a key": busy,
        "keys": len(taken),
        "elements": nodes,
        "MB of the page": heap,
        "load of the machine": os.getloadavg()[0],
    }
    opened = {"first, s": cold, "server ready, s": said["seconds"]}
    scrolled = {"median, ms": median(frames), "p99, ms": _quantile(frames, 0.99), "frames": len(frames)}
    return [
        Figure(f"key to the next image painted, median, {title}", median(taken), "at most", 10, "ms", parts),
        Figure(f"grid opens again, {title}", median(warm), "at most", 1.5, "s", opened),
        Figure(f"longest frame while scrolling, {title}", max(frames), "at most", 50, "ms", scrolled),
        Figure(f"peak memory of the server, {title}", peak / 1e6, "at most", 400 + 1000 * count / 1e6, "MB"),
    ]


def _keys(page: Tab, keys: int) -> tuple[list[float], float]:
    """Milliseconds from each of so many keys to the end of the frame; CPU of the page for each."""
    page.press("Enter")
    page.until("!!review.row && review.now.bitmaps?.size > 8")
    time.sleep(1)
    page.run("window.taken.length = 0")
    before = _busy(page)
    for n in range(keys):
        page.press(str(n % 10))
        time.sleep(0.02)
    page.until(f"window.taken.length >= {keys}")
    taken, busy = page.run("window.taken"), 1000 * (_busy(page) - before) / keys
    page.until("review.outbox.pending === 0")
    return taken, busy


def _open(page: Tab, url: str) -> float:
    """Seconds until the first screen of the grid is drawn."""
    page.ask("Page.navigate", url="about:blank")
    page.ask("Page.navigate", url=url)
    page.until("window.opened > 0")
    return float(page.run("window.opened")) / 1000


def _busy(page: Tab) -> float:
    """CPU time of the page's main thread so far, in seconds."""
    metrics = {one["name"]: one["value"] for one in page.ask("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def _peak(pid: int) -> float:
    """Peak resident memory of a process in bytes; of this one's children where /proc is not there."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) * 1024


def _quantile(values: list[float], q: float) -> float:
    return float(np.quantile(values, q))


# --- the map


def maps(idx: Path, count: int) -> Iterator[dict[str, Any]]:
    """Share of images whose class most of their ten neighbours on the map have, on Fashion-MNIST's pixels."""
    from sklearn.decomposition import PCA

    from assay.web import projection

    images = np.frombuffer(gzip.decompress((idx / TRAIN_IMAGES).read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((idx / TRAIN_LABELS).read_bytes()), np.uint8, offset=8)[:count]
    vectors = images.reshape(-1, 784)[:count].astype(np.float32) / 255
    began = time.process_time()
    flat = PCA(2, random_state=0).fit_transform(vectors)
    yield _of_map("first two components", flat, labels, time.process_time() - began)
    began = time.process_time()
    placed = projection.project(_Vectors(vectors))  # type: ignore[arg-type]
    name = f"t-SNE of {projection.LANDMARKS:,}, the others placed"
    yield _of_map(name, placed, labels, time.process_time() - began)
    yield _of_map("all 784 pixels", vectors, labels, 0.0)


def _of_map(name: str, places: Any, labels: Any, seconds: float) -> dict[str, Any]:
    import faiss

    from assay.metrics.estimates import wilson

    index, places = faiss.IndexFlatL2(places.shape[1]), np.ascontiguousarray(places, np.float32)
    index.add(places)
    asked = np.arange(min(3000, len(places)))
    near = labels[index.search(places[asked], 11)[1][:, 1:]]
    right = np.array([np.bincount(row, minlength=10).argmax() for row in near]) == labels[asked]
    low, high = wilson(int(right.sum()), len(right))
    about = {"map": name, "images": len(places), "n": len(right), "low": float(low), "high": float(high)}
    return {**about, "neighbours": float(right.mean()), "cpu_seconds": seconds}


class _Vectors:
    """Vectors as `Embeddings` gives them."""

    def __init__(self, vectors: Any) -> None:
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._vectors)

    def at(self, rows: Any) -> Any:
        return self._vectors[rows]
