"""Label audit without planted noise: labels of people (CIFAR-10N) and clean ones, several draws of several sizes.

ASSAY_REAL_LABELS names a folder with `cifar10n-dev` (images.tar.gz, labels.csv: path, clean, and the labels of people)
and optionally the class folders `clothing-dev` and `sign-language-digits`, whose labels are assumed to be correct.
Without it nothing is measured.

Measured: the estimated share, whether its interval contains the true one (0 for clean labels), the labels at 0.9 and
more and how many of these are wrong, the calibration error over all labels, and average precision compared with the
best of cleanlab's scores on the same probe, and with 1 − p(given) of it.
"""

from __future__ import annotations

import csv
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import average_precision_score

from assay.labels.judge import JudgedLabels, judge
from benchmarks.encoded import vectors_of
from benchmarks.figures import Figure

VARIABLE = "ASSAY_REAL_LABELS"
PEOPLE, FOLDERS = "cifar10n-dev", ("clothing-dev", "sign-language-digits")
CLEAN = "clean"
SIZES = {500: 6, 1000: 4, 3000: 2, 7500: 2}
"""{labels: draws}; the whole set is audited once too."""
SCORES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
SIDE = 96
"""Side of the images in pixels, that of the larger encoder."""
SURE = 0.9
MANY = 0.3
"""Share of wrong labels above which the wider of the two BOUNDS applies."""
BOUNDS = 0.05, 0.08
"""Bounds of the error of the share and of the calibration error."""
HOLDS, RIGHT, SURE_CLEAN = 0.9, 0.85, 1.0
"""Least coverage; least share of wrong labels among those at SURE; most labels at SURE of 1,000 clean ones."""

Ints = NDArray[np.int64]
Row = dict[str, Any]


@dataclass(frozen=True)
class Real:
    """Images with several sets of labels."""

    name: str
    images: NDArray[np.uint8]
    labels: dict[str, Ints]

    @property
    def classes(self) -> int:
        return int(self.labels[CLEAN].max()) + 1


def rows(encoders: tuple[str, ...], home: Path) -> list[Row]:
    """A row for each data set, encoder, label set and size; none without the folder."""
    folder = os.environ.get(VARIABLE)
    made = []
    for real in sets(Path(folder)) if folder else ():
        for encoder in encoders:
            vectors = np.array(vectors_of(real.images, encoder, home))
            chosen = real.labels if encoder != "pixels" else {CLEAN: real.labels[CLEAN]}
            for name in chosen:
                made += [_row(real, encoder, name, vectors, n, many) for n, many in _sizes(len(vectors))]
                print(f"  {real.name}, {encoder}, {name}: {made[-1]}", flush=True)
    return made


def _sizes(most: int) -> list[tuple[int, int]]:
    return [(n, many) for n, many in SIZES.items() if n < most] + [(most, 1)]


def _row(real: Real, encoder: str, name: str, vectors: NDArray[np.float32], n: int, many: int) -> Row:
    """The mean over draws; the largest error of the share, and the least margins."""
    drawn = [np.random.default_rng([n, draw]).permutation(len(vectors))[:n] for draw in range(many)]
    told = [
        _draw(
            judge(vectors[at], real.labels[name][at], np.arange(n), real.classes, 0), real.labels[CLEAN][at]
        )
        for at in drawn
    ]
    mean = {key: float(np.mean([one[key] for one in told])) for key in told[0]}
    sure, right = (sum(one[key] for one in told) for key in ("sure", "sure_wrong"))
    row = {"set": real.name, "encoder": encoder, "labels": name, "n": n, "draws": many, **mean}
    row |= {"error": max(abs(one["estimated"] - one["wrong"]) for one in told)}
    row |= {"sure": 1000 * sure / (n * many), "sure_wrong": right / sure if sure else None}
    if name != CLEAN:
        row |= {"least_margin": min(one["margin"] for one in told)}
    return row | {"missed": missed(row)}


def missed(row: Row) -> list[str]:
    """Names of the values of a row that miss their targets."""
    bound = BOUNDS[row["wrong"] > MANY]
    beyond = {
        "estimated": row["labels"] != CLEAN and abs(row["estimated"] - row["wrong"]) > bound,
        "holds": row["holds"] < HOLDS,
        "sure": row["labels"] == CLEAN and row["sure"] > SURE_CLEAN,
        "sure_wrong": row["labels"] != CLEAN and row["sure_wrong"] is not None and row["sure_wrong"] < RIGHT,
        "ece": row["ece"] > bound,
        "average_precision": row.get("margin", 0.0) < 0,
    }
    return [name for name, is_beyond in beyond.items() if is_beyond]


