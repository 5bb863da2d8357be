"""The map: embeddings in two dimensions, computed once in a process of its own, and kept in `.assay/maps/`.

t-SNE (L. van der Maaten, G. Hinton: Visualizing Data using t-SNE. JMLR 2008; Barnes–Hut) of at most LANDMARKS images on
their first DIMENSIONS principal components; every other image is placed at the weighted mean of its nearest landmarks.
`python -m benchmarks review` measures this beside principal components alone.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.embeddings import ABOUT, Embeddings
from assay.data.files import recall, replacing
from assay.errors import AssayError

LANDMARKS = 5000
DIMENSIONS = 50
SAMPLE = 20_000
"""Images whose principal components are used."""
PERPLEXITY = 30.0
NEAREST = 8
BLOCK = 50_000
Floats = NDArray[np.float32]


def project(embeddings: Embeddings, seed: int = 0) -> Floats:
    """(n, 2) in 0…1, in the order of `embeddings.ids`."""
    n = len(embeddings)
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(n)[:SAMPLE])
    mean, axes = _components(embeddings.at(sample))
    chosen = np.sort(rng.permutation(n)[:LANDMARKS])
    landmarks = ((embeddings.at(chosen) - mean) @ axes).astype(np.float32)
    drawn = _embed(landmarks, seed)
    places = np.empty((n, 2), np.float32)
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(n, start + BLOCK))
        places[rows] = place(((embeddings.at(rows) - mean) @ axes).astype(np.float32), landmarks, drawn)
    places[chosen] = drawn
    low, high = (np.percentile(places, q, axis=0) for q in (0.1, 99.9)) if n else (0, 1)
    scaled: Floats = np.clip((places - low) / np.maximum(high - low, 1e-9), 0, 1).astype(np.float32)
    return scaled


def _components(vectors: Floats) -> tuple[Floats, Floats]:
    """Mean (d,) and the first principal axes (d, k)."""
    from sklearn.decomposition import PCA

    mean = vectors.mean(0) if len(vectors) else np.zeros(vectors.shape[1], np.float32)
    k = min(DIMENSIONS, *vectors.shape)
    if k < 2 or not np.ptp(vectors, axis=0).any():
        return mean, np.eye(vectors.shape[1], 2, dtype=np.float32)
    axes = (
        PCA(k, svd_solver="randomized" if k == DIMENSIONS else "full", random_state=0)
        .fit(vectors)
        .components_
    )
    return mean, np.ascontiguousarray(axes.T, np.float32)


def _embed(vectors: Floats, seed: int) -> Floats:
    """(m, 2) by t-SNE; by the first two components if there are few images, or all are equal."""
    from sklearn.manifold import TSNE

    if len(vectors) < 10 or not np.ptp(vectors, axis=0).any():
        return vectors[:, :2].astype(np.float32)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    made = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed, n_jobs=1)
    drawn: Floats = made.fit_transform(np.ascontiguousarray(vectors)).astype(np.float32)
    return drawn


def place(vectors: Floats, landmarks: Floats, drawn: Floats) -> Floats:
    """(n, 2) the mean of the places `drawn` (m, 2) of the nearest landmarks (m, k), weighted by exp(−d² / d₃²)."""
    import faiss

    index = faiss.IndexFlatL2(landmarks.shape[1])
    index.add(np.ascontiguousarray(landmarks, np.float32))
    near, number = index.search(np.ascontiguousarray(vectors, np.float32), min(NEAREST, len(landmarks)))
    third = near[:, min(2, near.shape[1] - 1)][:, None]
    weight = np.exp(-near / np.maximum(third, 1e-9))
    weight /= weight.sum(1, keepdims=True)
    placed: Floats = (weight[..., None] * drawn[number]).sum(1).astype(np.float32)
    return placed


class Map:
    """The places of the images of a project; made in the background when they are first asked for."""

    def __init__(self, embeddings: Path, scratch: Path) -> None:
        self._embeddings, self._scratch = embeddings, scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._held: tuple[Path, list[str], Floats] | None = None

    def get(self) -> tuple[pa.Array, Floats] | None:
        """Ids and places; None while they are being made. MissingInput without embeddings."""
        opened = Embeddings.open(self._embeddings)
        ids = opened.id_column
        file = self._file(ids)
        if self._held is None or self._held[0] != file:
            found = recall(lambda: np.load(file))
            if found is None or found.shape != (len(opened), 2):
                self._begin(file)
                return None
            self._held = file, ids, found
        return ids, self._held[2]

    def _file(self, ids: pa.Array) -> Path:
        """Named by the embeddings and their images."""
        mark = hashlib.sha256((self._embeddings / ABOUT).read_bytes())
        for part in ids.buffers()[1:]:
            mark.update(part or b"")
        return self._scratch / "maps" / f"{mark.hexdigest()[:16]}-{LANDMARKS}.npy"

    def _begin(self, file: Path) -> None:
        if self._process is not None and self._process.poll():
            self._process = None  # asked for again, it is tried again
            raise AssayError("the map could not be computed: the server's terminal says why")
        if self._process is None or self._process.poll() is not None:
            line = [sys.executable, "-m", "assay.web.projection", str(self._embeddings), str(file)]
            self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL)


def main(arguments: list[str]) -> None:
    embeddings, file = map(Path, arguments)
    import os

    os.nice(5)  # a person is at work beside it
    places = project(Embeddings.open(embeddings))
    with replacing(file) as aside, aside.open("wb") as stream:
        np.save(stream, places)


if __name__ == "__main__":
    main(sys.argv[1:])
