"""Consensus of several people: CIFAR-10N's three labels of each image, and simulated people.

`--data DIR` names the folder that contains `cifar10n-dev` (images.tar.gz, labels.csv: clean, aggregate, annotator1…3),
`clothing-dev` and `sign-language-digits` (people_on_photos.py); `--masks DIR` has outlines (marked_nuclei.py). Without
them only the simulated people below are measured.

The reported half of CIFAR-10N is the images with an odd number; on the others the model of `dawid_skene` was tried. The
default was decided on neither, but on people_on_photos.py. The columns of CIFAR-10N are no three persons: each label is
of one of many workers, so that a column has the mixed behaviour of all of them, and the three are alike. A method that
weights people by their confusions gains little there from differences between people; it gains from those between
classes.

Simulated people: no constant of the method was chosen on them but those of the priors, on other seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.agreement.consensus import LEAST_SURE, Consensus, Method, beliefs_of, consensus, reliability
from assay.agreement.votes import Votes
from assay.metrics.estimates import bonett_price, wilson
from benchmarks import marked_nuclei, people_on_photos
from benchmarks.encoded import HOME, vectors_of
from benchmarks.figures import Figure
from benchmarks.real_labels import CLEAN, PEOPLE, Real, people
from benchmarks.subjects import Measured, Setting

ENCODER = "efficientnet_lite0"
COLUMNS = "annotator1", "annotator2", "annotator3"
BINS = 15
KEPT = LEAST_SURE["combined"]
RESAMPLES = 500
"""Of the images, for the interval of a calibration error."""
SEEDS, FEW = 20, 1000
"""Draws of each setting of simulated people; images of CIFAR-10N in a small draw."""
DRAWS = 5
PHOTOS = 90
"""Settings of people_on_photos.py."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Row = dict[str, Any]


def measure(setting: Setting) -> Measured:
    seeds = setting.repeats(SEEDS)
    made = [simulated(name, seeds, setting.quick) for name in SETTINGS]
    real = [] if setting.data is None else list(on_labels_of_people(people(setting.data / PEOPLE)))
    sets = [] if setting.data is None else people_on_photos.sets_in(setting.data)
    photos = people_on_photos.measured(sets, 3 if setting.quick else PHOTOS) if sets else []
    pixels, marks = (
        marked_nuclei.measured(setting.masks, 4 if setting.quick else None) if setting.masks else ([], [])
    )
    tables = {"consensus": real, "simulated": made, "photos": photos, "pixels": pixels, "marks": marks}
    found = [*figures(real, made), *of_photos(photos), *of_pixels(pixels)]
    return found, {**tables, "encoder": ENCODER, "seeds": seeds}


# --- labels of people


def on_labels_of_people(real: Real) -> Iterator[Row]:
    """A row for each method and number of images."""
    vectors = np.array(vectors_of(real.images, ENCODER, HOME))
    labels = np.stack([real.labels[name] for name in COLUMNS], 1)
    reported = np.arange(1, len(labels), 2)
    drawn = [np.random.default_rng(d).permutation(reported)[:FEW] for d in range(DRAWS)]
    yield from _rows(real, labels, vectors, [reported])
    yield from _rows(real, labels, vectors, drawn)


def _rows(real: Real, labels: Ints, vectors: NDArray[np.float32], drawn: list[Ints]) -> Iterator[Row]:
    right = np.concatenate([real.labels[CLEAN][at] for at in drawn])
    published = np.concatenate([real.labels["aggregate"][at] for at in drawn]) != right
    votes = [votes_of(labels[at], real.classes) for at in drawn]
    taught = (beliefs_of(v, vectors[at], np.arange(len(at)), 0) for v, at in zip(votes, drawn, strict=True))
    beliefs = [one for one in taught if one is not None]
    about = {"n": len(drawn[0]), "draws": len(drawn)}
    yield {**about, "method": "published aggregate", **_error(published, published)}
    for method in people_on_photos.METHODS:
        found = [people_on_photos.by(method, v, b) for v, b in zip(votes, beliefs, strict=True)]
        said = np.concatenate([one.classes for one in found])
        sure = np.concatenate([one.sure for one in found])
        row = {**about, "method": method, **_error(said != right, published)}
        if method not in ("majority", "crowdlab"):
            row |= _calibration(sure, said == right) | _people_of(votes, found, labels, real, drawn)
        print(f"  {row}", flush=True)
        yield row