def _draw(said: JudgedLabels, right: Ints) -> dict[str, float]:
    from benchmarks.label_audit import calibration_error

    wrong, sure = said.given != right, said.wrong >= SURE
    row = {
        "wrong": float(wrong.mean()),
        "estimated": said.rate,
        "low": said.low,
        "high": said.high,
        "holds": float(said.low <= wrong.mean() <= said.high),
        "sure": float(sure.sum()),
        "sure_wrong": float((sure & wrong).sum()),
        "ece": calibration_error(said.wrong, wrong),
    }
    if not wrong.any():
        return row
    ours = float(average_precision_score(wrong, said.wrong))
    theirs = [
        float(average_precision_score(wrong, -get_label_quality_scores(said.given, said.probe, method=score)))
        for score in SCORES
    ]
    return row | {"average_precision": ours, "theirs": max(theirs), "margin": ours - max(theirs)}


def figures(made: list[Row]) -> list[Figure]:
    """The targets of the rows; none without rows."""
    if not made:
        return []
    clean, people = (
        [row for row in made if (row["labels"] == CLEAN) is is_clean] for is_clean in (True, False)
    )

    def held(of: list[Row]) -> float:
        return float(sum(row["holds"] * row["draws"] for row in of) / sum(row["draws"] for row in of))

    def names(of: list[Row], key: str) -> dict[str, Any]:
        return {f"{row['set']}, {row['encoder']}, {row['labels']}, {row['n']}": row[key] for row in of}

    worst = [row for row in people if row["wrong"] > MANY]
    others = [row for row in people if row["wrong"] <= MANY]
    sure = sum(row["sure"] * row["n"] * row["draws"] for row in people)
    wrong = sum((row["sure_wrong"] or 0) * row["sure"] * row["n"] * row["draws"] for row in people)
    most_sure = max(row["sure"] for row in clean)
    return [
        Figure("interval of the share holds 0, clean labels", held(clean), "at least", 0.95, ""),
        Figure(
            "labels at 0.9 of 1,000, clean, most",
            most_sure,
            "at most",
            SURE_CLEAN,
            "",
            names(clean, "sure"),
        ),
        Figure("interval holds the share, people's labels", held(people), "at least", HOLDS, ""),
        *[
            Figure(
                f"share off, mean of draws, most ({kind})",
                _off(of),
                "at most",
                bound,
                "",
                names(of, "estimated"),
            )
            for kind, of, bound in (("9–18 % wrong", others, BOUNDS[0]), ("40 % wrong", worst, BOUNDS[1]))
        ],
        Figure("wrong of those at 0.9, people's labels", wrong / max(sure, 1e-9), "at least", RIGHT, ""),
        *[
            Figure(
                f"calibration error, largest ({kind})",
                _most(of, "ece"),
                "at most",
                bound,
                "",
                names(of, "ece"),
            )
            for kind, of, bound in (
                ("clean", clean, BOUNDS[0]),
                ("9–18 % wrong", others, BOUNDS[0]),
                ("40 % wrong", worst, BOUNDS[1]),
            )
        ],
        Figure(
            "average precision beyond cleanlab's best, least of the means (people's labels)",
            min(row["margin"] for row in people),
            "at least",
            0,
            "",
            names(people, "margin"),
        ),
    ]


def _off(of: list[Row]) -> float:
    return float(max(abs(row["estimated"] - row["wrong"]) for row in of))


def _most(of: list[Row], key: str) -> float:
    return float(max(row[key] for row in of))


# --- the sets


def sets(folder: Path) -> Iterator[Real]:
    if (folder / PEOPLE).exists():
        yield people(folder / PEOPLE)
    for name in FOLDERS:
        if (folder / name).exists():
            yield _folders(folder / name)


def people(folder: Path) -> Real:
    with (folder / "labels.csv").open() as file:
        table = list(csv.DictReader(file))
    with tarfile.open(folder / "images.tar.gz") as packed:
        held = {
            Path(one.name).name: packed.extractfile(one).read()  # type: ignore[union-attr]
            for one in packed
            if one.isfile()
        }
    images = np.stack([_pixels(Image.open(io.BytesIO(held[Path(row["path"]).name]))) for row in table])
    classes = sorted({row[CLEAN] for row in table})
    labels = {
        name: np.array([classes.index(row[name]) for row in table], np.int64)
        for name in table[0]
        if name != "path"
    }
    return Real(folder.name, images, labels)


def _folders(folder: Path) -> Real:
    files = sorted(file for file in folder.glob("*/*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    classes = sorted({file.parent.name for file in files})
    right = np.array([classes.index(file.parent.name) for file in files], np.int64)
    return Real(folder.name, np.stack([_pixels(Image.open(file)) for file in files]), {CLEAN: right})


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(small)
