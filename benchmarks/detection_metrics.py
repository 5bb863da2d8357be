"""Average precision: difference from COCOeval, CPU time of one evaluation and of its peers, and of 1,000 resamples."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from assay.metrics.detected import BY_SIZE, Detected
from assay.metrics.judged import measure as measured
from benchmarks.boxes import as_coco, drawn
from benchmarks.clock import in_turn
from benchmarks.figures import Figure
from benchmarks.subjects import Measured, Setting

SIZES = {"500 × 10": (500, 10, 13), "5,000 × 80": (5000, 80, 13), "5,000 × 80, many": (5000, 80, 92)}
"""Images, classes, and false detections per image: 20 detections per image in all, or 100."""
TINY = {"20 × 3": (20, 3, 5)}
TARGET = "5,000 × 80"
REPLICATES = 1000
SLOW = 1000
"""Largest number of images for which pycocotools is run."""
FASTER = find_spec("faster_coco_eval") is not None

Values = list[float]


def measure(setting: Setting) -> Measured:
    """One row for each size."""
    sizes, repeats = (TINY, 1) if setting.quick else (SIZES, setting.repeats(3))
    rows = [_row(name, drawn(*size, np.random.default_rng(0)), repeats) for name, size in sizes.items()]
    largest = max(row["off"] for row in rows)
    of_target = next((row for row in rows if row["set"] == TARGET), rows[-1])
    seconds = {name: of_target[name] for name in ("ours", "faster", "resampled")}
    figures = [
        Figure("average precision, difference to COCOeval, largest", largest, "at most", 1e-12, ""),
        Figure(f"1,000 resamples of {of_target['set']}, CPU", of_target["resampled"], "at most", 15, "s"),
    ]
    if FASTER:
        ratio = of_target["ours"] / of_target["faster"]
        name = f"one evaluation of {of_target['set']}: ours / faster-coco-eval, CPU"
        figures.append(Figure(name, ratio, "at most", 1, "×", seconds))
    return figures, {"detections": rows, "not installed": [] if FASTER else ["faster-coco-eval"]}


def _row(name: str, one: Detected, repeats: int) -> dict[str, Any]:
    """CPU seconds of each evaluator, alternating, and of the resamples; the largest difference between their values."""
    peers = {"pycocotools": _pycocotools(one)} if len(one) <= SLOW else {}
    peers |= {"faster": _faster(one)} if FASTER else {}
    works: dict[str, Callable[[], Values]] = {"ours": lambda: _ours(one), **peers}
    found: dict[str, Values] = {}
    taken = in_turn({who: _kept(work, found, who) for who, work in works.items()}, repeats, _cpu)
    off = [float(np.abs(np.subtract(found["ours"], found[who])).max()) for who in peers]
    return {
        "set": name,
        "detections": len(one.detections.classes),
        "objects": len(one.truth.classes),
        **{who: median(taken[who]) if who in taken else None for who in ("ours", "faster", "pycocotools")},
        "resampled": _cpu(lambda: measured(replace(one), REPLICATES, 0)),
        "off": max(off, default=0.0),
    }


def _kept(work: Callable[[], Values], found: dict[str, Values], who: str) -> Callable[[], None]:
    def keep() -> None:
        found[who] = work()

    return keep


def _cpu(work: Callable[[], object]) -> float:
    started = process_time()
    work()
    return process_time() - started


def _ours(one: Detected) -> Values:
    """AP, AP50, AP75, AP of each size and AR, computed from boxes."""
    fresh = replace(one, detections=one.detections.best(100), truth=one.truth.by_class())
    values, sizes = fresh.values(), fresh.of_sizes()[0]
    overall = [float(values[name][0]) for name in ("ap", "ap50", "ap75")]
    return [*overall, *(float(sizes[k]) for k in range(len(BY_SIZE))), float(values["ar"][0])]


def _pycocotools(one: Detected) -> Callable[[], Values]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _evaluation(one, COCO(), COCOeval)


def _faster(one: Detected) -> Callable[[], Values]:
    from faster_coco_eval import COCO, COCOeval_faster

    return _evaluation(one, COCO(), COCOeval_faster)


def _evaluation(one: Detected, coco: Any, evaluator: Any) -> Callable[[], Values]:
    """The same values from indexed annotations: only evaluate, accumulate and summarize are timed."""
    dataset, results = as_coco(one)
    coco.dataset = dataset

    def work() -> Values:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = evaluator(coco, said, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return [float(evaluation.stats[k]) for k in (0, 1, 2, 3, 4, 5, 8)]

    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        said = coco.loadRes(results)
    return work
