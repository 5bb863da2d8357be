"""Audit of objects with planted errors, compared with cleanlab's ObjectLab on the same detections.

In a share of the images one object is dropped, shifted, given another class, or put where nothing is. Both methods rank
the images and the objects by the same detections of a model that saw neither; ObjectLab (U. Tkachenko et al., 2023,
cleanlab) gets them as they are, and a second time with our probabilities in place of the scores: the better of the two
counts. What is measured are planted errors: of the others, which real labels have as well, no one is told.

With `--boxes`: val and test of a folder in Pascal VOC's format; a small detector learns from train, in minutes, and is
kept. Without: random scenes of `scenes.py`. Their labels are right: in both cases they show how often the audit is sure
of an error where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import yaml
from cleanlab.object_detection import rank
from numpy.typing import NDArray
from scipy.stats import t
from sklearn.metrics import average_precision_score, roc_auc_score

from assay.commands.terminal import Terminal
from assay.data.files import read_json, read_table
from assay.labels.objects.places import places
from assay.labels.objects.suspicions import Suspicions, believed, suspicions
from assay.layout import Layout
from assay.metrics.detected import Detected
from assay.metrics.detection import judge
from assay.metrics.matching import Overlap, box_overlap, intersection
from assay.metrics.objects import Detections, Truth, offsets_of
from assay.params import parse_params
from benchmarks import mask_audit, scenes
from benchmarks.figures import Figure
from benchmarks.subjects import Measured, Setting

SHARE = 0.24
"""Share of the images with a planted error."""
PLANTED = ("dropped", "shifted", "swapped", "spurious")
SEEDS, SCENES = 6, 150
SHIFT = 0.25, 0.5
"""Length of a shift, in sides of the box."""
SURE = 0.9
HOME = Path(__file__).parents[1] / ".assay" / "object_audit"
DETECTOR = {
    "model": "lite0_detector",
    "options": {"finest": 8, "width": 96},
    "image_size": 320,
    "epochs": 7,
    "patience": 7,
    "batch": 4,
    "lr": 0.0005,
    "augment": "flips",
}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Row = dict[str, Any]


@dataclass(frozen=True)
class Labelled:
    """Labels and detections of n images of one size."""

    truth: Truth
    found: Detections
    classes: int
    size: Floats
    """(2,) width and height of the images, px."""

    @property
    def overlap(self) -> Overlap:
        return box_overlap(self.found, self.truth)


@dataclass(frozen=True)
class Event:
    """A planted error."""

    image: int
    kind: str
    box: Floats
    """(4,) of the right object; of a spurious one, its own."""
    label: int
    """Number among the labels; −1 of a dropped one."""


def measure(setting: Setting) -> Measured:
    if setting.masks is not None:
        return mask_audit.measure(setting)
    draw, what = _data(setting)
    rows, kinds = [], (*kinds_of(draw(0).classes), "mixed")
    for kind in kinds:
        rows += [_row(kind, seed, draw(seed)) for seed in range(setting.repeats(SEEDS))]
        print(f"  {kind}: {sum(row['seconds'] for row in rows):.0f} CPU s", flush=True)
    clean = [_clean(scene(setting.images(SCENES), seed)) for seed in range(setting.repeats(SEEDS))]
    table = [_summary(kind, [row for row in rows if row["kind"] == kind]) for kind in kinds]
    name = "object_audit" if setting.boxes is not None else "object_audit_scenes"
    about = {"results": name, "data": what, "objects": table, "clean": clean}
    return _figures(table, clean, setting), about


def kinds_of(classes: int) -> tuple[str, ...]:
    """The kinds of errors that can be planted: of one class none is swapped."""
    return PLANTED if classes > 1 else tuple(kind for kind in PLANTED if kind != "swapped")


def _data(setting: Setting) -> tuple[Callable[[int], Labelled], str]:
    if setting.boxes is None:
        n = setting.images(SCENES)
        return lambda seed: scene(n, seed), f"{n} random scenes a seed"
    judged = detected(setting.boxes, HOME)
    one = Labelled(judged.truth, judged.detections, judged.classes, _extent(judged))
    return lambda seed: one, f"{setting.boxes.name}: {len(judged)} images of val and test"


def scene(n: int, seed: int) -> Labelled:
    rng = np.random.default_rng([seed, n])
    made = scenes.detected(True, scenes.pictures(n, rng), rng)
    return Labelled(made.truth, made.detections, made.classes, _extent(made))


def _extent(made: Detected) -> Floats:
    ends: Floats = (made.truth.boxes[:, :2] + made.truth.boxes[:, 2:]).max(0)
    return ends


def detected(source: Path, home: Path) -> Detected:
    """The detections of val and test, by a detector trained on train and kept in `home`."""
    from assay.stages import curate, embed, evaluate, ingest, select, train

    given = {"name": "boxes", "format": "voc", "path": str(source.resolve())}
    settings = {
        "task": "detection",
        "ingest": {"sources": [given]},
        "curate": {"near_duplicate": 1.0},
        "select": {"strategy": "random"},
        "train": DETECTOR,
        "evaluate": {"slices": [], "batch": 16},
        "track": {"primary": "ap"},
    }
    params, mark = parse_params(settings), yaml.safe_dump(settings)
    layout, note = Layout(home), home / "made_with.yaml"
    if not note.exists() or note.read_text(encoding="utf-8") != mark:
        home.mkdir(parents=True, exist_ok=True)
        for stage in (ingest, embed, curate, select, train, evaluate):
            stage.run(params, layout, Terminal())
        note.write_text(mark, encoding="utf-8")
    table = read_table(layout.outputs / "predictions.parquet")
    classes = read_json(layout.outputs / "model" / "model.json")["categories"]
    made: Detected = judge(table, classes, table["label"].to_pylist(), classes)
    return made


# --- planted errors


def planted(data: Labelled, kind: str, rng: np.random.Generator) -> tuple[Labelled, list[Event]]:
    """The labels with one error in SHARE of the images; `mixed`: each of a kind drawn at random."""
    boxes, classes, events = [], [], []
    counts: list[int] = []
    for image, (a, b) in enumerate(zip(data.truth.offsets, data.truth.offsets[1:], strict=False)):
        here, of = data.truth.boxes[a:b].copy(), data.truth.classes[a:b].copy()
        if rng.random() < SHARE and b > a:
            chosen = str(rng.choice(kinds_of(data.classes))) if kind == "mixed" else kind
            at = int(rng.integers(b - a))
            right = here[at].copy()
            here, of, at = _err(chosen, here, of, at, data, rng)
            box = here[at].copy() if chosen == "spurious" else right
            events.append(Event(image, chosen, box, -1 if chosen == "dropped" else sum(counts) + at))
        boxes.append(here)
        classes.append(of)
        counts.append(len(of))
    corners, crowd = np.concatenate(boxes), np.zeros(sum(counts), bool)
    truth = Truth(
        offsets_of(counts), np.concatenate(classes), corners, corners[:, 2] * corners[:, 3], crowd=crowd
    )
    return Labelled(truth, data.found, data.classes, data.size), events


def _err(
    kind: str, boxes: Floats, classes: Ints, at: int, data: Labelled, rng: np.random.Generator
) -> tuple[Floats, Ints, int]:
    """Labels of one image with an error at its object `at`; and where the wrong label is."""
    if kind == "dropped":
        return np.delete(boxes, at, 0), np.delete(classes, at), -1
    if kind == "swapped":
        classes[at] = (classes[at] + rng.integers(1, data.classes)) % data.classes
    elif kind == "shifted":
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*SHIFT)
        boxes[at, :2] += length * np.array([np.cos(angle), np.sin(angle)]) * boxes[at, 2:]
        ends = np.clip(boxes[at, :2] + boxes[at, 2:], 1, data.size)
        boxes[at, :2] = np.clip(boxes[at, :2], 0, ends - 1)
        boxes[at, 2:] = ends - boxes[at, :2]
    else:
        sides = np.minimum(boxes[at, 2:], data.size)
        new = np.concatenate([rng.random(2) * (data.size - sides), sides])
        return np.vstack([boxes, new]), np.append(classes, classes[at]), len(classes)
    return boxes, classes, at


# --- rankings


def _row(kind: str, seed: int, data: Labelled) -> Row:
    wrong, events = planted(data, kind, np.random.default_rng([seed, len(data.truth)]))
    n, bad = len(wrong.truth), np.zeros(len(wrong.truth), bool)
    bad[[event.image for event in events]] = True
    began = process_time()
    ours = suspicions(wrong.found, wrong.truth, wrong.overlap, wrong.classes, seed)
    seconds = process_time() - began
    began = process_time()
    theirs = {"as they are": _objectlab(wrong, _as_predicted(wrong))}
    seconds_theirs = process_time() - began
    theirs["our probabilities"] = _objectlab(wrong, _as_believed(wrong, seed))
    scores = {"ours": ours.of_images(n)} | {name: made[0] for name, made in theirs.items()}
    row: Row = {"kind": kind, "seed": seed, "seconds": seconds, "seconds_theirs": seconds_theirs}
    for name, score in scores.items():
        row[f"ap {name}"] = float(average_precision_score(bad, score))
        row[f"auroc {name}"] = float(roc_auc_score(bad, score))
    hits = _hits(ours, wrong, events)
    row["object ap ours"] = _object_ap(ours.probabilities, hits, len(events))
    if kind in PLANTED:
        for name, made in theirs.items():
            row[f"object ap {name}"] = _object_ap(*made[1](kind, events), len(events))
    return row


def _hits(ours: Suspicions, data: Labelled, events: list[Event]) -> Bools:
    """(m,) suspicions that name a planted error: its label, or a detection on a dropped box; the first each."""
    hits = np.zeros(len(ours), bool)
    for event in events:
        if event.label >= 0:
            of = np.flatnonzero(ours.labels == event.label)
        else:
            of = np.flatnonzero((ours.labels < 0) & (ours.images == event.image))
            of = of[_ious(event.box, data.found.boxes[ours.detections[of]]) >= 0.5]
        hits[of[:1]] = True
    return hits


def _ious(box: Floats, boxes: Floats) -> Floats:
    shared = intersection(np.broadcast_to(box, boxes.shape), boxes)
    ious: Floats = shared / (box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared)
    return ious


def _object_ap(scores: Floats, hits: Bools, there: int) -> float:
    """Average precision of a list of objects; errors that are not in it are never found."""
    order = np.argsort(-scores, kind="stable")
    right = hits[order]
    return float((right.cumsum() / np.arange(1, len(right) + 1))[right].sum() / max(1, there))


Predictions = list[NDArray[np.object_]]


def _as_predicted(data: Labelled) -> Predictions:
    """In the form of cleanlab: of each image and class the boxes (m, 5) with their scores."""
    found = data.found
    return _by_class(found.images, found.classes, found.boxes, found.scores, data)


def _as_believed(data: Labelled, seed: int) -> Predictions:
    """The places, with our probability of each class in place of the score."""
    seen = places(data.found, data.truth, data.overlap, data.classes)
    given = np.append(data.truth.classes, data.classes)[seen.labels]
    chances = believed(seen, np.where(seen.labels >= 0, given, data.classes), data.classes, seed)
    place, of = np.nonzero(seen.scores > 0)
    boxes = data.found.boxes[seen.leaders[place]]
    return _by_class(seen.images[place], of, boxes, chances[place, of], data)


def _by_class(images: Ints, classes: Ints, boxes: Floats, scores: Floats, data: Labelled) -> Predictions:
    rows = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:], scores[:, None]], axis=1)
    made = []
    for image in range(len(data.truth)):
        one = np.empty(data.classes, object)
        for k in range(data.classes):
            one[k] = rows[(images == image) & (classes == k)]
        made.append(one)
    return made


def _objectlab(
    data: Labelled, predictions: Predictions
) -> tuple[Floats, Callable[..., tuple[Floats, Bools]]]:
    """Scores of the images, high where an error is likely; and of the objects, with what is right of them."""
    labels = []
    for a, b in zip(data.truth.offsets, data.truth.offsets[1:], strict=False):
        boxes = data.truth.boxes[a:b]
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        labels.append({"bboxes": corners, "labels": data.truth.classes[a:b]})
    images = 1 - rank.get_label_quality_scores(labels, predictions, verbose=False)

    def objects(kind: str, events: list[Event]) -> tuple[Floats, Bools]:
        if kind == "dropped":
            scored = rank.compute_overlooked_box_scores(labels=labels, predictions=predictions)
            return _of_predictions(scored, predictions, events)
        method = rank.compute_swap_box_scores if kind == "swapped" else rank.compute_badloc_box_scores
        flat = np.concatenate(method(labels=labels, predictions=predictions))
        wrong = np.zeros(len(flat), bool)
        wrong[[event.label for event in events]] = True
        return 1 - flat, wrong

    return images, objects


def _of_predictions(
    scored: list[Floats], predictions: Predictions, events: list[Event]
) -> tuple[Floats, Bools]:
    boxes = [np.concatenate(list(one))[:, :4] for one in predictions]
    hits = [np.zeros(len(one), bool) for one in boxes]
    for event in events:
        here = boxes[event.image]
        sides = np.concatenate([here[:, :2], here[:, 2:] - here[:, :2]], axis=1)
        on = (_ious(event.box, sides) >= 0.5) & ~np.isnan(scored[event.image])
        if on.any():
            hits[event.image][np.argmin(np.where(on, scored[event.image], np.inf))] = True
    flat = np.concatenate(scored)
    return 1 - flat[~np.isnan(flat)], np.concatenate(hits)[~np.isnan(flat)]


# --- figures


def _clean(data: Labelled) -> Row:
    """How often the audit is sure of errors where there are none."""
    found = suspicions(data.found, data.truth, data.overlap, data.classes, 0).probabilities
    return {
        "labels": len(data.truth.classes),
        "likely": int((found > 0.5).sum()),
        "sure": int((found >= SURE).sum()),
    }


def _summary(kind: str, rows: list[Row]) -> Row:
    """Means over the seeds, and the margin over the better ObjectLab with its paired 95 % interval."""
    found: Row = {"kind": kind, "seeds": len(rows)}
    for what in ("ap", "auroc", "object ap"):
        names = [name for name in rows[0] if name.startswith(f"{what} ")]
        found |= {name: float(np.mean([row[name] for row in rows])) for name in names}
        others = [name for name in names if not name.endswith("ours")]
        if others:
            best = max(others, key=lambda name: found[name])
            found[f"{what} ahead"] = _interval([row[f"{what} ours"] - row[best] for row in rows])
    return found | {
        name: float(np.mean([row[name] for row in rows])) for name in ("seconds", "seconds_theirs")
    }


def _interval(values: list[float]) -> list[float]:
    """Mean, and the ends of its 95 % interval by Student's t; of one value, itself."""
    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else 0.0
    return [mean, mean - half, mean + half]


def _figures(table: list[Row], clean: list[Row], setting: Setting) -> list[Figure]:
    where = "scenes" if setting.boxes is None else setting.boxes.name

    def least(what: str) -> Figure:
        ends = {row["kind"]: row[f"{what} ahead"][1] for row in table if f"{what} ahead" in row}
        name = f"{what.replace('ap', 'AP').replace('auroc', 'AUROC')} beyond ObjectLab's, least lower end ({where})"
        return Figure(name, min(ends.values()), "at least", 0, "", ends)

    sure = 1000 * sum(row["sure"] for row in clean) / sum(row["labels"] for row in clean)
    return [
        *(least(what) for what in ("ap", "auroc", "object ap")),
        Figure(f"objects of clean scenes suspected from {SURE:g} on", sure, "at most", 1, "of 1,000 labels"),
    ]
