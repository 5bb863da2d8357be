"""Time and memory of each strategy on disk to choose 1,000 of n images, compared with peers."""

from __future__ import annotations

import json
import resource
import sys
from importlib.util import find_spec
from math import log
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import Any

import numpy as np

from assay import plugins
from assay.strategies import entropy, margin
from benchmarks.clock import Failed, seconds
from benchmarks.figures import Figure
from benchmarks.memory import peak
from benchmarks.mixture import CLUSTERS, read_mixture, write_mixture
from benchmarks.project import ROOT
from benchmarks.selecting import LIMIT
from benchmarks.subjects import Measured, Setting

SIZES, DIM, BUDGET = (10_000, 50_000, 200_000, 1_000_000), 512, 1_000
LARGEST = {
    "plain k-center, double precision": 10_000,
    "plain k-center, torch": 1_000_000,
    "lightly-mundig: diversity": 1_000_000,
    "scikit-activeml: CoreSet": 200_000,
    "scikit-activeml: TypiClust": 50_000,
    "scikit-activeml: Badge": 10_000,
    "scikit-activeml: ProbCover": 10_000,
    "scikit-activeml: MaxHerding": 0,
}
"""Largest size for which a peer is run: above it, it takes longer than LIMIT or memory in n²."""
ALL_CORES = {"plain k-center, torch": 200_000, "lightly-mundig: diversity": 200_000}
"""Largest size for which a peer is run on all cores too."""
MODULES = {"lightly-mundig": "lightly_mundig", "scikit-activeml": "skactiveml"}
BANDWIDTH = 12e9
"""Least memory bandwidth for the lower bound, bytes per second."""
TICK = 0.01
"""Resolution of the CPU clock in seconds."""

Cells = dict[tuple[str, str, int], dict[str, Any]]
"""{(method, cores, size)}: wall and CPU seconds, peak bytes and picks; or the reason why there are none."""


def measure(setting: Setting) -> Measured:
    sizes, dim, budget = ((300, 600), 16, 20) if setting.quick else (SIZES, DIM, BUDGET)
    cells: Cells = {}
    for n in sizes:
        folder = setting.folder / str(n)
        write_mixture(folder, n, dim)
        for method, cores in _planned(n, setting.quick):
            cells[method, cores, n] = cell = _cell(method, folder, budget, cores)
            print(f"  {n:>9,} {cores:>3} {method}: {_said(cell)}", flush=True)
        if n != sizes[-1]:
            rmtree(folder)
    return summary(cells, sizes, dim, budget, _bandwidth(folder), _scores(folder, setting.repeats(5)))


def summary(
    cells: Cells, sizes: tuple[int, ...], dim: int, budget: int, reading: float, scores: dict[str, float]
) -> Measured:
    """The figures, and the table of all cells."""
    about: dict[str, Any] = {
        "dimensions": dim,
        "budget": budget,
        "clusters": CLUSTERS,
        "limit in seconds of CPU": LIMIT,
    }
    about |= {"bytes read a second": reading, "not installed": [name for name in MODULES if not _there(name)]}
    slowest = max(scores.values())
    figures = [
        *_against_mundig(cells, sizes),
        *_against_reading(cells, sizes[-2:], dim, budget, max(reading, BANDWIDTH)),
        _same_picks(cells, sizes[0]),
        _memory(cells, sizes[-1], dim),
        _growth(cells, sizes[-2:]),
        Figure(f"a margin-type score of {sizes[-1]:,} × 10", slowest, "at most", 0.3, "s", scores),
    ]
    return figures, about | {"timings": _table(cells, sizes)}


def _planned(n: int, quick: bool) -> list[tuple[str, str]]:
    """[(method, cores)]: every strategy on disk, then the installed peers that can finish."""
    if quick:
        return [(name, "1") for name in ("kcenter", "margin", "plain k-center, double precision")]
    plan = [(name, cores) for name in plugins.names("strategies") for cores in ("1", "all")]
    peers = [name for name, most in LARGEST.items() if n <= most and _there(name)]
    on_all = [name for name in peers if n <= ALL_CORES.get(name, 0)]
    return plan + [(name, "1") for name in peers] + [(name, "all") for name in on_all]


def _there(peer: str) -> bool:
    module = MODULES.get(peer.split(":")[0])
    return module is None or find_spec(module) is not None


def _cell(method: str, folder: Path, budget: int, cores: str) -> dict[str, Any]:
    found = folder / "chosen.json"
    found.unlink(missing_ok=True)
    command = (sys.executable, "-m", "benchmarks.selecting", method, str(folder), str(budget), cores)
    before = _cpu_of_children()
    try:
        memory = peak(ROOT, *command)
    except Failed as failure:
        if _cpu_of_children() - before >= LIMIT:
            return {"why": f"> {LIMIT} s"}
        return {"why": f"failed: {str(failure).strip().splitlines()[-1][:60]}"}
    measured: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return measured | {"peak": memory}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _said(cell: dict[str, Any]) -> str:
    if "why" in cell:
        return str(cell["why"])
    return f"{cell['cpu']:.2f} s of CPU, {cell['wall']:.2f} s, {cell['peak'] / 1e6:.0f} MB"


