"""The images of a snapshot as the page has them, and its index of content ids."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.data.edits import Judgement, write_batch
from assay.data.pool import PoolWriter, content_id
from assay.web import catalog
from assay.web.ids import Ids, texts
from assay.web.stored import Stored
from tests.conftest import png
from tests.project import Project

NOTES = {
    "none": None,
    "looked at": [],
    "one": [Annotation(category="dog")],
    "tags": [Annotation(category="dog"), Annotation(category="cat")],
    "with attributes": [Annotation(category="dog", attributes={"pose": "sits"})],
    "boxes": [Annotation(category=name, bbox=(0, 0, 4, 4)) for name in ("dog", "cat", "dog")],
    "both": [Annotation(category="dog"), Annotation(category="ant", bbox=(0, 0, 4, 4))],
}


@pytest.fixture
def project(tmp_path):
    """An image for each of NOTES."""
    made = Project(tmp_path)
    for sample, notes in zip(made.put([png(n, 12) for n in range(len(NOTES))]), NOTES.values(), strict=True):
        if notes is not None:
            one = {"id": sample, "op": "label", "annotations": notes, "by": "t", "at": "2026-01-01"}
            write_batch(made.layout.edits, "t", [Judgement.model_validate(one)])
    return made


@pytest.mark.parametrize("folded", [True, False])
def test_an_image_is_said_in_words_whether_a_snapshot_or_an_edit_says_it(project, folded):
    if folded:
        project.curate()
        batches = []
    else:
        batches = project.batches
        for file in project.layout.edits.glob("*.jsonl"):
            file.unlink()
        project.curate()
    made = catalog.read(project.layout.snapshot, batches, None)
    said = {content_id(png(n, 12)): name for n, name in enumerate(NOTES)}
    words = {
        said[sample]: None if code < 0 else made.words.texts[code]
        for sample, code in zip(texts(made.ids.raw), made.label.tolist(), strict=True)
    }
    assert words == {
        "none": None,
        "looked at": "",
        "one": "dog",
        "tags": "dog; cat",
        "with attributes": "dog",
        "boxes": "1 cat, 2 dog",
        "both": "1 ant, 1 dog",
    }
    for sample, name in said.items():
        notes = NOTES[name]
        held = (
            None if notes is None else [note.model_dump(mode="json", exclude_defaults=True) for note in notes]
        )
        assert made.notes(int(made.ids.rows([sample])[0])) == held
    shown = {name: int(made.shows(name).sum()) for name in made.classes}
    assert shown == {"ant": 1, "cat": 2, "dog": 5}


IDS = st.binary(min_size=1, max_size=3).map(
    lambda end: end.rjust(32, b"\0") if len(end) < 3 else end.ljust(32, b"\1")
)


@given(st.lists(IDS, unique=True), st.lists(IDS))
def test_every_id_is_found_also_among_those_that_begin_alike(held, wanted):
    found = Ids(np.frombuffer(b"".join(held), np.uint8).reshape(-1, 32)).rows([one.hex() for one in wanted])
    assert found.tolist() == [held.index(one) if one in held else -1 for one in wanted]


@given(st.lists(IDS, unique=True), st.text("0123456789abcdefx", max_size=66))
def test_ids_by_their_first_digits(held, digits):
    found = Ids(np.frombuffer(b"".join(held), np.uint8).reshape(-1, 32)).starting(digits)
    assert found.tolist() == [one.hex().startswith(digits) for one in held]


def test_a_snapshot_without_images_and_one_that_says_nothing_of_them(tmp_path):
    empty, bare = Project(tmp_path / "empty"), Project(tmp_path / "bare")
    for made, images in ((empty, []), (bare, [png(n, 12) for n in range(3)])):
        made.put(images)
        snapshot = made.curate()
        nothing = pa.nulls(len(images), pa.string())
        at = snapshot.samples.column_names.index("metadata")
        replace(snapshot, samples=snapshot.samples.set_column(at, "metadata", nothing)).write(
            made.layout.snapshot
        )
    for made, n in ((empty, 0), (bare, 3)):
        found = catalog.read(made.layout.snapshot, [], None)
        assert (len(found), len(found.names), found.metadata, found.label.tolist()) == (n, n, {}, [-1] * n)


SERVED = """
import sys
from pathlib import Path
import assay.web.app
from assay.layout import Layout
from assay.params import load_params
from assay.web.review import Review
review = Review(load_params(Path("params.yaml")), Layout(Path()))
review.listing({"view": "all"})
review.counts()
print("torch" in sys.modules)
"""


def test_a_server_needs_no_torch(project):
    project.curate()
    root = project.layout.root
    (root / "params.yaml").write_text(yaml.safe_dump(project.defaults))
    line = [sys.executable, "-c", SERVED]
    assert subprocess.run(line, cwd=root, capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_pool_is_read_as_it_was_written(tmp_path):
    project, images = Project(tmp_path), [png(n, 12) for n in range(7)]
    project.put(images[:4])
    stored = Stored(project.layout.pool)
    assert not stored.is_outdated
    project.put(images[4:])
    assert stored.is_outdated
    stored = Stored(project.layout.pool)
    assert [stored.at(stored.row(content_id(data))) for data in images] == images
    assert stored.row("0" * 64) is None
    assert [stored.shard(row) for row in range(7)] == [0] * 4 + [1] * 3


def test_a_pool_without_images_has_none(tmp_path):
    with PoolWriter(tmp_path / "pool", 10, 1 << 20):
        pass
    assert Stored(tmp_path / "pool").row("0" * 64) is None
