"""The loop as people go round it: label what is queued, let go what leaks, promote what is better."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Workspace = Any  # of conftest.py


def test_the_queue_goes_out_as_a_file_and_comes_back_as_labels(workspace):
    workspace.assay("queue", "--csv", "to-label.csv")
    with (workspace.root / "to-label.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    first, second, *others, last = rows
    first["label"], second["exclude"], second["why"] = "7", "yes", "a blot"
    for row in others:
        row["label"] = "3"
    with (workspace.root / "to-label.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        writer.writerows([first, second, *others])  # the last one nobody could tell

    before = workspace.read("data/selection/train.parquet")
    report = workspace.json("label", "to-label.csv")
    assert report["written"] == {"label": 18, "exclude": 1}
    assert workspace.repro("select") == ["ingest", "curate", "audit", "select"]

    after = {r["id"]: r["label"] for r in workspace.read("data/selection/train.parquet")}
    assert after[first["id"]] == "7"
    assert len(after) == len(before) + 18
    queue = {r["id"] for r in workspace.read("data/selection/queue.parquet")}
    assert not queue & {r["id"] for r in [first, second, *others]}
    samples = {r["id"]: r for r in workspace.read("data/snapshot/samples.parquet")}
    assert samples[second["id"]]["excluded"]
    assert not samples[last["id"]]["labelled"]


def test_the_oracle_answers_for_every_image_it_is_sent(workspace):
    before = workspace.read("data/selection/train.parquet")
    report = workspace.json("annotate")
    assert report["sent"] == 20
    assert sum(report["answered"].values()) + len(report["unknown"]) == 20
    assert (workspace.root / report["batch"]).exists()
    again = workspace.json("annotate")
    assert (again["sent"], again["already"], again["batch"]) == (0, 20, None)
    assert workspace.repro("select") == ["ingest", "curate", "audit", "select"]
    after = workspace.read("data/selection/train.parquet")
    assert len(after) == len(before) + report["answered"]["label"]


def test_a_champion_is_promoted_chooses_and_is_not_replaced_by_a_worse_one(workspace):
    first = workspace.json("promote")
    assert first["promoted"]
    weights = (workspace.root / "data/champion/model/model.pt").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == first["champion"]["model_sha256"]
    assert json.loads(workspace.run("dvc", "status", "--json", "data/champion/model.dvc").stdout) == {}
    assert first["followed"] == ["select", "evaluate", "track"], "the same images are learnt from"
    workspace.commit("the first champion")
    assert "data/champion/model.dvc" in workspace.run("git", "ls-files").stdout
    states = {s["stage"]: s["state"] for s in workspace.json("status")["stages"]}
    assert set(states.values()) == {"door", "fresh"}, "one commit a round: HEAD is not behind"
    assert workspace.repro() == ["ingest"]
    selection = workspace.read("data/selection/selection.json")
    assert (selection["used"], selection["champion"]) == ("margin", first["champion"]["fingerprint"])
    against = workspace.read("outputs/metrics.json")["champion"]
    assert against["fingerprint"] == first["champion"]["fingerprint"]
    assert against["itself"]
    assert against["difference"] == {}, "nothing is measured against itself"

    workspace.set({"train": {"lr": 1e-7}})
    assert "not up to date" in workspace.assay("promote", status=3).stderr, (
        "numbers of another model decide nothing"
    )
    assert workspace.repro("evaluate") == ["ingest", "train", "evaluate"]
    refused = workspace.assay("promote", status=3).stderr
    assert "significantly worse than the champion: accuracy −" in refused
    assert "assay promote --force --why" in refused
    assert "needs a reason" in workspace.assay("promote", "--force", status=3).stderr
    assert workspace.read("data/champion/champion.json")["champion"] == first["champion"]

    workspace.assay("promote", "--force", "--why", "for the show", "--by", "Bo")
    second = workspace.read("data/champion/champion.json")["champion"]
    assert (second["forced"], second["why"], second["promoted_by"]) == (True, "for the show", "Bo")
    assert second["model_sha256"] != first["champion"]["model_sha256"]


def picture(seed: int) -> Image.Image:
    """One that looks like no other, also as a JPEG: 64×64, grey."""
    coarse = np.random.default_rng(seed).integers(20, 236, (8, 8), dtype=np.uint8)
    return Image.fromarray(coarse).resize((64, 64), Image.Resampling.NEAREST)


def content_id(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_leak_stops_the_pipeline_until_it_is_resolved(clean):
    raw = clean.root / "raw" / "parts"
    for n in range(12):
        file = raw / ("train", "val", "test")[n % 3] / ("good", "bad")[n % 2] / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(file)
    held, copy = raw / "test" / "good" / "2.png", raw / "train" / "good" / "again.jpg"
    assert held.exists()
    picture(2).save(copy, quality=95)
    source = {"name": "parts", "format": "imagefolder", "path": "raw/parts"}
    clean.set({"ingest": {"sources": [source]}, "evaluate": {"slices": []}})

    said = clean.refused("curate")
    assert "exited with 3" in said
    assert f"{content_id(copy)[:12]} in train, {content_id(held)[:12]} in test" in said
    assert "assay resolve leakage" in said
    assert not (clean.root / "data/snapshot").exists()

    report = clean.json("resolve", "leakage")
    assert [(d["id"], d["op"]) for d in report["decisions"]] == [(content_id(copy), "exclude")]
    assert clean.repro("curate") == ["ingest", "curate"]
    samples = {r["id"]: r["excluded"] for r in clean.read("data/snapshot/samples.parquet")}
    assert (samples[content_id(copy)], samples[content_id(held)]) == (True, False)


def test_status_says_where_we_are_and_what_to_do_next(workspace):
    now = workspace.json("status")
    assert {s["stage"]: s["state"] for s in now["stages"]} == {
        "ingest": "door", **dict.fromkeys(("embed", "curate", "audit", "select", "train", "evaluate", "track"), "fresh")
    }  # fmt: skip
    assert now["snapshot"]["counts"]["samples"] == 408
    assert now["queue"]["open"] == {"train": 20, "val": 0, "test": 0}
    assert now["metrics"]["test"]["accuracy"]["n"] == now["snapshot"]["counts"]["labelled"]["test"]
    assert now["next"].startswith("assay promote")
    workspace.set({"train": {"lr": 0.002}})
    later = workspace.json("status")
    assert {s["stage"]: s["state"] for s in later["stages"]}["train"] == "stale"
    assert later["next"].startswith("dvc repro")


def test_python_opens_the_snapshot_of_a_revision_from_the_cache(workspace):
    row = next(r for r in workspace.read("data/selection/train.parquet") if r["split"] == "train")
    other = next(c for c in "01" if c != row["label"])
    (workspace.root / "fix.csv").write_text(f"id,label\n{row['id']},{other}\n")
    workspace.assay("label", "fix.csv")
    workspace.repro("curate")
    program = (
        "import assay, json\n"
        "before, after = assay.snapshot('HEAD'), assay.snapshot()\n"
        "d = assay.diff(before, after)\n"
        "print(json.dumps([d.counts(), d.of('relabelled').to_pylist(), before.digest(), assay.__file__]))"
    )
    counts, relabelled, digest, file = json.loads(workspace.run("python", "-c", program).stdout)
    assert {kind for kind, n in counts.items() if n} == {"relabelled"}
    assert [(r["id"], r["label_before"], r["label_after"]) for r in relabelled] == [
        (row["id"], row["label"], other)
    ]
    assert digest != workspace.read("data/snapshot/snapshot.json")["digest"]
    assert Path(file).is_relative_to(workspace.root), "the copy's own sources"
    labels = {}
    for rev in ("HEAD", "workspace"):
        workspace.assay("export", f"out-{rev}", "--format", "csv", "--rev", rev)
        lines = (workspace.root / f"out-{rev}/labels.csv").read_text().splitlines()
        labels[rev] = Counter(line.split(",")[1] for line in lines)
    assert labels["HEAD"] - labels["workspace"] == {row["label"]: 1}