def _bandwidth(folder: Path) -> float:
    """Bytes per second of one core reading embeddings from memory."""
    X = np.load(folder / "embeddings.npy", mmap_mode="r")[:200_000].copy()
    return float(X.nbytes) / min(seconds(X.max) for _ in range(5))


def _scores(folder: Path, repeats: int) -> dict[str, float]:
    """Median seconds of each score."""
    P = read_mixture(folder, labelled=False).beliefs
    works = {
        "margin": lambda: margin.margins(P),
        "entropy": lambda: entropy.entropies(P),
        "least confidence": lambda: 1 - P.max(axis=1),
    }
    return {name: median(seconds(work) for _ in range(repeats)) for name, work in works.items()}


# --- figures


def _against_mundig(cells: Cells, sizes: tuple[int, ...]) -> list[Figure]:
    """CPU seconds of both on one core."""
    figures = []
    for n in sizes:
        ours, theirs = cells["kcenter", "1", n], cells.get(("lightly-mundig: diversity", "1", n), {})
        if "cpu" in theirs:
            parts = {"kcenter": ours["cpu"], "lightly-mundig": theirs["cpu"]}
            name = f"k-center of {n:,} on one core: lightly-mundig / ours, of CPU"
            figures.append(Figure(name, theirs["cpu"] / max(ours["cpu"], TICK), "at least", 4.0, "×", parts))
    return figures


def _against_reading(
    cells: Cells, sizes: tuple[int, ...], dim: int, budget: int, bandwidth: float
) -> list[Figure]:
    figures = []
    for n in sizes:
        seconds, floor = cells["kcenter", "1", n]["cpu"], n * dim * 4 * budget / bandwidth
        parts = {"kcenter": seconds, "reading all embeddings for each pick": floor}
        figures.append(
            Figure(
                f"k-center of {n:,} on one core / reading for each pick",
                seconds / floor,
                "at most",
                1.0,
                "×",
                parts,
            )
        )
    return figures


def _same_picks(cells: Cells, n: int) -> Figure:
    plain = cells["plain k-center, double precision", "1", n]["picks"]
    ours = cells["kcenter", "1", n]["picks"]
    differ = sum(a != b for a, b in zip(plain, ours, strict=True))
    return Figure(
        f"k-center of {n:,}: picks that differ from the plain algorithm's", differ, "at most", 0, ""
    )


def _memory(cells: Cells, n: int, dim: int) -> Figure:
    measured = {
        name: [
            cells[name, cores, n].get("peak", np.inf) for cores in ("1", "all") if (name, cores, n) in cells
        ]
        for name in _embedded(cells)
    }
    peaks = {name: max(found) for name, found in measured.items() if found}
    most = max(peaks, key=lambda name: peaks[name])
    parts = {name: value / 1e6 for name, value in peaks.items()}
    name = f"peak memory of a strategy on {n:,} / embeddings, most: {most}"
    return Figure(name, peaks[most] / (n * dim * 4), "at most", 1.5, "×", parts)


def _growth(cells: Cells, sizes: tuple[int, ...]) -> Figure:
    """Largest exponent b over the strategies, with seconds growing as n^b."""
    small, large = sizes
    powers = {}
    for name in _embedded(cells):
        few, many = (cells.get((name, "1", n)) for n in sizes)
        if few is None or many is None or "cpu" not in few:
            continue
        # the CPU clock has a resolution of TICK
        taken = log(max(many["cpu"], TICK) / max(few["cpu"], TICK)) if "cpu" in many else np.inf
        powers[name] = taken / log(large / small)
    most = max(powers, key=lambda name: powers[name])
    return Figure(
        f"seconds grow as n to the power of, most: {most}", powers[most], "at most", 1.2, "", powers
    )


def _embedded(cells: Cells) -> list[str]:
    """The strategies that use embeddings; the others take milliseconds."""
    measured = {method for method, _, _ in cells}
    return [
        name
        for name in plugins.names("strategies")
        if name in measured and "embeddings" in plugins.load("strategies", name).NEEDS
    ]


def _table(cells: Cells, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """A row for each method and number of cores."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for (method, cores, n), cell in cells.items():
        row = rows.setdefault((method, cores), {"method": method, "cores": cores, "sizes": list(sizes)})
        row[str(n)] = {name: cell[name] for name in ("cpu", "wall", "peak", "why") if name in cell}
    return list(rows.values())
