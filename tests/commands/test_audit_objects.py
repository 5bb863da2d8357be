"""`assay audit` where labels are boxes: on detections as the task writes them, of labels with known errors."""

from __future__ import annotations

import csv
import io
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from rich.console import Console

from assay.commands import audit, audit_objects, label
from assay.data.edits import read_batches
from assay.data.files import write_json, write_table
from assay.data.snapshot import Snapshot
from assay.data.training_set import labelled
from assay.errors import EditError, UsageError
from assay.labels.objects import listing
from assay.layout import Layout
from assay.metrics.objects import Detections, offsets_of
from assay.params import Params, parse_params
from assay.progress import silent
from assay.stages import audit as audit_stage
from assay.stages import curate, embed, ingest
from assay.tasks import detection as task

SIDE, IMAGES, CLASSES = 96, 40, ("cat", "dog")
CORNERS = ((4, 4), (52, 4), (4, 52), (52, 52))
WRONG = {3: "missed", 8: "swapped", 13: "moved", 21: "spurious"}


class Boxes:
    """A project of 40 images with four boxes each, four of them labelled wrongly, and detections on all of them."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.write_source(root / "raw")
        self.params = self.read_params()
        for stage in (ingest, embed, curate):
            stage.run(self.params, self.layout, silent)
        self.names = self.numbers()
        self.predict()

    def read_params(self, **more) -> Params:
        source = {"name": "s", "format": "coco", "path": str(self.layout.root / "raw" / "boxes.json")}
        settings = {
            "task": "detection",
            "ingest": {"sources": [source]},
            "embed": {"encoder": "pixels", "options": {"size": 4}},
            "train": {"model": "lite0_detector"},
            "track": {"primary": "ap"},
            "curate": {"near_duplicate": 1.0, "splits": {"train": 0.1, "val": 0.8, "test": 0.1}},
        }
        return parse_params(settings | more)

    def write_source(self, raw: Path) -> None:
        """Images of noise; COCO's boxes, with the errors of WRONG in the images of these numbers."""
        (raw / "images").mkdir(parents=True)
        rng, images, notes = np.random.default_rng(0), [], []
        for n in range(IMAGES):
            pixels = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            (raw / "images" / f"{n:02d}.png").write_bytes(stream.getvalue())
            images.append({"id": n, "file_name": f"images/{n:02d}.png", "width": SIDE, "height": SIDE})
            for k, (box, category) in enumerate(self.labels(n)):
                notes.append({"id": 10 * n + k, "image_id": n, "category_id": category, "bbox": box})
        categories = [{"id": k, "name": name} for k, name in enumerate(CLASSES)]
        content = {"images": images, "annotations": notes, "categories": categories}
        (raw / "boxes.json").write_text(json.dumps(content))

    @staticmethod
    def right(n: int) -> list[tuple[list[int], int]]:
        return [([x, y, 36, 36], (n + k) % 2) for k, (x, y) in enumerate(CORNERS)]

    def labels(self, n: int) -> list[tuple[list[int], int]]:
        there = self.right(n)
        match WRONG.get(n):
            case "missed":
                return there[1:]
            case "swapped":
                return [(there[0][0], 1 - there[0][1]), *there[1:]]
            case "moved":
                return [([16, 4, 36, 36], there[0][1]), *there[1:]]
            case "spurious":
                return [*there, ([40, 40, 12, 12], 0)]
        return there

    def numbers(self) -> dict[str, int]:
        samples = Snapshot.load(self.layout.snapshot).samples
        return {
            i: int(o[0][-6:-4])
            for i, o in zip(*(samples[c].to_pylist() for c in ("id", "origins")), strict=True)
        }

    def predict(self) -> None:
        """predictions.parquet as evaluate writes it, of a detector that sees what is there, roughly."""
        rng = np.random.default_rng(1)
        rows = labelled(Snapshot.load(self.layout.snapshot), task.label)
        numbers = [self.names[sample] for sample in rows["id"].to_pylist()]
        objects = [one for n in numbers for one in self.right(n)]
        boxes = np.array([box for box, _ in objects], float) + rng.normal(0, 0.7, (len(objects), 4))
        classes, scores = np.array([k for _, k in objects]), rng.beta(14, 2, len(objects))
        offsets = offsets_of(np.full(len(numbers), 4))
        found = Detections(offsets, classes, boxes, boxes[:, 2] * boxes[:, 3], scores=scores)
        made = task.to_table(found, CLASSES)
        table = rows.append_column("quality", pa.array(np.ones(len(rows)), pa.float32()))
        for name in made.column_names:
            table = table.append_column(name, made[name])
        self.layout.outputs.mkdir(parents=True)
        write_table(self.layout.outputs / "predictions.parquet", table)
        (self.layout.outputs / "model").mkdir()
        write_json(self.layout.outputs / "model" / "model.json", {"categories": list(CLASSES)})

    def audit(self, **settings):
        return audit_objects.run(self.params, self.layout, **settings)

    def label(self, file: Path):
        return label.run(self.params, self.layout, file, by="ada")

    def judgements(self):
        return [judgement for _, batch in read_batches(self.layout.edits) for judgement in batch]

    def first(self, kind: str, **settings):
        row = next(row for row in self.audit(above=0.0, limit=500, **settings)["rows"] if row["kind"] == kind)
        return self.names[row["id"]], row


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Boxes:
    return Boxes(tmp_path_factory.mktemp("boxes"))


