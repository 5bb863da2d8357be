"""What `assay init` writes agrees with this repository, which is a project too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from assay.commands.first_params import OF_OBJECTS, of_objects, params_text
from assay.commands.init import IGNORED, prepare, run
from assay.commands.recognized import looks_like, recognized
from assay.commands.survey import Survey, counted, survey
from assay.errors import UsageError
from assay.lineage.process import run_git
from assay.params import Source, parse_params

ROOT = Path(__file__).parents[2]


def test_a_project_ignores_what_this_repository_ignores_of_a_project():
    lines = {line for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/")}
    of_the_site = {"/site", *(line for line in lines if line.startswith("/docs/"))}
    assert lines - of_the_site - {"/raw"} <= set(IGNORED[".gitignore"])


@pytest.mark.parametrize(
    ("files", "place", "found"),
    [
        (["annotations/instances_val2017.json", "val2017/1.jpg"], "", "coco"),
        (["train/_annotations.coco.json"], "", "coco"),
        (["a.json"], "a.json", None),
        (["data.yaml", "train/images/1.jpg"], "", "yolo"),
        (["VOC2012/Annotations/1.xml", "VOC2012/JPEGImages/1.jpg"], "", "voc"),
        (["images/1.png", "masks/1.png"], "", "masks"),
        (["1/images/1.png", "1/masks/a.png"], "", "masks"),
        (["images/1.jpg", "before/1.png", "after/1.png"], "", "masks"),
        (["cat/1.jpg"], "", "imagefolder"),
        (["a.csv"], "a.csv", "csv"),
        (["a.jpg"], "a.jpg", None),
        ([], "nowhere", None),
    ],
)
def test_the_format_of_a_place_is_told_by_the_names_in_it(tmp_path, files, place, found):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert recognized(tmp_path / place) == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("project-1.json", '[{"id": 1, "annotations": [{"completed_by": 1', "label_studio"),
        ("export.json", '[{"data": {"image": "1.jpg"}, "annotations": []}]', "label_studio"),
        ("images/1.json", '{"version": "5.5.0", "flags": {}, "shapes": [{', "labelme"),
        ("train/_annotations.createml.json", '[{"image": "1.jpg", "annotations": []}]', "createml"),
        ("annotations.json", '{"images": [], "annotations": [{', "coco"),
        ("annotations.xml", '<?xml version="1.0"?>\n<annotations>', "cvat"),
        ("Annotations/1.xml", "<annotation><filename>1.jpg", "voc"),
        ("notes.json", '{"author": "x"}', "imagefolder"),
    ],
)
def test_what_has_the_same_suffix_is_told_by_its_first_bytes(tmp_path, name, text, found):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    form, why = looks_like(tmp_path)
    assert form == found
    assert name in why
    assert recognized(tmp_path / name) == (None if found == "imagefolder" else found)


def test_a_place_alone_says_what_it_is_and_a_wrong_format_is_noted(tmp_path):
    (tmp_path / "raw/images").mkdir(parents=True)
    (tmp_path / "raw/masks").mkdir()
    for folder in ("images", "masks"):
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / f"raw/{folder}/1.png")
    root = tmp_path / "new"
    plan = prepare(root, str(tmp_path / "raw"))
    assert (plan.source.format, plan.found.objects) == ("masks", 1)
    assert not any("classes are labelled" in note for note in plan.notes)
    proposed = parse_params(yaml.safe_load(plan.files["params.yaml"]))
    assert (proposed.task, proposed.train.model, proposed.track.primary) == (
        "semantic_segmentation",
        "lite0_segmenter",
        "dice",
    )
    assert "image_size: 32 #" in plan.files["params.yaml"]
    Image.fromarray(np.diag([1, 1, 0, 0, 2, 2, 0, 0]).astype(np.uint8)).save(tmp_path / "raw/masks/1.png")
    apart = prepare(root, str(tmp_path / "raw")).files["params.yaml"]
    assert parse_params(yaml.safe_load(apart)).task == "instance_segmentation"
    chosen = prepare(root, str(tmp_path / "raw"), "detection").files["params.yaml"]
    assert parse_params(yaml.safe_load(chosen)).train.model == "lite0_detector"
    with pytest.raises(UsageError, match="--task boxes: there is no such task"):
        prepare(root, str(tmp_path / "raw"), "boxes")
    wrong = prepare(root, f"imagefolder:{tmp_path / 'raw'}")
    assert any("looks like the format masks" in note for note in wrong.notes)
    with pytest.raises(UsageError, match="the format is not recognised"):
        prepare(root, "nowhere")


def test_generated_scenes_are_detected(tmp_path):
    scenes = prepare(tmp_path / "new", "scenes")
    proposed = parse_params(yaml.safe_load(scenes.files["params.yaml"]))
    assert (proposed.task, proposed.select.annotator, scenes.source.path) == ("detection", "oracle", None)


def test_the_counts_are_of_objects_and_an_image_without_any_is_labelled(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name, lines in {"a": "0 .5 .5 .5 .5\n1 .2 .2 .1 .1\n1 .7 .7 .1 .1\n", "b": "", "c": None}.items():
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / f"images/{name}.png")
        if lines is not None:
            (tmp_path / f"labels/{name}.txt").write_text(lines)
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\ntrain: images\n")
    found = survey(Source(name="boxes", format="yolo", path=str(tmp_path / "data.yaml")), tmp_path)
    assert (found.labelled, found.classes) == (2, {"cat": 1, "dog": 2})
    assert "3 images (0 MB), 2 labelled, 3 objects of 2 classes (1 to 2 each)" in counted(found)


def test_several_tags_are_several_decisions(tmp_path):
    for name in "ab":
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    table = tmp_path / "tags.csv"
    table.write_text("path,label\na.png,cat;dog\nb.png,cat\n")
    source = Source(name="tags", format="csv", path=str(table), options={"separator": ";"})
    found = survey(source, tmp_path)
    proposed = parse_params(yaml.safe_load(params_text("new", source, found)))
    assert (found.tags, proposed.task, proposed.track.primary) == (2, "multilabel", "map")


@pytest.mark.parametrize(("object_px", "size"), [(200, 320), (40, 320), (25, 512), (8, 640), (None, 640)])
def test_detectors_see_the_smallest_class_at_a_size_that_suffices(object_px, size):
    found = Survey(10, 1000, objects=10, small=object_px, side=640)
    assert of_objects(found, OF_OBJECTS["detection"])["train.image_size"][0] == size
    assert of_objects(found, OF_OBJECTS["instance_segmentation"])["train.image_size"][0] == 640


@pytest.mark.parametrize(
    ("color", "encoder"), [((90, 90, 90), "pixels"), ((90, 90, 120), "efficientnet_lite0")]
)
def test_small_images_in_colour_are_photographs_and_gray_ones_stored_as_rgb_are_not(tmp_path, color, encoder):
    for name in ("a/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (32, 32), color).save(tmp_path / name)
    proposed = prepare(tmp_path / "new", str(tmp_path)).files["params.yaml"]
    assert parse_params(yaml.safe_load(proposed)).embed.encoder == encoder


def test_a_project_in_a_new_folder_belongs_to_the_repository_around_it(tmp_path):
    assert run_git(["init", "--quiet"], tmp_path).returncode == 0
    for name in ("raw/a/1.png", "raw/b/2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / name)
    made = run(tmp_path / "new/quality", str(tmp_path / "raw/../raw"))
    assert made["commands"] == ["dvc init --subdir", "dvc config core.analytics false"]
    assert not (tmp_path / "new/quality/.git").exists()
    assert made["source"]["path"] == "../../raw"  # a path that every clone has


def test_images_outside_of_the_repository_have_an_absolute_path_without_steps_up(tmp_path):
    (tmp_path / "raw/a").mkdir(parents=True)
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / "raw/a/1.png")
    made = prepare(tmp_path / "new", str(tmp_path / "raw/../raw"))
    assert made.source.path == str(tmp_path / "raw")
