"""`assay review` in a browser: from a key to the next image, opening, scrolling, memory; and the map beside PCA.

The pools are tiny JPEGs, 200 pictures with a comment that makes each file another one. A key is timed from the event's
own time to the end of the frame with the next image, in a browser that does not wait for a screen. A list opens when
all thumbnails on the screen are drawn. Scrolling goes by 240 px a step, and jumps to another place every 50th. With
`--lightly` the page of LightlyStudio is measured in turn, with the same images; and in any case one that only scrolls.
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
from contextlib import ExitStack, contextmanager
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
from benchmarks import lightly
from benchmarks.clock import environment
from benchmarks.figures import Figure, shorten
from benchmarks.pages import NOTHING, Look, Readings, read
from benchmarks.pictures import TRAIN_IMAGES, TRAIN_LABELS, encode
from benchmarks.subjects import Measured, Setting

FEW, MANY = 10_000, 1_000_000
KEYS = 300
PICTURES = 200
NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
LOOK = Look(
    drawn="""(() => {
  const grid = window.review?.now;
  return grid?.cells?.size > 0 && [...grid.cells.keys()].every(at => grid.thumbnails.get(at) !== undefined);
})()""",
    scrolled="review.now.node",
    open="review.open()",
    shown="""(() => {
  const id = window.review?.row?.id;
  return window.review?.now?.bitmaps?.get(id) instanceof ImageBitmap ? id : null;
})()""",
    keys="12345",  # there are five classes: other keys do nothing
)
IDLE = """
import assay.commands.review, assay.web.app, pandas, uvicorn
from benchmarks.review import memory
print(memory(__import__("os").getpid())[0])
"""
"""A process that has imported what the server runs on."""


def measure(setting: Setting) -> Measured:
    figures: list[Figure] = []
    rows: list[dict[str, Any]] = []
    for count in (FEW, MANY):
        n = count // 20 if setting.quick else count
        if setting.quick and count == MANY:
            continue
        root = _made(setting.folder / str(count), n)
        beside = setting.lightly if count == FEW else None
        some, table = of_pool(root, n, KEYS // 10 if setting.quick else KEYS, beside)
        figures, rows = figures + some, rows + table
    of_maps = [] if setting.idx is None else list(maps(setting.idx, 2000 if setting.quick else FEW))
    return figures, {
        "keys": KEYS,
        "browser": "headless Chromium, software rendering",
        "maps": of_maps,
        "pages": rows,
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
    subprocess.run([sys.executable, "-c", line], check=True, env=_importing())
    return root


def of_pool(
    root: Path, count: int, keys: int, lightly_studio: Path | None
) -> tuple[list[Figure], list[dict[str, Any]]]:
    """The figures of a project; and a row for each page, LightlyStudio's too if its environment is there."""
    venv = lightly_studio if lightly_studio and lightly_studio.exists() else None
    added = None if venv is None else lightly.add(venv, Layout(root).pool, root / "lightly")
    with ExitStack() as stack:
        said, pid = stack.enter_context(served(root))
        pages, servers = {"assay": (LOOK, said["url"])}, {"assay": (pid, said["seconds"])}
        if venv is not None:
            address, other, ready = stack.enter_context(lightly.served(venv, root / "lightly"))
            pages["LightlyStudio"], servers["LightlyStudio"] = (lightly.LOOK, address), (other, ready)
        found = read(pages, root, keys)
        memories = {name: memory(number) for name, (number, _) in servers.items()}
    idle = _idle()
    rows = [
        {
            "page": name,
            "images": count,
            "added": added if name == "LightlyStudio" else None,
            "ready": servers[name][1] if name in servers else None,
            "first": one.first or None,
            "again": median(one.again) if name in pages else None,
            "key": median(one.keys) if one.keys else None,
            "keys": len(one.keys),
            "ignored": one.ignored,
            "key_p95": _quantile(one.keys, 0.95) if one.keys else None,
            "longest": one.longest,
            "task": one.task,
            "peak": memories[name][1] / 1e6 if name in memories else None,
        }
        for name, one in found.items()
    ]
    figures = _figures(found["assay"], found[NOTHING], memories["assay"], idle, said["seconds"], count)
    return list(figures), [{name: shorten(value) for name, value in row.items()} for row in rows]


def _figures(
    page: Readings, floor: Readings, held: tuple[float, float], idle: float, ready: float, count: int
) -> Iterator[Figure]:
    title, frames = f"{count:,} images", [frame for some in page.frames for frame in some]
    key = {
        "p95, ms": _quantile(page.keys, 0.95),
        "CPU of the page, ms a key": page.busy,
        "keys": len(page.keys),
        "keys ignored": page.ignored,
        "elements": page.nodes,
        "MB of the page": page.heap,
        "load of the machine": os.getloadavg()[0],
    }
    scrolled = {
        "of each scrolling, ms": page.longest,
        "of a page that only scrolls, ms": floor.longest,
        "median frame, ms": median(frames),
        "p99, ms": _quantile(frames, 0.99),
        "frames": len(frames),
        "over 50 ms": sum(frame > 50 for frame in frames),
    }
    scrolled["over 50 ms, of a page that only scrolls"] = sum(f > 50 for some in floor.frames for f in some)
    memories = {"at the end, MB": held[0] / 1e6, "without a project, MB": idle / 1e6}
    yield Figure(
        f"key to the next image painted, median, {title}", median(page.keys), "at most", 10, "ms", key
    )
    opened = {"first, s": page.first, "server ready, s": ready}
    yield Figure(f"grid opens again, {title}", median(page.again), "at most", 1.5, "s", opened)
    yield Figure(
        f"longest frame while scrolling, {title}",
        max(page.longest),
        "at most",
        50,
        "ms",
        scrolled,
    )
    task = {"of a page that only scrolls, ms": floor.task}
    yield Figure(f"longest task while scrolling, CPU, {title}", page.task, "at most", 16, "ms", task)
    yield Figure(
        f"peak memory of the server, {title}",
        held[1] / 1e6,
        "at most",
        250 + 150 * count / 1e6,
        "MB",
        memories,
    )


def memory(pid: int) -> tuple[float, float]:
    """Resident memory of a process now, and at its peak, in bytes; where /proc is not there, of this one's children."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        peak = float(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        return peak, peak
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    now, peak = (float(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def _idle() -> float:
    """Resident memory, in bytes, of a process that has imported what the server runs on."""
    said = subprocess.run(
        [sys.executable, "-c", IDLE], check=True, env=_importing(), capture_output=True, text=True
    )
    return float(said.stdout)


def _importing() -> dict[str, str]:
    return environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}


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
