"""python -m benchmarks.selecting METHOD FOLDER BUDGET CORES: one selection in a separate process.

Writes FOLDER/chosen.json: wall and CPU seconds from the pool (in files, or in memory) to the picks, and the picks.
METHOD is a strategy of assay or one of PEERS. CORES is 1 or all. It is killed after LIMIT seconds of CPU.
"""

from __future__ import annotations

import os
import sys

LIMIT = 600
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")

if __name__ == "__main__" and sys.argv[4] == "1":  # before any library has counted the cores
    os.environ |= dict.fromkeys(THREADS, "1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import json  # noqa: E402
import resource  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from time import perf_counter, process_time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from assay import plugins  # noqa: E402
from benchmarks.mixture import CLASSES, read_mixture  # noqa: E402

Chooser = Callable[[], Any]
WITHOUT_LABELS = ("kcenter", "badge", "typiclust", "probcover", "maxherding")
"""Strategies compared with peers, which get no labels."""


def main(method: str, folder: Path, budget: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 5))
    choose = PEERS[method](folder, budget) if method in PEERS else ours(method, folder, budget)
    started, computing = perf_counter(), process_time()
    picks = choose()
    taken = {"wall": perf_counter() - started, "cpu": process_time() - computing}
    content = taken | {"picks": np.asarray(picks).tolist()}
    (folder / "chosen.json").write_text(json.dumps(content), encoding="utf-8")


def ours(name: str, folder: Path, budget: int) -> Chooser:
    strategy = plugins.load("strategies", name)
    pool = read_mixture(folder, labelled=name not in WITHOUT_LABELS)
    return lambda: strategy.select(pool, budget, np.random.default_rng(0))


# --- peers, with the embeddings in memory


def naive(folder: Path, budget: int) -> Chooser:
    """Algorithm 1 of Sener and Savarese (2018) in double precision: the reference of k-center."""
    from assay.strategies._geometry import canonical, mean_of

    X = np.load(folder / "embeddings.npy")

    def choose() -> list[int]:
        gaps, picks = np.full(len(X), np.inf), [int(canonical(X, mean_of(X)).argmin())]
        while len(picks) < budget:
            gaps = np.minimum(gaps, canonical(X, X[picks[-1]]))
            gaps[picks] = -np.inf
            picks.append(int(gaps.argmax()))
        return picks

    return choose


def torch_kcenter(folder: Path, budget: int) -> Chooser:
    """Plain k-center: a matrix-vector product for each pick."""
    import torch

    X = torch.from_numpy(np.load(folder / "embeddings.npy"))

    def choose() -> list[int]:
        norms = (X * X).sum(dim=1) if len(X) < 200_000 else torch.linalg.vector_norm(X, dim=1) ** 2
        picks = [int((norms - 2 * (X @ X.mean(dim=0))).argmin())]
        gaps = torch.full((len(X),), torch.inf)
        while len(picks) < budget:
            centre = picks[-1]
            torch.minimum(gaps, norms - 2 * (X @ X[centre]) + norms[centre], out=gaps)
            gaps[centre] = -torch.inf
            picks.append(int(gaps.argmax()))
        return picks

    return choose


def mundig(folder: Path, budget: int) -> Chooser:
    from lightly_mundig import Selection

    X = np.load(folder / "embeddings.npy")

    def choose() -> Any:
        selection = Selection()
        selection.add_diversifying_strategy(X, 1.0)
        return selection.run_selection([], len(X), budget)

    return choose


def activeml(name: str) -> Callable[[Path, int], Chooser]:
    """A strategy of scikit-activeml; BADGE with a logistic regression on the same labels as ours."""

    def prepare(folder: Path, budget: int) -> Chooser:
        from skactiveml import pool
        from skactiveml.classifier import SklearnClassifier
        from sklearn.linear_model import LogisticRegression

        X = np.load(folder / "embeddings.npy")
        labels = np.full(len(X), np.nan)
        extra = {}
        if name == "Badge":
            given = read_mixture(folder, labelled=True)
            assert given.targets is not None  # labelled=True
            labels[given.labelled] = given.targets[given.labelled]
            extra["clf"] = SklearnClassifier(LogisticRegression(max_iter=200), classes=range(CLASSES)).fit(
                X, labels
            )
            extra["fit_clf"] = False
        strategy = getattr(pool, name)(random_state=0)
        return lambda: strategy.query(X, labels, batch_size=budget, **extra)

    return prepare


PEERS: dict[str, Callable[[Path, int], Chooser]] = {
    "plain k-center, double precision": naive,
    "plain k-center, torch": torch_kcenter,
    "lightly-mundig: diversity": mundig,
    **{
        f"scikit-activeml: {n}": activeml(n)
        for n in ("CoreSet", "TypiClust", "Badge", "ProbCover", "MaxHerding")
    },
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