@pytest.fixture
def boxes(made: Boxes):
    yield made
    for file in made.layout.edits.glob("*.jsonl"):
        file.unlink()


def answered(file: Path, take) -> None:
    rows = list(csv.DictReader(StringIO(file.read_text())))
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row | {"take": take(row)} for row in rows)


def test_each_error_is_the_first_of_its_kind_with_a_suggestion(boxes):
    rows = boxes.audit(above=0.0, limit=1000)["rows"]
    val = {boxes.names[row["id"]] for row in rows}
    for n in val & set(WRONG):
        kind = WRONG[n]
        row = next(row for row in rows if row["kind"] == kind)
        assert boxes.names[row["id"]] == n
        assert (row["given"] is None, row["suggested"] is None) == (kind == "missed", kind == "spurious")
        if kind != "spurious":
            assert np.allclose(row["suggested_box"][:2], (4, 4), atol=3)
    assert len(val & set(WRONG)) >= 3, "the splits are by hash: most are in val"


def test_test_images_are_not_judged(boxes):
    result = boxes.audit(above=0.0, limit=1000)
    assert {row["split"] for row in result["rows"]} == {"val"}
    assert result["splits"] == ["val"]


def test_the_terminal_says_what_is_where_and_what_comes_next(boxes):
    console = Console(file=StringIO(), width=170)
    listing.render(boxes.audit(), console)
    said = console.file.getvalue()
    assert "by the last model" in said
    assert "assay audit --model" in said
    assert "missed" in said


def test_reviews_of_a_csv_become_one_batch_and_are_not_asked_again(boxes, tmp_path):
    file = tmp_path / "review.csv"
    boxes.audit(export=file, above=0.05)
    answered(file, lambda row: "yes" if row["kind"] == WRONG.get(boxes.names[row["id"]]) else "no")
    before = {row["id"] for row in boxes.audit(above=0.05, limit=1000)["rows"]}
    assert boxes.label(file)["written"] == {"label": len(before)}
    held = {boxes.names[one.id]: one for one in boxes.judgements()}
    for n, judgement in held.items():
        found = sorted((note.category, tuple(np.round(note.box, -1))) for note in judgement.annotations)
        right = sorted((CLASSES[k], tuple(np.round(np.array(box, float), -1))) for box, k in boxes.right(n))
        assert found == right
    assert {row["id"] for row in boxes.audit(above=0.05, limit=1000)["rows"]} & before == set()