def _error(wrong: NDArray[np.bool_], published: NDArray[np.bool_]) -> Row:
    """Share of wrong labels, and the paired difference to the published aggregate, both with 95 % intervals."""
    low, high = bonett_price(int((wrong & ~published).sum()), int((~wrong & published).sum()), len(wrong))
    return {
        "wrong": float(wrong.mean()),
        "interval": wilson(int(wrong.sum()), len(wrong)),
        "difference": float(wrong.mean() - published.mean()),
        "difference_interval": (low, high),
    }


def _calibration(sure: Floats, right: NDArray[np.bool_]) -> Row:
    kept = sure >= KEPT
    rng, n = np.random.default_rng(0), len(sure)
    drawn = [calibration_error(sure[at], right[at]) for at in rng.integers(0, n, (RESAMPLES, n))]
    return {
        "posterior": float(sure.mean()),
        "ece": calibration_error(sure, right),
        "ece_interval": np.percentile(drawn, [2.5, 97.5]).tolist(),
        "kept": float(kept.mean()),
        "wrong_kept": float(1 - right[kept].mean()),
    }


def calibration_error(sure: Floats, right: NDArray[np.bool_]) -> float:
    cell = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(sure[cell == b].sum() - right[cell == b].sum()) for b in range(BINS)]
    return float(sum(gaps) / len(sure))


def _people_of(
    votes: list[Votes], found: list[Consensus], labels: Ints, real: Real, drawn: list[Ints]
) -> Row:
    """Coverage of the intervals of the people's accuracy, and by how much it is estimated too high."""
    held, above, widths = [], [], []
    for v, one, at in zip(votes, found, drawn, strict=True):
        truth = (labels[at] == real.labels[CLEAN][at, None]).mean(0)
        for row, accuracy in zip(reliability(v, one, 0), truth, strict=True):
            low, high = float(row["low"] or 0), float(row["high"] or 0)
            held.append(low <= accuracy <= high)
            above.append(float(row["value"] or 0) - accuracy)
            widths.append(high - low)
    means = {"coverage": held, "too_high": above, "width": widths}
    return {"people": len(held), **{name: float(np.mean(values)) for name, values in means.items()}}


def votes_of(labels: Ints, classes: int) -> Votes:
    """Votes from a table (n, p) of classes; −1: none."""
    images, persons = np.nonzero(labels >= 0)
    ids, people, names = (tuple(f"{i:06d}" for i in range(count)) for count in (*labels.shape, classes))
    return Votes(
        ids, people, names, images.astype(np.int64), persons.astype(np.int64), labels[images, persons]
    )


# --- simulated people

SETTINGS: dict[str, dict[str, Any]] = {
    "3 people of 0.9, 0.8, 0.6": {"accuracy": [0.9, 0.8, 0.6], "images": 500, "overlap": 3, "hard": 0.0},
    "3 alike, 0.8": {"accuracy": [0.8, 0.8, 0.8], "images": 500, "overlap": 3, "hard": 0.0},
    "2 people, 0.9 and 0.7": {"accuracy": [0.9, 0.7], "images": 500, "overlap": 2, "hard": 0.0},
    "20 people, 3 an image, 0.5 to 0.95": {
        "accuracy": np.linspace(0.5, 0.95, 20).tolist(),
        "images": 300,
        "overlap": 3,
        "hard": 0.0,
    },
    "3 alike, 0.8, and a fifth of hard images": {
        "accuracy": [0.8, 0.8, 0.8],
        "images": 500,
        "overlap": 3,
        "hard": 0.2,
    },
}
SIMULATED: tuple[Method, ...] = ("majority", "dawid_skene")
CLASSES = 5
LURE = 0.6
"""On a hard image, probability of the one wrong class that lures all people."""


def simulated(name: str, seeds: int, quick: bool = False) -> Row:
    """Means over `seeds`: errors by method, calibration, coverage of the intervals of the accuracies."""
    made = [_draw(SETTINGS[name], 1000 + seed, quick) for seed in range(seeds)]
    mean = {key: float(np.mean([one[key] for one in made])) for key in made[0]}
    told = mean.pop("intervals")
    ahead = [one["majority"] - one["dawid_skene"] for one in made]
    error = 1.96 * float(np.std(ahead, ddof=1)) / len(ahead) ** 0.5 if len(ahead) > 1 else float("nan")
    row = {"setting": name, "seeds": seeds, "images": SETTINGS[name]["images"], **mean}
    row |= {
        "ahead": float(np.mean(ahead)),
        "ahead_error": error,
        "people": round(told * seeds),
    }
    print(f"  {row}", flush=True)
    return row


