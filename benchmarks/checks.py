"""The image checks and the search for near-duplicates, on one core: ours, decoding alone, and other tools.

python -m benchmarks.checks FOLDER REPEATS     the timed program; FOLDER contains raw/, class folders of JPEGs

Seconds are CPU time of a process on one core, which depends little on the load of the machine. Other tools
(cleanvision, imagededup) are measured if they are installed; assay does not require them.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

PINNED = hasattr(os, "sched_setaffinity")
if PINNED and __name__ == "__main__":  # before numpy counts the cores
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for libraries in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[libraries] = "1"

import numpy as np  # noqa: E402

from benchmarks.clock import environment, in_turn, medians  # noqa: E402
from benchmarks.figures import Figure  # noqa: E402
from benchmarks.pictures import write_folders  # noqa: E402
from benchmarks.project import ROOT  # noqa: E402
from benchmarks.subjects import Measured, Setting  # noqa: E402

IMAGES, SOME, FEW = 60_000, 10_000, 2_000
"""Numbers of images: near-duplicates; the checks and decoding; slow tools."""
SHARD, BATCH = 10_000, 256


def measure(setting: Setting) -> Measured:
    images = write_folders(setting.folder / "raw", setting.images(IMAGES), setting.idx)
    command = [
        sys.executable,
        "-m",
        "benchmarks.checks",
        str(setting.folder / "raw"),
        str(setting.repeats(3)),
    ]
    env = environment() | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    found = json.loads(subprocess.check_output(command, env=env, text=True))
    about = {"images": images, "on one core": found["pinned"], "pairs": found["pairs"]}
    return _figures(found["rates"], found["seconds"]), about


def _figures(rates: dict[str, float], seconds: dict[str, float]) -> list[Figure]:
    """`rates`: images per CPU second; `seconds`: CPU time for near-duplicates."""
    ours = rates.pop("ours")
    parts = {f"images a second, {name}": rate for name, rate in rates.items()}
    figures = [Figure("image checks, images a second on one core", ours, "at least", 2000, "", parts)]
    if "cleanvision" in rates:
        ratio = ours / rates["cleanvision"]
        figures.append(Figure("image checks: ours / cleanvision, images a second", ratio, "at least", 1, "×"))
    alone = seconds.pop("ours")
    figures.append(Figure("near-duplicates of the whole pool, one core", alone, "at most", 30, "s", seconds))
    return figures


def works(files: list[str]) -> dict[str, tuple[Callable[[], object], int]]:
    """{name: (work, number of images)} for the rates."""
    some, few = files[:SOME], files[:FEW]
    found: dict[str, tuple[Callable[[], object], int]] = {
        "ours": (lambda: our_checks(some), len(some)),
        "decoding alone, simplejpeg": (lambda: _simplejpeg(some), len(some)),
        "decoding alone, Pillow": (lambda: _pillow(some), len(some)),
    }
    if _is_there("cleanvision"):
        found["cleanvision"] = (lambda: _cleanvision(few), len(few))
    return found


def our_checks(files: list[str]) -> int:
    """The steps of embed and audit: read, decode, statistics, thumbnails, verdicts. Returns the number of issues."""
    from assay.data.images.decode import decode
    from assay.stages.embed import _measure

    traits = []
    for start in range(0, len(files), BATCH):
        pixels = [decode(_read(file)) for file in files[start : start + BATCH]]
        sizes = np.array([one.shape[:2] for one in pixels], np.float64)
        statistics, _thumbnails = _measure(pixels)
        traits.append({**statistics, "height": sizes[:, 0], "width": sizes[:, 1]})
    return _verdicts({name: np.concatenate([one[name] for one in traits]) for name in traits[0]}, files)


def _verdicts(traits: dict[str, np.ndarray], ids: list[str]) -> int:
    from types import SimpleNamespace

    import pyarrow as pa

    from assay.checks import images as check

    statistics = {name: values for name, values in traits.items() if name not in ("height", "width")}
    kept = pa.table({"id": ids, "width": traits["width"], "height": traits["height"]})
    embeddings = SimpleNamespace(traits=pa.table({"id": ids, **statistics}))
    context: Any = SimpleNamespace(kept=kept, embeddings=embeddings, limits=check.LIMITS)
    return len(check.check(context))


def thumbnails(files: list[str]) -> list[np.ndarray]:
    """(n, 256) int8 of each shard."""
    from assay.data.images.decode import decode
    from assay.stages.embed import _measure

    shards = [files[start : start + SHARD] for start in range(0, len(files), SHARD)]
    return [
        np.concatenate(
            [
                _measure([decode(_read(file)) for file in shard[start : start + BATCH]])[1]
                for start in range(0, len(shard), BATCH)
            ]
        )
        for shard in shards
    ]


def our_pairs(shards: list[np.ndarray]) -> int:
    """Number of pairs as found by embed: each shard is compared with those before it and with itself."""
    from assay.data.near_duplicates import find_pairs

    return sum(len(find_pairs(shard, shards[:number])[0]) for number, shard in enumerate(shards))


def _read(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()


def _simplejpeg(files: list[str]) -> None:
    import simplejpeg

    for file in files:
        simplejpeg.decode_jpeg(_read(file), colorspace="GRAY")


def _pillow(files: list[str]) -> None:
    from PIL import Image

    for file in files:
        with Image.open(file) as image:
            image.load()


def _cleanvision(files: list[str]) -> None:
    from cleanvision import Imagelab

    Imagelab(filepaths=files).find_issues(n_jobs=1, verbose=False)


def _imagededup(files: list[str]) -> None:
    """Perceptual hashes and pairs within ten bits: the defaults of imagededup, in one process."""
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    hashes = {file: hasher.encode_image(image_file=file) for file in files}
    hasher.find_duplicates(encoding_map=hashes, num_dist_workers=0)


def _is_there(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds, child processes included. The output of `work` is discarded: stdout is for the result."""
    before = _cpu_seconds()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        work()
    return _cpu_seconds() - before


def _cpu_seconds() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def program(folder: Path, repeats: int) -> dict[str, Any]:
    files = [str(file) for file in sorted(folder.rglob("*.jpg"))]
    rated = works(files)
    taken = medians(in_turn({name: work for name, (work, _) in rated.items()}, repeats, cpu))
    shards = thumbnails(files)
    searched: dict[str, Callable[[], object]] = {"ours": lambda: our_pairs(shards)}
    if _is_there("imagededup"):
        few = files[:FEW]
        searched[f"imagededup's PHash, {len(few):,} images"] = lambda: _imagededup(few)
    searching = {name: cpu(work) for name, work in searched.items()}
    return {
        "pinned": PINNED,
        # tiny runs may end before a clock of CPU seconds has moved
        "rates": {name: count / max(taken[name], 1e-4) for name, (_, count) in rated.items()},
        "seconds": searching,
        "pairs": our_pairs(shards),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(program(Path(sys.argv[1]), int(sys.argv[2]))))
