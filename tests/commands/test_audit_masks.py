"""`assay audit` where labels are outlines: a project of discs, some labelled wrongly, and its own segmenters."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from assay.commands import audit_objects, label
from assay.data import object_suspects
from assay.data.edits import read_batches
from assay.data.masks import rasterized
from assay.data.snapshot import Snapshot
from assay.data.suspects import POSSIBLE
from assay.errors import EditError, GateError, UsageError
from assay.labels.objects import listing
from assay.layout import Layout
from assay.params import Params, parse_params
from assay.progress import silent
from assay.stages import curate, embed, ingest

SIDE, IMAGES = 64, 16
MIDDLES = ((16, 16), (16, 46), (46, 16), (46, 46))
WRONG = {2: "hole", 5: "missed", 9: "spurious"}


def disc(middle, radius: float = 9) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    return (y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= radius**2


class Discs:
    """Bright discs on dark ground, with the masks of all of them but for WRONG."""

    def __init__(self, root: Path, task: str, images: int = IMAGES) -> None:
        self.layout = Layout(root)
        rng = np.random.default_rng(0)
        for folder in ("images", "masks"):
            (root / "raw" / folder).mkdir(parents=True)
        for n in range(images):
            pixels = rng.normal(40, 8, (SIDE, SIDE))
            numbers = np.zeros((SIDE, SIDE), np.uint8)
            for k, middle in enumerate(MIDDLES, 1):
                pixels[disc(middle)] += 120
                numbers[disc(middle)] = k
            match WRONG.get(n):
                case "hole":
                    numbers[disc(MIDDLES[0], 2)] = 0
                case "missed":
                    numbers[numbers == 1] = 0
                case "spurious":
                    numbers[disc((31, 31), 5)] = 5
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                root / "raw" / "images" / f"{n:02d}.png"
            )
            Image.fromarray(numbers).save(root / "raw" / "masks" / f"{n:02d}.png")
        self.params = self.read_params(task)
        for stage in (ingest, embed, curate):
            stage.run(self.params, self.layout, silent)
        samples = Snapshot.load(self.layout.snapshot).samples
        pairs = zip(samples["id"].to_pylist(), samples["origins"].to_pylist(), strict=True)
        self.names = {sample: int(origins[0][-6:-4]) for sample, origins in pairs}

    def read_params(self, task: str) -> Params:
        models = {"instance_segmentation": ("lite0_instances", "ap")}
        model, primary = models.get(task, ("lite0_segmenter", "miou"))
        source = {"name": "s", "format": "masks", "path": str(self.layout.root / "raw")}
        settings = {
            "task": task,
            "ingest": {"sources": [source]},
            "embed": {"encoder": "pixels", "options": {"size": 4}},
            "train": {"model": model},
            "track": {"primary": primary},
            "curate": {"near_duplicate": 1.0, "splits": {"train": 1.0, "val": 0.0, "test": 0.0}},
        }
        return parse_params(settings)

    def audit(self, **settings):
        return audit_objects.run(self.params, self.layout, **settings)

    def first(self, kind: str):
        row = next(row for row in self.audit(above=0.0, limit=1000)["rows"] if row["kind"] == kind)
        return self.names[row["id"]], row


@pytest.fixture(scope="module", params=["instance_segmentation", "semantic_segmentation"])
def made(request, tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("assay.training.mask_decoder.STEPS", 40)
        patched.setattr("assay.experiments.segmented_out_of_fold.SIDE", 64)
        yield Discs(tmp_path_factory.mktemp("discs"), request.param)


@pytest.fixture
def discs(made: Discs):
    yield made
    for file in made.layout.edits.glob("*.jsonl"):
        file.unlink()


def test_each_error_is_the_first_of_its_kind(discs):
    assert discs.first("outline")[0] == 2
    assert discs.first("spurious")[0] == 9
    number, row = discs.first("missed")
    assert (number, row["given"], row["suggested"]) == (5, None, "object")
    assert np.allclose(row["suggested_box"], (7, 7, 19, 19), atol=3)


def test_the_segmenters_are_kept(discs):
    discs.audit()
    assert discs.audit()["trained"] == 0


def test_what_is_taken_mends_the_label(discs, tmp_path):
    file = tmp_path / "review.csv"
    discs.audit(export=file, above=0.0, limit=1000)
    wanted = {discs.first(kind)[1]["reason"]: kind for kind in ("outline", "missed", "spurious")}
    rows = list(csv.DictReader(StringIO(file.read_text())))
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row | {"take": "yes" if row["reason"] in wanted else ""} for row in rows)
    label.run(discs.params, discs.layout, file, by="ada")
    written = {discs.names[one.id]: one for _, batch in read_batches(discs.layout.edits) for one in batch}
    assert set(WRONG) == set(written)
    for n, judgement in written.items():
        outlines = [rasterized(one.segmentation, SIDE, SIDE) for one in judgement.annotations]
        assert len(outlines) == 4, WRONG[n]
        for middle in MIDDLES:
            assert max((disc(middle) & one).sum() / (disc(middle) | one).sum() for one in outlines) > 0.8


def test_an_outline_that_was_damaged_is_refused(discs, tmp_path):
    file = tmp_path / "review.csv"
    discs.audit(export=file, above=0.0, limit=1000)
    row = next(row for row in csv.DictReader(StringIO(file.read_text())) if row["kind"] == "outline")
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, row)
        writer.writeheader()
        writer.writerow(row | {"take": "yes", "suggested_outlines": row["suggested_outlines"][:-9]})
    with pytest.raises(EditError, match="outlines are not as they were written"):
        label.run(discs.params, discs.layout, file, by="ada")


def test_the_terminal_and_the_page_have_the_outlines(discs, tmp_path):
    console = Console(file=StringIO(), width=170)
    listing.render(discs.audit(page=tmp_path / "audit.html"), console)
    assert "segmenters that did not see them" in console.file.getvalue()
    assert "outline" in (tmp_path / "audit.html").read_text()


def test_a_model_judges_objects_only(made):
    if made.params.task == "semantic_segmentation":
        with pytest.raises(UsageError, match="does not judge the regions"):
            made.audit(model=True)


def test_too_few_images_are_refused(tmp_path):
    few = Discs(tmp_path, "semantic_segmentation", 3)
    with pytest.raises(GateError, match="too few for 5 folds"):
        few.audit()


def test_the_suspicions_are_kept_for_the_page_whatever_is_shown(discs):
    shown = discs.audit(above=POSSIBLE, limit=1000)["rows"]
    discs.audit(above=0.99, limit=1)
    kept = object_suspects.kept(discs.layout, Snapshot.load(discs.layout.snapshot).digest())
    assert len(kept) == len(shown) > 0
    assert kept == [{name: row[name] for name in object_suspects.SCHEMA.names} for row in shown]