def _draw(setting: dict[str, Any], seed: int, quick: bool) -> dict[str, float]:
    rng, accuracy = np.random.default_rng(seed), np.array(setting["accuracy"])
    n, people = (60 if quick else setting["images"]), len(accuracy)
    right = rng.integers(0, CLASSES, n)
    others = (right[:, None] + rng.integers(1, CLASSES, (n, people))) % CLASSES
    labels = np.where(rng.random((n, people)) < accuracy, right[:, None], others)
    hard = rng.random(n) < setting["hard"]
    lured = hard[:, None] & (rng.random((n, people)) < LURE)
    labels = np.where(lured, (right[:, None] + 1) % CLASSES, labels)
    asked = rng.random((n, people)).argsort(1) < setting["overlap"]
    votes = votes_of(np.where(asked, labels, -1), CLASSES)
    found = {method: consensus(votes, method) for method in SIMULATED}
    said = found["dawid_skene"]
    # on a hard image a person is right with their accuracy only where they were not lured
    truth = accuracy * (1 - setting["hard"] * LURE)
    rows = reliability(votes, said, 0)
    known = [(r, t) for r, t in zip(rows, truth, strict=True) if r["value"] is not None]
    of_people = {
        "coverage": [float(r["low"] or 0) <= t <= float(r["high"] or 0) for r, t in known],
        "too_high": [float(r["value"] or 0) - t for r, t in known],
    }
    return {
        **{method: float((one.classes != right).mean()) for method, one in found.items()},
        "posterior": float(said.sure.mean()),
        "intervals": float(len(known)),
        **{name: float(np.mean(values)) for name, values in of_people.items() if values},
    }


# --- figures


def figures(real: list[Row], made: list[Row]) -> list[Figure]:
    independent = [row for row in made if SETTINGS[row["setting"]]["hard"] == 0]
    told = [row for row in independent if row["people"]]
    coverage = sum(row["coverage"] * row["people"] for row in told) / sum(row["people"] for row in told)
    found = [
        Figure(
            "interval of a person's accuracy holds it, simulated people who err independently",
            coverage,
            "at least",
            0.9,
            "",
            {row["setting"]: row["coverage"] for row in made if row["people"]},
        ),
        Figure(
            "wrong labels: majority − dawid_skene, least of the simulated people, mean",
            min(100 * row["ahead"] for row in independent),
            "at least",
            0,
            "points",
            {row["setting"]: 100 * row["ahead"] for row in made},
        ),
    ]
    rows = {row["method"]: row for row in real if row["draws"] == 1}
    if not rows:
        return found
    for method in ("dawid_skene", "combined"):
        name = f"wrong labels of CIFAR-10N: {method} − published aggregate, upper end of the interval"
        upper = 100 * rows[method]["difference_interval"][1]
        found.append(Figure(name, upper, "at most", 0, "points", {m: r["wrong"] for m, r in rows.items()}))
    found += [
        Figure(
            "calibration error of the posterior, CIFAR-10N, combined",
            rows["combined"]["ece"],
            "at most",
            0.02,
            "",
        ),
        Figure(
            "interval of a person's accuracy holds it, CIFAR-10N, combined",
            rows["combined"]["coverage"],
            "at least",
            0.9,
            "",
            {m: r["too_high"] for m, r in rows.items() if "too_high" in r},
        ),
    ]
    return found


def of_photos(rows: list[people_on_photos.Row]) -> list[Figure]:
    if not rows:
        return []
    found = []
    for name in ("majority", "dawid_skene", "crowdlab"):
        upper = {f"common errors {row['shared']:.0%}": 100 * row[name]["interval"][1] for row in rows}
        found.append(
            Figure(
                f"wrong labels: combined − {name}, people on photographs, largest upper end",
                max(upper.values()),
                "at most",
                0,
                "points",
                upper,
            )
        )
    coverage = {f"common errors {row['shared']:.0%}": row["combined"]["coverage"] for row in rows}
    name = (
        "interval of a person's accuracy holds it, people on photographs, at most half of the errors common"
    )
    least = min(row["combined"]["coverage"] for row in rows if row["shared"] <= 0.5)
    return [*found, Figure(name, least, "at least", 0.9, "", coverage)]


def of_pixels(rows: list[marked_nuclei.Row]) -> list[Figure]:
    found = []
    for name, margin in (("nearest to the others", 0.0), ("majority of pixels", 0.0), ("STAPLE", -0.005)):
        lower = {f"{row['people']} people": row[name]["interval"][0] for row in rows}
        what = f"IoU of the consensus of masks: median − {name}, least lower end"
        found += [Figure(what, min(lower.values()), "at least", margin, "", lower)] if lower else []
    return found
