"""`assay diff` of large datasets: seconds after loading, peak memory, and a page of many samples.

python -m benchmarks.diff FOLDER    a program: compares FOLDER/a with FOLDER/b, writes FOLDER/seconds.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.commands.diff import spare_pandas, write_page
from assay.data.files import read_table, write_json, write_table
from assay.data.snapshot import ANNOTATIONS, Snapshot
from assay.data.snapshot import SAMPLES as COLUMNS
from assay.experiments.comparison import SAMPLES, Comparison, compare
from assay.experiments.comparison.objects import OBJECTS
from assay.experiments.comparison.ruler import ruler_part
from assay.experiments.comparison.samples import Loaded, data_part
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.params import load_params
from benchmarks.figures import Figure
from benchmarks.memory import peak
from benchmarks.project import ROOT
from benchmarks.subjects import Measured, Setting

SNAPSHOT, CHANGED = 1_000_000, 0.01
PAGE = 100_000
CLASSES = tuple(f"class{k:02}" for k in range(20))
SPLITS = ("train", "val", "test")
PARAMS = "ingest: {sources: [{name: s, format: demo}]}\n"


def measure(setting: Setting) -> Measured:
    samples, page = (3000, 3000) if setting.quick else (SNAPSHOT, PAGE)
    write_sides(setting.folder, samples)
    runs = []
    for _ in range(setting.repeats(5)):
        memory = peak(ROOT, sys.executable, "-m", "benchmarks.diff", str(setting.folder))
        runs.append(json.loads((setting.folder / "seconds.json").read_text()) | {"memory": memory})
    seconds = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    megabytes, taken = _page(setting.folder, page)
    return [
        Figure(
            f"diff of two snapshots of {samples:,} samples, {CHANGED:.0%} changed, after loading",
            seconds["data"] + seconds["ruler"],
            "at most",
            3.0,
            "s",
            {name: seconds[name] for name in ("loading", "data", "ruler", "of CPU", "samples that changed")},
        ),
        Figure("its peak memory, loading included", seconds["memory"] / 1e9, "at most", 3.0, "GB"),
        Figure(
            f"a page of {page:,} changed samples", taken, "at most", 5.0, "s", {"megabytes": megabytes}
        ),
    ], {"samples": samples, "changed": CHANGED, "labelled": 0.8, "classes": len(CLASSES)}  # fmt: skip


def compare_sides(folder: Path) -> dict[str, float]:
    """Seconds to load two snapshots with their labelled test sets, and to compare them."""
    spare_pandas()
    sides = [Side(name, "workspace", folder / name, None) for name in ("a", "b")]
    marks = [perf_counter()]
    loaded = [Loaded.of(side.layout.snapshot) for side in sides]
    rulers = [read_table(side.layout.snapshot / "ruler.parquet") for side in sides]
    marks.append(perf_counter())
    computing = process_time()
    found, samples = data_part(sides[0], sides[1], loaded[0], loaded[1])
    marks.append(perf_counter())
    ruler_part(rulers[0], rulers[1], samples)
    marks.append(perf_counter())
    taken = dict(zip(("loading", "data", "ruler"), np.diff(marks).tolist(), strict=True))
    return taken | {"of CPU": process_time() - computing, "samples that changed": found["changed"]}


def write_sides(folder: Path, n: int) -> None:
    """Two snapshots; in the second, 0.5 % are relabelled, 0.3 % excluded, 0.1 % added and 0.1 % removed."""
    rng = np.random.default_rng(0)
    ids = np.sort(_ids(rng, n + n // 1000))
    new = rng.choice(len(ids), n // 1000, replace=False)
    gone = rng.choice(len(ids), n // 1000, replace=False)
    facts: dict[str, Any] = {
        "number": np.arange(len(ids)),
        "class": rng.integers(0, len(CLASSES), len(ids)),
        "split": rng.choice(3, len(ids), p=[0.7, 0.1, 0.2]),
        "labelled": rng.random(len(ids)) < 0.8,
        "excluded": rng.random(len(ids)) < 0.01,
    }
    _write(folder / "a", np.delete(ids, new), {name: np.delete(fact, new) for name, fact in facts.items()})
    facts["class"][rng.choice(len(ids), n // 200, replace=False)] += 1
    facts["class"] %= len(CLASSES)
    facts["excluded"][rng.choice(len(ids), 3 * n // 1000, replace=False)] ^= True
    _write(folder / "b", np.delete(ids, gone), {name: np.delete(fact, gone) for name, fact in facts.items()})


def _ids(rng: np.random.Generator, n: int) -> NDArray[Any]:
    digits = rng.bytes(32 * n).hex()
    return np.array([digits[64 * k : 64 * (k + 1)] for k in range(n)])


def _write(root: Path, ids: NDArray[Any], facts: dict[str, NDArray[Any]]) -> None:
    n, labelled, numbers = len(ids), facts["labelled"], facts["number"].tolist()
    names = pa.array(ids.tolist(), pa.string())
    columns: dict[str, Any] = {name: pa.nulls(n, COLUMNS.field(name).type) for name in COLUMNS.names}
    columns |= {
        "id": names,
        "width": pa.array(np.full(n, 640, np.int32)),
        "height": pa.array(np.full(n, 480, np.int32)),
        "mode": pa.repeat("RGB", n),
        "format": pa.repeat("JPEG", n),
        "origins": pa.array([[f"camera:2026/{k // 1000:04}/{k:07}.jpg"] for k in numbers]),
        "group": pa.array([f"part{k // 5}" for k in numbers]),
        "metadata": pa.array([f'{{"line":"{k % 7}"}}' for k in numbers]),
        "split": pa.array(np.array(SPLITS)[facts["split"]].tolist()),
        "labelled": pa.array(labelled),
        "excluded": pa.array(facts["excluded"]),
    }
    notes: dict[str, Any] = {f.name: pa.nulls(int(labelled.sum()), f.type) for f in ANNOTATIONS}
    notes |= {
        "id": names.filter(pa.array(labelled)),
        "index": pa.array(np.zeros(labelled.sum(), np.int32)),
        "category": pa.array(np.array(CLASSES)[facts["class"][labelled]].tolist()),
    }
    held = Snapshot(pa.table(columns, COLUMNS), pa.table(notes, ANNOTATIONS), CLASSES)
    home = root / "data" / "snapshot"
    for name, table in (
        ("samples", held.samples),
        ("annotations", held.annotations),
        ("ruler", held.ruler()),
    ):
        write_table(home / f"{name}.parquet", table)
    digest = f"of {root.name}"  # the true digest takes longer than all that is measured here
    write_json(home / "snapshot.json", {"digest": digest, "categories": list(CLASSES)})
    (root / "params.yaml").write_text(PARAMS)
    (root / "dvc.yaml").write_text("stages: {}\n")


def _page(folder: Path, n: int) -> tuple[float, float]:
    """MB and seconds of a page without pictures; a picture of a small image takes a millisecond."""
    rng = np.random.default_rng(1)
    sides = [Side(name, "workspace", folder / name, None) for name in ("a", "b")]
    layout = Layout(sides[1].root)
    compared = compare(sides[0], sides[1], layout, load_params(layout.params))
    columns: dict[str, Any] = {field.name: pa.nulls(n, field.type) for field in SAMPLES}
    columns |= {
        "id": pa.array(np.sort(_ids(rng, n)).tolist()),
        "kinds": pa.array(1 << rng.integers(0, 9, n), pa.uint16()),
        **{
            f"label_{side}": pa.array(np.array(CLASSES)[rng.integers(0, 20, n)].tolist())
            for side in ("before", "after")
        },
        "batch": pa.array([f"{k % 30:04}-ada" for k in range(n)]),
        "origin": pa.array([f"camera:2026/{k // 1000:04}/{k:07}.jpg" for k in range(n)]),
    }
    begun = perf_counter()
    many = Comparison(compared.result, pa.table(columns, SAMPLES), None, OBJECTS.empty_table())
    write_page(many, folder / "page.html", layout, 0)
    return (folder / "page.html").stat().st_size / 1e6, perf_counter() - begun


if __name__ == "__main__":
    where = Path(sys.argv[1])
    write_json(where / "seconds.json", compare_sides(where))
