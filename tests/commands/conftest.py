"""A project at the desk: 20 images in the pool, a snapshot, and a queue."""

from __future__ import annotations

import pyarrow as pa
import pytest

from assay.data.edits import read_batches
from assay.data.fold import fold
from assay.data.pool import Pool
from assay.layout import Layout
from assay.params import Curate, Ingest, Params, Source, Track, Train
from assay.params import Select as SelectParams
from assay.progress import silent
from assay.stages import select

NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})


class Desk:
    """The project, and what the stages before the desk do."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.pool = Pool.open(layout.pool)
        self.unlabelled = [self.pool.ids[n] for n in range(20) if n % 2 == 0 and n % 4]

    def params(self, classes=None, **settings) -> Params:
        chosen = {"strategy": "random", "budget": 5, "ruler_halfwidth": 0.49} | settings
        return Params(
            ingest=Ingest(sources=[Source(name="s", format="demo")]),
            curate=Curate(classes=classes),
            select=SelectParams(**chosen),
            train=Train(image_size=8, color="gray"),
            track=Track(),
        )

    def curate(self):
        fractions = {"train": 0.6, "val": 0.2, "test": 0.2}
        snap = fold(self.pool, read_batches(self.layout.edits), NO_PAIRS, fractions, 0)
        self.layout.snapshot.mkdir(parents=True, exist_ok=True)
        snap.write(self.layout.snapshot)
        return snap

    def select(self):
        return select.run(self.params(), self.layout, silent)

    def batches(self):
        return read_batches(self.layout.edits)


@pytest.fixture
def desk(make_pool, tmp_path) -> Desk:
    make_pool()
    made = Desk(Layout(tmp_path))
    made.curate()
    made.select()
    return made
