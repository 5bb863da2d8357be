"""LightlyStudio with the images of a pool, in a virtual environment of its own: 7 GB, as it brings CUDA.

python3.11 -m venv .venv-lightly-studio && .venv-lightly-studio/bin/pip install lightly-studio
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from assay.data.pool import Pool
from benchmarks.clock import Failed, environment, seconds
from benchmarks.pages import Look

SAMPLES = """[...document.querySelectorAll('img[src*="/images/sample/"]')]"""
LOOK = Look(
    drawn=f"""(() => {{
  const seen = {SAMPLES}.filter(one => one.getBoundingClientRect().top < innerHeight);
  return seen.length > 20 && seen.every(one => one.complete && one.naturalWidth);
}})()""",
    scrolled="document.querySelector('.grid-scroll')",
    open=f"{SAMPLES}[0].dispatchEvent(new MouseEvent('dblclick', {{bubbles: true}})), null",
    shown=f"""(() => {{
  const [one, ...more] = {SAMPLES};
  return one?.complete && one.naturalWidth && !more.length ? one.src : null;
}})()""",
    keys=("ArrowRight",),
    pace=1.0,
    most=100,
    settle="[...document.querySelectorAll('button')].find(one => one.textContent.trim() === 'Dismiss')?.click()",
)
QUIET = {"LIGHTLY_STUDIO_ANALYTICS_ENABLED": "false"}
ADD = """
import sys
from lightly_studio.core.image.image_dataset import ImageDataset
from lightly_studio.database import db_manager
db_manager.connect(db_file=sys.argv[1])
ImageDataset.create().add_images_from_path(path=sys.argv[2], embed=False)
db_manager.close()
"""
SERVE = """
import sys
from lightly_studio.core.start_gui import start_gui
from lightly_studio.database import db_manager
db_manager.connect(db_file=sys.argv[1])
start_gui(host="127.0.0.1", port=int(sys.argv[2]), open_browser=False)
"""


def add(venv: Path, pool: Path, folder: Path) -> float:
    """The images of a pool as files and in a database of LightlyStudio; seconds it took to take them in."""
    images = folder / "images"
    images.mkdir(parents=True)
    stored = Pool.open(pool)
    for row in range(len(stored)):
        (images / f"{row:06d}.jpg").write_bytes(stored.at(row))
    return seconds(lambda: _finish(_start(venv, folder, ADD, "images"), folder))


@contextmanager
def served(venv: Path, folder: Path) -> Iterator[tuple[str, int, float]]:
    """The address of the grid, the process of the server, and after how many seconds it answered."""
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    began, process = time.perf_counter(), _start(venv, folder, SERVE, str(port))
    try:
        number = _collection(f"http://127.0.0.1:{port}", process)
        ready = time.perf_counter() - began
        yield f"http://127.0.0.1:{port}/datasets/{number}/image/{number}/images", process.pid, ready
    finally:
        process.terminate()
        process.wait(60)


def _start(venv: Path, folder: Path, script: str, argument: str) -> subprocess.Popen[bytes]:
    line = [str(venv.absolute() / "bin/python"), "-c", script, "images.duckdb", argument]
    alone = {name: value for name, value in environment().items() if not name.startswith("PYTHON")}
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(line, cwd=folder, env=alone | QUIET, stdout=said, stderr=said)


def _finish(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.wait():
        raise Failed(f"LightlyStudio took no images:\n{(folder / 'said').read_text()[-4000:]}")


def _collection(origin: str, process: subprocess.Popen[bytes]) -> str:
    """The only collection of a server, once it answers."""
    while process.poll() is None:
        try:
            with build_opener(ProxyHandler({})).open(f"{origin}/api/collections", timeout=60) as answer:
                return str(json.load(answer)[0]["collection_id"])
        except URLError:
            time.sleep(0.1)
    raise Failed("LightlyStudio did not start")
