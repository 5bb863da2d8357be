"""That the benchmarks run, and that their table says what their results say. Nothing here is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay import plugins
from benchmarks import detection_metrics, marked_nuclei, pictures, report, scenes, selection, whole
from benchmarks.clock import Failed, run
from benchmarks.figures import Figure, write_results
from benchmarks.subjects import Setting

ROOT = Path(__file__).parents[1]


def test_a_subject_runs_and_leaves_its_results(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "startup", "--quick", "--results", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    result = json.loads((tmp_path / "startup.json").read_text())
    assert [figure["name"] for figure in result["figures"]] == ["`assay --help`", "`assay status`"]
    assert result["machine"]["cores"] >= 1
    assert result["about"]["quick"] is True


def test_the_image_checks_are_rated_beside_decoding_alone(tmp_path):
    raw = tmp_path / "raw"
    pictures.write_folders(raw, 40)
    command = [sys.executable, "-m", "benchmarks.checks", str(raw), "1"]
    found = json.loads(subprocess.check_output(command, cwd=ROOT, text=True))
    assert {"ours", "decoding alone, simplejpeg", "decoding alone, Pillow"} <= found["rates"].keys()
    assert all(rate > 0 for rate in found["rates"].values())


def test_the_table_says_what_was_missed(tmp_path):
    figures = [
        Figure("`assay --help`", 0.3, "at most", 0.4, "s", {"python -c pass": 0.0312345}),
        Figure("`dvc push`, loose / pool", 12.0, "at least", 30, "×"),
    ]
    path = write_results("ingest", figures, {}, tmp_path)
    assert json.loads(path.read_text())["figures"][0]["parts"] == {"python -c pass": 0.03123}
    rows = report.table(tmp_path).splitlines()[-2:]
    assert rows == [
        "| ingest | `assay --help` | 0.3 s | ≤ 0.4 s | yes |",
        "| ingest | `dvc push`, loose / pool | 12 × | ≥ 30 × | **no** |",
    ]


def test_rows_beside_the_figures_are_tables_of_their_own(tmp_path):
    row = {
        "setting": "one player",
        "seeds": 2,
        "simulations": 4000,
        "coverage": 0.9512,
        "false_alarm": 0.04,
        "told": 1.0,
    }
    figure = Figure("95 % interval holds the truth, lowest", 0.9512, "at least", 0.94, "")
    path = write_results(
        "calibration", [figure], {"rows": [row], "limits": [row], "cpu_seconds": 1}, tmp_path
    )
    result = json.loads(path.read_text())
    assert (result["rows"], result["about"]) == ([row], {"cpu_seconds": 1})
    lines = report.table(tmp_path).splitlines()
    assert "| calibration | 95 % interval holds the truth, lowest | 0.951 | ≥ 0.94 | yes |" in lines
    assert lines.count("| one player | 2 | 4,000 | 95.1 % | 4.0 % | 100.0 % |") == 2
    assert report.TITLES["limits"] in lines


def test_every_strategy_is_measured_beside_its_peers(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "selection", "--quick", "--results", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    result = json.loads((tmp_path / "selection.json").read_text())
    figures = {figure["name"]: figure["value"] for figure in result["figures"]}
    assert figures["k-center of 300: picks that differ from the plain algorithm's"] == 0
    rows = {(row["method"], row["cores"]): row for row in result["timings"]}
    assert rows["kcenter", "1"]["600"]["peak"] > 1e6
    assert set(plugins.names("strategies")) <= {method for method, _ in selection._planned(300, quick=False)}
    assert any(line.startswith("| kcenter | 1 | ") for line in report.table(tmp_path).splitlines())


def test_growth_bears_cells_that_took_no_time_that_a_clock_can_tell_and_cells_that_are_not_there():
    cells = {("kcenter", "1", 300): {"cpu": 0.0}, ("kcenter", "1", 600): {"cpu": 0.0}}
    assert selection._growth(cells, (300, 600)).value == 0
    one_side = {("typiclust", "1", 600): {"cpu": 9.0}}
    slow = {("badge", "1", 300): {"cpu": 1.0}, ("badge", "1", 600): {"cpu": 4.0}}
    found = selection._growth({**cells, **one_side, **slow}, (300, 600))
    assert (found.value, found.parts) == (2.0, {"kcenter": 0.0, "badge": 2.0})
    given_up = {**slow, ("badge", "1", 600): {"why": "> 600 s"}}
    assert not selection._growth(given_up, (300, 600)).is_met


def test_the_label_audit_is_a_table_beside_its_peers_and_of_what_cleaning_is_worth(tmp_path):
    row = {
        "encoder": "pixels", "noise": "alike, 10 %", "wrong": 0.1, "estimated": 0.112, "ece": 0.0123,
        "average_precision": 0.95, "average_precision_theirs": 0.94, "average_precision_helped": 0.945,
        "precision": 0.9, "precision_theirs": 0.89, "precision_helped": 0.9,
        "f1": 0.88, "f1_theirs": 0.86,
    }  # fmt: skip
    clean = {key: row[key] for key in ("encoder", "wrong", "estimated", "ece")} | {"noise": "none"}
    gains = {name: [0.25, 0.2] for name in ("dropped", "suggested", "reviewed", "all_right")}
    cleaned = {"share": 0.09, "estimated": 0.1, "as_they_are": 86.9, **gains}
    figure = Figure("calibration error, largest (pixels)", 0.0123, "at most", 0.05, "")
    write_results("label_audit", [figure], {"audited": [row, clean], "cleaned": [cleaned]}, tmp_path)
    lines = report.table(tmp_path).splitlines()
    assert (
        "| pixels | alike, 10 % | 0.950 | 0.940 | 0.945 | 0.900 | 0.890 | 0.900 | 0.880 | 0.860 "
        "| 0.012 | 10.0%, 11.2% |" in lines
    )
    assert "| pixels | none |  |  |  |  |  |  |  |  | 0.012 | 10.0%, 11.2% |" in lines
    assert "| 9% | 10.0% | 86.90 | +0.25 ± 0.20 | +0.25 ± 0.20 | +0.25 ± 0.20 | +0.25 ± 0.20 |" in lines


def test_detection_metrics_are_measured_beside_cocoeval(tmp_path):
    figures, about = detection_metrics.measure(Setting(tmp_path, quick=True))
    assert figures[0].is_met
    write_results("detection_metrics", figures, about, tmp_path)
    row = about["detections"][0]
    assert row["pycocotools"] > row["ours"] > 0
    assert any(
        line.startswith(f"| 20 × 3 | {row['detections']} | ") for line in report.table(tmp_path).splitlines()
    )


@pytest.mark.parametrize("scene", [whole.CLASSES, scenes.BOXES, scenes.MASKS], ids=lambda scene: scene.name)
def test_new_data_helps_in_every_scene(scene):
    small = replace(scene, samples=40, expected_from=(3, 300))
    (row, *_) = whole.rows(small, (2,), 1, np.random.default_rng(0))
    assert row["setting"].startswith("whole: ")
    assert whole.expected(small, np.random.default_rng(0))[scene.metrics[0]] > 0.01


def test_planted_noise_is_of_the_share_it_says():
    from benchmarks import label_audit
    from benchmarks.encoded import Data

    rng = np.random.default_rng(0)
    images, right = rng.integers(0, 256, (4000, 8, 8)).astype(np.uint8), rng.integers(0, 10, 4000)
    data = Data(images, right, images[:0], right[:0])
    for name, share in (("none", 0), ("alike, 40 %", 0.4), ("by class, 20 %", 0.2), ("by image, 20 %", 0.2)):
        given = label_audit.NOISE[name](data, right, np.random.default_rng(1))
        assert abs((given != right).mean() - share) < 0.03, name
        assert set(given.tolist()) <= set(range(10))


def test_the_table_goes_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(readme, tmp_path)
    assert readme.read_text() == f"before\n{report.BEGIN}\nNo results yet.\n{report.END}\nafter\n"


def test_no_two_pictures_are_alike(tmp_path):
    assert "60 grey 32×32 JPEGs" in pictures.write_folders(tmp_path, 60)
    contents = [file.read_bytes() for file in tmp_path.rglob("*.jpg")]
    assert len(set(contents) | {pictures.newcomer(0), pictures.newcomer(1)}) == 62


def test_a_command_that_fails_says_why(tmp_path):
    with pytest.raises(Failed, match="no such thing"):
        run([sys.executable, "-c", "import sys; sys.exit('no such thing')"], tmp_path)


def test_label_efficiency_is_a_table_of_its_own(tmp_path):
    row = {
        "encoder": "pixels",
        "strategy": "margin",
        "seeds": 5,
        "seconds": 0.01,
        "area": [61.23, 60.0, 62.0],
        "over_random": [-1.2, -2.0, 0.4],
        "labels": "520 [430, 640]",
    }
    beside = {
        "encoder": "pixels",
        "of": "scikit-activeml",
        "strategy": "badge",
        "area": [60.0],
        "over_random": None,
        "seconds": 2.0,
    }
    elsewhere = {
        "data": "hands",
        "images": 700,
        "seeds": 12,
        "labels": "10 to 500",
        "strategy": "auto",
        "area": [66.3, 65.0, 67.0],
        "over_random": [2.9, 1.0, 4.8],
    }
    tables = {"efficiency": [row], "elsewhere": [elsewhere], "references": [beside]}
    write_results("label_efficiency", [], tables, tmp_path)
    lines = report.table(tmp_path).splitlines()
    assert "| pixels | margin | 5 | 61.2 | −1.2 [−2.0, +0.4] | 520 [430, 640] | 0.01 s |" in lines
    assert "| hands | 700 | 12 | 10 to 500 | auto | 66.3 | +2.9 [+1.0, +4.8] |" in lines
    assert "| pixels | badge | scikit-activeml | 60.0 | – | 2.00 s |" in lines


def test_label_efficiency_runs(tmp_path, monkeypatch):
    from benchmarks import label_efficiency, subjects

    monkeypatch.setattr(label_efficiency, "_ours", lambda: ["random", "margin", "auto"])
    monkeypatch.setattr(label_efficiency, "_peers", list)
    figures, about = label_efficiency.measure(subjects.Setting(tmp_path, quick=True))
    strategies = {row["strategy"] for row in about["efficiency"]}
    assert strategies == {"random", "margin", "auto"}
    assert [figure.name.split(": ")[0] for figure in figures][:2] == ["pixels, 10 to 40 labels"] * 2


def test_labels_that_nobody_planted_are_a_table_with_their_targets(tmp_path):
    from benchmarks import real_labels

    row = {
        "set": "zoo", "encoder": "pixels", "n": 500, "draws": 6, "wrong": 0.17, "estimated": 0.2, "low": 0.06,
        "high": 0.4, "holds": 1.0, "error": 0.06, "sure": 17.0, "sure_wrong": 0.87, "ece": 0.05,
        "average_precision": 0.64, "theirs": 0.63, "margin": 0.01, "labels": "annotator1", "missed": ["ece"],
    }  # fmt: skip
    clean = row | {
        "labels": "clean",
        "wrong": 0.0,
        "estimated": 0.01,
        "low": 0.0,
        "sure": 0.0,
        "sure_wrong": None,
    }
    worst = row | {"labels": "worst", "wrong": 0.41, "estimated": 0.36, "margin": -0.01}
    figures = real_labels.figures([row, clean, worst])
    missed = {figure.name for figure in figures if not figure.is_met}
    assert missed == {"average precision beyond cleanlab's best, least of the means (people's labels)"}
    write_results("label_audit", figures, {"real": [row, clean]}, tmp_path)
    lines = report.table(tmp_path).splitlines()
    said = "17.0% | 20.0% | 6.0%–40.0% | 100% | 17.0 | 87% | **0.050** | 0.640 | 0.630"
    assert f"| zoo | pixels | annotator1 | 500 × 6 | {said} |" in lines
    assert real_labels.figures([]) == []
    assert real_labels.missed(row) == real_labels.missed(clean) == []
    assert real_labels.missed(worst | {"ece": 0.09, "estimated": 0.3}) == [
        "estimated",
        "ece",
        "average_precision",
    ]
    assert real_labels.missed(row | {"ece": 0.06, "holds": 0.5, "sure_wrong": 0.8}) == [
        "holds",
        "sure_wrong",
        "ece",
    ]
    assert real_labels.missed(clean | {"sure": 2.0}) == ["sure"]


def test_images_of_no_class_are_planted_and_counted(tmp_path):
    from benchmarks import foreign
    from benchmarks.encoded import digits

    rows = foreign.rows(digits(400), ("pixels",), tmp_path, 300)
    assert {row["foreign"] for row in rows if row["set"] == "images"} == {
        "none",
        "another set: digits",
        "a class left out",
    }
    assert all(("excluded_foreign" in row) is (row["foreign"] != "none") for row in rows)
    figures = foreign.figures(rows)
    write_results("label_audit", figures, {"foreign": rows}, tmp_path)
    (line,) = (
        row for row in report.table(tmp_path).splitlines() if row.startswith("| pixels | images | none |")
    )
    assert line.count("|") == 9


def test_a_class_left_out_is_foreign_to_the_others():
    import numpy as np

    from benchmarks.foreign import ADDED, Vectors, planted

    right = np.repeat(np.arange(4), 100)
    one = Vectors("four", np.eye(4, dtype=np.float32)[right], right)
    for draw in range(3):
        of = planted(one, "a class left out", one, draw)
        out = int(of.vectors[of.foreign].argmax(1)[0])
        assert (of.vectors[of.foreign].argmax(1) == out).all()
        assert not (of.vectors[~of.foreign].argmax(1) == out).any()
        assert (of.classes, of.foreign.sum()) == (3, round(ADDED * 300))
        assert not (of.wrong & of.foreign).any()


def test_planted_errors_of_objects_are_what_they_are_called():
    from benchmarks import object_audit

    data = object_audit.scene(60, 0)
    boxes = len(data.truth.boxes)
    for kind, more in (("dropped", -1), ("shifted", 0), ("swapped", 0), ("spurious", 1)):
        wrong, events = object_audit.planted(data, kind, np.random.default_rng(1))
        assert 5 < len(events) < 25
        assert len(wrong.truth.boxes) == boxes + more * len(events)
        assert {event.kind for event in events} == {kind}
        if kind != "dropped":
            labels = [event.label for event in events]
            assert wrong.truth.images[labels].tolist() == [event.image for event in events]
        if kind == "shifted":
            assert not np.allclose(wrong.truth.boxes[labels], [event.box for event in events])


def test_of_one_class_no_label_is_swapped():
    from benchmarks import object_audit

    data = object_audit.scene(60, 0)
    alone = replace(data, truth=replace(data.truth, classes=np.zeros_like(data.truth.classes)), classes=1)
    _, events = object_audit.planted(alone, "mixed", np.random.default_rng(1))
    assert object_audit.kinds_of(1) == ("dropped", "shifted", "spurious")
    assert {event.kind for event in events} == set(object_audit.kinds_of(1))


def test_the_audit_of_objects_is_a_table_beside_its_peer(tmp_path):
    row = {
        "kind": "dropped",
        "seeds": 6,
        "ap ours": 0.35,
        "ap as they are": 0.24,
        "ap our probabilities": 0.25,
    }
    row |= {
        "ap ahead": [0.1, -0.02, 0.15],
        "auroc ours": 0.7,
        "auroc as they are": 0.5,
        "object ap ours": 0.2,
    }
    write_results("object_audit", [Figure("ahead", 0.1, "at least", 0, "")], {"objects": [row]}, tmp_path)
    wanted = (
        "| dropped | 6 | 0.350 | 0.240 | 0.250 | +0.100 [−0.020, +0.150] | 0.700 | 0.500 | 0.200 | – | – |"
    )
    assert report.table(tmp_path).splitlines()[-1] == wanted


def test_what_people_changed_in_masks_is_named():
    from benchmarks import mask_audit

    before, after = np.zeros((20, 40), np.int64), np.zeros((20, 40), np.int64)
    for number, (x, old, new) in enumerate(
        [(0, True, True), (8, True, True), (16, True, False), (24, False, True)], 1
    ):
        before[2:8, x : x + 6] = number * old
        after[2:8, x : x + 6] = number * new
    before[4, 10] = 0
    before[12:18, 0:14] = 5
    after[12:18, 0:7], after[12:18, 7:14] = 5, 6
    found = mask_audit.fixes(before, after)
    assert found.labels == {2: "redrawn", 3: "removed", 5: "parted"}
    assert [int(mask.sum()) for mask in found.missed] == [36]
    assert len(found) == 4


def test_average_precision_under_weights_is_that_of_repeated_rows():
    from sklearn.metrics import average_precision_score

    from benchmarks import mask_audit

    rng = np.random.default_rng(0)
    scores, right = rng.random(50), rng.random(50) < 0.3
    weights = rng.integers(0, 4, (3, 50)).astype(float)
    found = mask_audit.precision(scores, right, weights, weights @ right)
    for one, weight in zip(found, weights.astype(int), strict=True):
        wanted = average_precision_score(np.repeat(right, weight), np.repeat(scores, weight))
        assert one == pytest.approx(wanted)


def test_the_audit_of_masks_is_a_table(tmp_path):
    row = {
        "half": "not chosen on", "ranked": "images", "images": 75, "wrong": 20.0, "of": 75.0,
        "seeds": 5, "best": "softmin", "ahead": [0.2, 0.1, 0.3],
        "ap": {"ours": 0.9, "softmin": 0.7, "share of foreground": 0.6},
    }  # fmt: skip
    write_results("object_audit_masks", [Figure("ahead", 0.1, "at least", 0, "")], {"masks": [row]}, tmp_path)
    lines = report.table(tmp_path).splitlines()
    assert (
        "| 75 not chosen on | images | 20 of 75 | 0.900 | softmin 0.700 | +0.200 [+0.100, +0.300] "
        "| share of foreground 0.600 |"
    ) in lines


def test_people_who_outline_objects_are_rows_with_paired_intervals(tmp_path, monkeypatch):
    monkeypatch.setattr(marked_nuclei, "CREWS", (3,))
    monkeypatch.setattr(marked_nuclei, "REPEATS", 1)
    (tmp_path / "after").mkdir()
    ys, xs = np.mgrid[:80, :80]
    for number in range(6):
        near = [np.hypot(ys - y, xs - x) < 9 for y, x in ((20, 20), (20, 60), (55, 40 + number))]
        Image.fromarray(np.argmax([~np.any(near, axis=0), *near], axis=0).astype(np.uint16)).save(
            tmp_path / "after" / f"{number}.png"
        )
    pixels, marks = marked_nuclei.measured(tmp_path)
    (row,) = pixels
    assert (row["images"], row["objects"]) == (3, 9), "every second image"
    assert row["one person"]["iou"] < row["median"]["iou"]
    assert 0 <= marks[0]["recall_off"] < 0.3
    write_results("agreement", [], {"pixels": pixels, "marks": marks}, tmp_path)
    assert "| 3 | 3, 9 | STAPLE |" in report.table(tmp_path)
