"""From a project to the result that `assay effort` prints and its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import ParamsError
from assay.experiments.effort import network
from assay.experiments.effort.fits import Measured, SchemeFit, Setting, key_of, run_all
from assay.experiments.effort.schemes import (
    USUAL,
    Affordable,
    Scheme,
    affordable,
    notes,
    order_of,
    resolve,
    why_not,
)
from assay.experiments.effort.standing import SchemeStanding, curves_of, verdict
from assay.experiments.effort.study_data import EffortTarget, StudyData
from assay.experiments.sides import params_digest
from assay.lineage.digests import canonical_digest
from assay.lineage.fingerprint import run_code
from assay.params import Params
from assay.params.effort import Effort
from assay.progress import Progress

HOUR = 3600.0
HARDLY = 0.25
"""Share of the mean over the classes below which one counts as not learnt."""
METRICS: dict[EffortTarget, tuple[str, ...]] = {
    "masks": ("dice", "miou"),
    "boxes": ("ap", "ap50", "ap75", "ar", "f1"),
    "presence": ("macro_f1", "micro_f1", "map"),
}
"""What a target can be measured by; the first, unless `track.primary` is another one."""


@dataclass(frozen=True)
class EffortPlan:
    """`params.effort` with defaults resolved."""

    asked: Effort
    schemes: tuple[Scheme, ...]
    """The full annotation first: the control."""
    left_out: dict[str, str]
    """{scheme: why} of those from which nothing can be learnt on these data."""
    seeds: tuple[int, ...]
    setting: Setting

    def images(self, data: StudyData) -> list[list[list[Affordable]]]:
        """The affordable images by scheme, seed and budget."""
        orders = [order_of(data, seed) for seed in self.seeds]
        return [
            [
                [affordable(scheme, data, order, hours * HOUR) for hours in self.asked.hours]
                for order in orders
            ]
            for scheme in self.schemes
        ]


def plan(asked: Effort, params: Params, data: StudyData) -> EffortPlan:
    """The plan of a study. ParamsError for a scheme from which nothing can be learnt, unless it is of tags."""
    names = dict.fromkeys([USUAL[data.target][0], *(asked.schemes or USUAL[data.target])])
    schemes = [resolve(name, data.target, asked.seconds, asked.vertices) for name in names]
    left_out = {one.name: why for one in schemes if (why := why_not(one, data, asked.learner))}
    for scheme in schemes:
        if scheme.name in left_out and not any(part.kind == "tags" for part in scheme.parts):
            raise ParamsError(f"effort.schemes: {scheme.name}: {left_out[scheme.name]}")
    kept = tuple(one for one in schemes if one.name not in left_out)
    if len(kept) < 2:
        said = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise ParamsError(
            f"effort.schemes: nothing to compare {schemes[0].name} with{said and f' ({said})'}",
            hint=f"e.g. {', '.join(USUAL[data.target])}",
        )
    valid, primary = METRICS[data.target], params.track.primary
    setting = Setting(
        primary if primary in valid else valid[0], asked.image_size, asked.vertices, params.seed
    )
    return EffortPlan(asked, kept, left_out, tuple(range(params.seed, params.seed + asked.seeds)), setting)


def compute(
    made: EffortPlan, data: StudyData, params: Params, progress: Progress, workers: int | None = None
) -> dict[str, Any]:
    """Train what is not cached, and return the result. JSON-able; `key`: fingerprint of all inputs."""
    images = made.images(data)
    fits = _fits(made, images)
    flat = [fit for scheme in fits for row in scheme for fit in row]
    progress.say(
        f"{len(made.schemes)} schemes × {len(made.seeds)} seeds × {len(made.asked.hours)} budgets: "
        f"{len(set(flat))} different fits of {data.target}"
    )
    if made.asked.learner == "model":
        found, computed = network.run_all(data, made.setting, flat, params, progress)
    else:
        found, computed = run_all(data, made.setting, flat, progress, workers)
    results = _shaped(made, found)
    names = [scheme.name for scheme in made.schemes]
    standing = SchemeStanding(
        names, curves_of(results, made.asked.hours, made.setting.draws_seed), len(data.test)
    )
    rows = _with_details(standing.rows(), made, data, images, results)
    best, crossings, exhausted = standing.best(), standing.crossings(), _exhausted(rows)
    keys = [key_of(data, made.setting, fit) for fit in flat]
    model = [params_digest(params), run_code(params)] if made.asked.learner == "model" else []
    return {
        "key": canonical_digest([names, made.asked.hours, keys, model]),
        "computed": computed,
        "target": data.target,
        "metric": made.setting.metric,
        "learner": params.train.model if model else "quick",
        "verdict": verdict(best, crossings, rows, made.setting.metric, exhausted, _unlearnt(rows)),
        "schemes": rows,
        "left_out": made.left_out,
        "notes": notes(made.schemes, data),
        "best": best,
        "crossings": crossings,
        "hours": list(made.asked.hours),
        "seconds": _seconds(made),
        "seeds": list(made.seeds),
        "classes": list(data.categories),
        "samples": {"train": len(data.pool), "test": len(data.test), "objects": _objects(data)},
        "image_size": made.setting.image_size,
        "vertices": made.setting.vertices,
    }


def _fits(made: EffortPlan, images: Sequence[Sequence[Sequence[Affordable]]]) -> list[list[list[SchemeFit]]]:
    return [
        [
            [SchemeFit(one.rows, one.drawings, seed) for one in row]
            for seed, row in zip(made.seeds, scheme, strict=True)
        ]
        for scheme in images
    ]


def _shaped(made: EffortPlan, flat: Sequence[Measured]) -> list[list[list[Measured]]]:
    """By scheme, seed and budget."""
    found = iter(flat)
    return [[[next(found) for _ in made.asked.hours] for _ in made.seeds] for _ in made.schemes]


def _with_details(
    rows: list[dict[str, Any]],
    made: EffortPlan,
    data: StudyData,
    images: Sequence[Sequence[Sequence[Affordable]]],
    results: Sequence[Sequence[Sequence[Measured]]],
) -> list[dict[str, Any]]:
    """Rows with the images and hours of each point, means over the seeds, and the metric of each class."""
    for row, of_scheme, measured in zip(rows, images, results, strict=True):
        for b, point in enumerate(row["curve"]):
            there = [of_seed[b] for of_seed in of_scheme]
            point["images"] = round(sum(len(one.rows) for one in there) / len(there), 1)
            point["spent"] = round(sum(one.seconds for one in there) / len(there) / HOUR, 3)
            point["all_images"] = min(len(one.rows) for one in there) == len(data.pool)
            of_classes = np.mean([of_seed[b].classes for of_seed in measured], axis=0).tolist()
            point["classes"] = dict(zip(data.categories, (round(x, 6) for x in of_classes), strict=False))
    return rows


def _unlearnt(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The classes that the full annotation hardly teaches with the most hours, against the mean of all."""
    classes = rows[0]["curve"][-1]["classes"]
    mean = sum(classes.values()) / max(len(classes), 1)
    return [name for name, value in classes.items() if value < HARDLY * mean]


def _exhausted(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """{scheme: hours} from which on all images are annotated."""
    found = {}
    for row in rows:
        if done := [point["hours"] for point in row["curve"] if point["all_images"]]:
            found[row["name"]] = done[0]
    return found


def _seconds(made: EffortPlan) -> dict[str, Any]:
    """Prices: of looking at an image, and {scheme: [[what, seconds of one]]}."""
    return {
        "image": made.asked.seconds.image,
        "acts": {scheme.name: [[part.kind, part.act] for part in scheme.parts] for scheme in made.schemes},
    }


def _objects(data: StudyData) -> float:
    """Mean number of objects on an image of the pool."""
    counts = [sum(not one.iscrowd for one in image) for image in data.pool.objects]
    return round(sum(counts) / len(counts), 1)