def test_a_row_that_does_not_fit_the_labels_writes_nothing(boxes, tmp_path):
    file = tmp_path / "review.csv"
    _, row = boxes.first("swapped", export=file)
    answered(file, lambda one: "yes" if one["kind"] == "swapped" else "")
    rows = file.read_text().replace(f"{row['box'][0]:g} {row['box'][1]:g} ", "99 99 ")
    file.write_text(rows)
    with pytest.raises(EditError, match=r"any more") as error:
        boxes.label(file)
    assert "nothing was written" in str(error.value)
    assert boxes.judgements() == []


@pytest.mark.parametrize(
    ("name", "cell", "said"),
    [
        ("take", "perhaps", "valid: yes or no"),
        ("suggested", "emu", "emu"),
        ("suggested_box", "1 2 -3 4", "px"),
    ],
)
def test_bad_answers_are_named(boxes, tmp_path, name, cell, said):
    file = tmp_path / "review.csv"
    boxes.audit(export=file, above=0.05)
    rows = [
        row | {"take": "yes"} for row in csv.DictReader(StringIO(file.read_text())) if row["suggested_box"]
    ][:1]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row | {name: cell} for row in rows)
    with pytest.raises(EditError, match=said):
        boxes.label(file)


def test_a_new_class_of_an_object_needs_a_word_and_is_reported(boxes, tmp_path):
    file = tmp_path / "review.csv"
    boxes.audit(export=file, above=0.05)
    answered(file, lambda row: "yes" if row["kind"] == "swapped" else "")
    rows = list(csv.DictReader(StringIO(file.read_text())))
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row | {"suggested": "emu"} for row in rows if row["take"])
    with pytest.raises(EditError, match="class 'emu' was never seen"):
        boxes.label(file)
    taken = label.run(boxes.params, boxes.layout, file, allow_new_classes=True)
    assert taken["new_classes"] == ["emu"]


def test_apply_asks_for_force_and_writes_what_it_says(boxes):
    with pytest.raises(UsageError, match="no person has checked"):
        boxes.audit(apply="suggested")
    with pytest.raises(UsageError, match="more harm than good"):
        boxes.audit(apply="suggested", above=0.2, force=True)
    tried = boxes.audit(apply="suggested", above=0.5, force=True, dry_run=True)
    assert (tried["applied"]["batch"], boxes.judgements()) == (None, [])
    done = boxes.audit(apply="exclude", above=0.5)["applied"]
    assert done["images"] == len(boxes.judgements())
    assert done["batch"] is None or done["batch"].endswith("audit-exclude.jsonl")


def test_the_page_has_the_objects_with_their_surroundings(boxes, tmp_path):
    file = tmp_path / "audit.html"
    boxes.audit(page=file, above=0.05)
    text = file.read_text()
    held = json.loads(text.split('id="objects-data">')[1].split("</script>")[0])
    assert {row["kind"] for row in held["rows"]} <= {"missed", "spurious", "swapped", "moved"}
    assert all(row["picture"].startswith("data:image/jpeg;base64,") for row in held["rows"])
    x, y, width, height = map(int, held["rows"][0]["view"].split())
    assert min(x, y) >= 0
    assert max(x + width, y + height) <= SIDE


def test_options_for_whole_images_are_refused_by_name():
    for option in ({"check": 50, "sort": None}, {"check": None, "sort": "outlier"}):
        with pytest.raises(UsageError, match="detection"):
            audit_objects.refuse("detection", **option)


def test_pixels_are_refused_by_name(boxes):
    params = boxes.read_params(
        task="semantic_segmentation", train={"model": "lite0_segmenter"}, track={"primary": "miou"}
    )
    audit_stage.run(params, boxes.layout, silent)
    with pytest.raises(UsageError, match="no label of semantic_segmentation can be audited"):
        audit.run(params, boxes.layout, limit=5)


def test_a_box_is_no_outline(boxes, tmp_path):
    file = tmp_path / "review.csv"
    boxes.audit(export=file, above=0.05)
    answered(file, lambda row: "yes" if row["kind"] == "missed" else "")
    outlines = boxes.read_params(
        task="instance_segmentation", train={"model": "lite0_instances"}, track={"primary": "ap"}
    )
    with pytest.raises(EditError, match="are outlines"):
        label.run(outlines, boxes.layout, file)
