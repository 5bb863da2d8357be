"""Audit of masks on corrections that people made, compared with cleanlab's segmentation scores on the same predictions.

`--masks DIR`: folders of `images`, of instance maps `before` as published and `after` as people corrected them later
(files of one name). The audit and cleanlab get the labels of `before`, and the same probabilities of each pixel, by
five segmenters of which each saw other images; `after` tells which images, and which objects, were wrong. Both score
the same regions: the labelled objects, and what the segmenter sees beside them.

The constants of the audit were chosen on the images with an even number, in the order of their names; the figures are
those of the others. An image with more objects has more to correct: so the images are also ranked by as many objects of
each, drawn at random, and by their number of objects and the share of their area alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.segmentation.filter import find_label_issues
from cleanlab.segmentation.rank import get_label_quality_scores
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment

from assay.commands.audit_masks import looked_at
from assay.commands.terminal import Terminal
from assay.data.pool import side_table
from assay.experiments.segmented_out_of_fold import Segmented, segmented_out_of_fold
from assay.labels.masks.regions import Region
from assay.labels.masks.suspicions import of_images, suspicions
from assay.layout import Layout
from assay.params import Params, parse_params
from benchmarks.figures import Figure
from benchmarks.subjects import Measured, Setting

SEEDS, DRAWS = 5, 1000
SAME, FOUND = 0.1, 0.3
"""IoU from which on two outlines are one object, before and after; and from which on a region is a missed object."""
EQUAL, AGAIN = 10, 20
"""Objects drawn from each image, and how often."""
HOME = Path(__file__).parents[1] / ".assay" / "mask_audit"
SETTINGS: dict[str, Any] = {
    "task": "instance_segmentation",
    "embed": {"encoder": "pixels", "options": {"size": 8}},
    "curate": {"near_duplicate": 1.0, "splits": {"train": 1.0, "val": 0.0, "test": 0.0}},
    "train": {"model": "lite0_instances"},
    "track": {"primary": "ap"},
    "evaluate": {"slices": []},
}
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Row = dict[str, Any]


@dataclass(frozen=True)
class Fixes:
    """What people changed on one image."""

    before: Ints
    """(h, w) the map as it was published."""
    labels: dict[int, str]
    """{number in it: removed, parted or redrawn}"""
    missed: list[Bools]
    """Masks that were added where nothing was."""

    def __len__(self) -> int:
        return len(self.labels) + len(self.missed)


def fixes(before: Ints, after: Ints) -> Fixes:
    """Of two maps of numbers. Objects are paired by IoU; what is left over was removed, or added."""
    shared = np.zeros((int(before.max()) + 1, int(after.max()) + 1), np.int64)
    np.add.at(shared, (before.ravel(), after.ravel()), 1)
    olds, news = shared.sum(1), shared.sum(0)
    ious = shared[1:, 1:] / np.maximum(olds[1:, None] + news[1:] - shared[1:, 1:], 1)
    rows, columns = linear_sum_assignment(-ious)
    pair = {int(a) + 1: int(b) + 1 for a, b in zip(rows, columns, strict=True) if ious[a, b] > SAME}
    added = [k for k in range(1, len(news)) if k not in pair.values() and news[k]]
    from_one = {int(shared[1:, k].argmax()) + 1 for k in added if shared[1:, k].max(initial=0) > news[k] / 2}
    missed = [k for k in added if shared[0, k] > news[k] / 2]
    labels = {}
    for k in range(1, len(olds)):
        if k not in pair and olds[k]:
            labels[k] = "removed"
        elif k in from_one:
            labels[k] = "parted"
        elif k in pair and ((before == k) != (after == pair[k])).any():
            labels[k] = "redrawn"
    return Fixes(before, labels, [after == k for k in missed])


@dataclass(frozen=True)
class Ranked:
    """The regions of all images, and the images, scored by one seed: high where an error is likely."""

    images: Ints
    """(m,)"""
    wrong: Bools
    """(m,) whether people changed them."""
    shown: Bools
    """(m,) whether a hole or a loose piece shows it."""
    labelled: Bools
    """(m,)"""
    fixes: Ints
    """(n,) what people changed on each image."""
    regions: dict[str, Floats]
    """{method: (m,)}"""
    whole: dict[str, Floats]
    """{method: (n,)}"""


def measure(setting: Setting) -> Measured:
    assert setting.masks is not None
    home = setting.folder if setting.quick else HOME
    params, layout, names = project(setting.masks, home)
    truth = {sample: _fixes_of(setting.masks, name) for sample, name in names.items()}
    runs = [_ranked(params, layout, truth, seed) for seed in range(setting.repeats(SEEDS))]
    numbers = np.array([list(names).index(sample) for sample in sorted(names)])
    halves = {"chosen on": numbers % 2 == 0, "not chosen on": numbers % 2 == 1}
    rows = [row for half, of in halves.items() for row in compared(half, runs, of)]
    about = {"data": setting.masks.name, "images": len(names), "results": "object_audit_masks", "masks": rows}
    return _figures(rows, setting.masks.name), about


def project(source: Path, home: Path) -> tuple[Params, Layout, dict[str, str]]:
    """A project with the masks of `before`, and {id: name} of its images, by name."""
    from assay.stages import curate, embed, ingest

    options = {"masks": "before", "category": "object"}
    given = {"name": "masks", "format": "masks", "path": str(source.resolve()), "options": options}
    params, layout = parse_params(SETTINGS | {"ingest": {"sources": [given]}}), Layout(home)
    for stage in (ingest, embed, curate):
        stage.run(params, layout, Terminal())
    imports = side_table(layout.pool, "imports")
    named = sorted(zip(imports["path"].to_pylist(), imports["id"].to_pylist(), strict=True))
    return params, layout, {sample: Path(path).stem for path, sample in named}


def _fixes_of(source: Path, name: str) -> Fixes:
    before, after = (np.asarray(Image.open(source / of / f"{name}.png")) for of in ("before", "after"))
    return fixes(before.astype(np.int64), after.astype(np.int64))


# --- scores


def _ranked(params: Params, layout: Layout, truth: dict[str, Fixes], seed: int) -> Ranked:
    segmented = segmented_out_of_fold(params, layout, Terminal(), seed)
    _, found = looked_at(segmented, True, Terminal())
    on = [truth[sample] for sample in segmented.ids]
    issues, quality, softmin = cleanlab(segmented, on)
    said = suspicions(found)
    ours = {id(one.region): one.probability for one in said}
    sizes = [int(one.patch.pixels.sum()) for one in found]
    counts = np.array([(issues[one.image][one.patch.window] & one.patch.pixels).sum() for one in found])
    losses = [1 - quality[one.image][one.patch.window][one.patch.pixels].mean() for one in found]
    n = len(on)
    return Ranked(
        np.array([one.image for one in found]),
        _wrong(found, on),
        np.array([one.hole is not None or one.parts > 1 for one in found]),
        np.array([one.label >= 0 for one in found]),
        np.array([len(one) for one in on]),
        {
            "ours": np.array([ours.get(id(one), 0.0) for one in found]),
            "pixel issues": counts.astype(np.float64),
            "share of pixel issues": counts / np.array(sizes),
            "1 − label quality": np.array(losses),
        },
        {
            "ours": of_images(said, n),
            "pixel issues": np.array([one.sum() for one in issues], np.float64),
            "num_pixel_issues": np.array([one.mean() for one in issues]),
            "softmin": 1 - softmin,
            "share of foreground": np.array([(one.before > 0).mean() for one in on]),
            "number of objects": np.array([one.before.max() for one in on], np.float64),
        },
    )


def _wrong(found: list[Region], on: list[Fixes]) -> Bools:
    """(m,) regions that people changed; of those on a missed object the one with the highest IoU."""
    wrong = np.zeros(len(found), bool)
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for number, one in enumerate(found):
        there = on[one.image]
        if one.label >= 0:
            wrong[number] = int(there.before[one.patch.window][one.patch.pixels][0]) in there.labels
            continue
        for k, mask in enumerate(there.missed):
            shared = (mask[one.patch.window] & one.patch.pixels).sum()
            iou = float(shared / (mask.sum() + one.patch.pixels.sum() - shared))
            best[one.image, k] = max(best.get((one.image, k), (FOUND, -1)), (iou, number))
    wrong[[number for _, number in best.values() if number >= 0]] = True
    return wrong


def cleanlab(segmented: Segmented, on: list[Fixes]) -> tuple[list[Bools], list[Floats], Floats]:
    """Pixels with an issue and the quality of each pixel's label, of all images; and the quality of each image (n,).

    `find_label_issues` wants images of one size. As it judges each pixel by thresholds of all of them, it gets all
    pixels in one row.
    """
    labels = [(one.before > 0).astype(np.int64) for one in on]
    chances = [np.stack([1 - seen, seen]) for seen in (segmented.seen(row)[0] for row in range(len(on)))]
    flat = np.concatenate([one.ravel() for one in labels])
    beside = np.concatenate([one.reshape(2, -1) for one in chances], axis=1)
    found = find_label_issues(flat[None, None], beside[None, :, None], verbose=False, n_jobs=1)[0, 0]
    ends = np.cumsum([one.size for one in labels])[:-1]
    issues = [part.reshape(one.shape) for part, one in zip(np.split(found, ends), labels, strict=True)]
    pairs = zip(labels, chances, strict=True)
    scored = [
        get_label_quality_scores(one[None], p[None], method="softmin", verbose=False) for one, p in pairs
    ]
    return issues, [pixels[0] for _, pixels in scored], np.array([image[0] for image, _ in scored])


# --- average precision under weights of the images


def precision(scores: Floats, right: Bools, weights: Floats, there: Floats) -> Floats:
    """(b,) average precision under weights (b, m) of a list in which `there` (b,) errors are looked for.

    Equal scores are in random order; errors that are not in the list are never found.
    """
    order = np.lexsort((np.random.default_rng(0).random(len(scores)), -scores))
    weighed, hits = weights[:, order], right[order]
    total = weighed.cumsum(1)
    found = (weighed * hits).cumsum(1)
    with np.errstate(invalid="ignore"):
        at = np.where(total > 0, found / total, 0.0) * weighed * hits
    made: Floats = at.sum(1) / np.maximum(there, 1e-9)
    return made


def compared(half: str, runs: list[Ranked], of: Bools) -> list[Row]:
    """A row for each way to rank: means over the seeds, and ours minus the best of the others [95 %, over images]."""
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(of.sum(), np.full(of.sum(), 1 / of.sum()), DRAWS).astype(np.float64)
    weights = np.zeros((DRAWS + 1, len(of)))
    weights[0, of], weights[1:, of] = 1, drawn
    rows = []
    for name, rank in RANKINGS.items():
        found = [rank(run, weights) for run in runs]
        methods = {method: np.mean([one[method] for one in found], 0) for method in found[0]}
        rows.append(_row(half, name, methods, runs, of))
    return rows


def _row(half: str, name: str, methods: dict[str, Floats], runs: list[Ranked], of: Bools) -> Row:
    others = {
        method: values for method, values in methods.items() if method not in ("ours", *PLAIN, "wrong", "of")
    }
    best = max(others, key=lambda method: others[method][0])
    gap = methods["ours"] - others[best]
    ends = np.nanquantile(gap[1:], (0.025, 0.975)).tolist()
    return {
        "half": half,
        "ranked": name,
        "images": int(of.sum()),
        "wrong": float(methods["wrong"][0]),
        "of": float(methods["of"][0]),
        "seeds": len(runs),
        "best": best,
        "ahead": [float(gap[0]), *ends],
        "ap": {method: float(v[0]) for method, v in methods.items() if method not in ("wrong", "of")},
    }


PLAIN = ("share of foreground", "number of objects")
"""Scores that look at no error: what the number of objects alone is worth."""
Ranking = Callable[[Ranked, Floats], dict[str, Floats]]


def _images(run: Ranked, weights: Floats) -> dict[str, Floats]:
    bad = run.fixes > 0
    there = (weights * bad).sum(1)
    made = {method: precision(scores, bad, weights, there) for method, scores in run.whole.items()}
    return made | {"wrong": there, "of": weights.sum(1)}


def _objects(run: Ranked, weights: Floats, kept: Bools | None = None) -> dict[str, Floats]:
    """All regions, or those that are `kept`; what was missed and is no region is never found."""
    kept = np.ones(len(run.images), bool) if kept is None else kept
    left = run.fixes - np.bincount(run.images[run.wrong & ~kept], minlength=len(run.fixes))
    there, rows = weights @ left, np.flatnonzero(kept)
    made = {
        method: precision(scores[rows], run.wrong[rows], weights[:, run.images[rows]], there)
        for method, scores in run.regions.items()
    }
    labels = np.bincount(run.images[run.labelled & kept], minlength=len(run.fixes))
    return made | {"wrong": there, "of": weights @ labels}


def _other_objects(run: Ranked, weights: Floats) -> dict[str, Floats]:
    """Without the labels whose mask has a hole or a loose piece."""
    return _objects(run, weights, ~(run.shown & run.labelled))


def _as_many(run: Ranked, weights: Floats) -> dict[str, Floats]:
    """Images by EQUAL of their labels, drawn at random: ours by the highest score, cleanlab's by the sum."""
    rng, found = np.random.default_rng(0), []
    rows = [np.flatnonzero(run.labelled & (run.images == image)) for image in range(len(run.fixes))]
    enough = np.array([len(of) >= EQUAL for of in rows])
    for _ in range(AGAIN):
        drawn = np.array([rng.choice(of, EQUAL, replace=False) for of in rows if len(of) >= EQUAL])
        bad, some = run.wrong[drawn].any(1), weights[:, enough]
        there = (some * bad).sum(1)
        made = {
            method: precision(
                scores[drawn].max(1) if method == "ours" else scores[drawn].sum(1), bad, some, there
            )
            for method, scores in run.regions.items()
        }
        found.append(made | {"wrong": there, "of": some.sum(1)})
    return {name: np.mean([one[name] for one in found], 0) for name in found[0]}


RANKINGS: dict[str, Ranking] = {
    "images": _images,
    f"images, {EQUAL} objects of each": _as_many,
    "objects": _objects,
    "objects without holes and loose pieces": _other_objects,
}


def _figures(rows: list[Row], where: str) -> list[Figure]:
    return [
        Figure(
            f"AP of {row['ranked']} beyond cleanlab's best, lower end ({where}, images not chosen on)",
            row["ahead"][1],
            "at least",
            0,
            "",
            row["ap"],
        )
        for row in rows
        if row["half"] == "not chosen on"
    ]
