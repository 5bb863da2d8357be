"""What goes wrong in real life: kills, full disks, servers that are away, damaged images, slips of the pen."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from assay.data.pool import Pool
from tests.pipeline.conftest import ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Workspace = Any  # of conftest.py

DYING = """\
#!{python}
import os, signal
from {module} import {owner}
real, calls = {owner}.{name}, 0
def dying(*args, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.killpg(0, signal.SIGKILL)
    return real(*args, **options)
{owner}.{name} = dying
from assay.commands.cli import main
main()
"""
"""An `assay` that kills itself, and the dvc that called it, at the n-th call of a function."""


def kill_at(workspace: Workspace, folder: Path, module: str, owner: str, name: str, call: int) -> str:
    """`dvc repro` until the n-th call of `module.owner.name` in a stage: SIGKILL to the whole process group.

    What had been said by then.
    """
    folder.mkdir(exist_ok=True)
    program = DYING.format(python=sys.executable, module=module, owner=owner, name=name, call=call)
    (folder / "assay").write_text(program)
    (folder / "assay").chmod(0o755)
    path = os.pathsep.join([str(folder), workspace.forking["PATH"]])
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=workspace.root,
        env={**workspace.env, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said, _ = process.communicate()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, said
    return said


def test_kill_9_in_the_middle_of_a_stage_costs_nothing_but_time(clean, done, tmp_path):
    data, dying = clean.root / "data", tmp_path / "dying"

    kill_at(clean, dying, "assay.data.pool", "PoolWriter", "add", 200)
    assert len(Pool.open(data / "pool")) == 150, "the first shard was stored; the second was being written"
    assert list((data / "pool").rglob("*.tmp"))

    kill_at(clean, dying, "assay.stages", "embed", "_pairs", 2)
    vectors, pairs = (sorted((data / "embeddings").glob(f"*{end}")) for end in (".npy", ".pairs.parquet"))
    assert len(pairs) == 1
    assert len(vectors) > 2, "the second shard has vectors, and no pairs yet"
    first_shard = pairs[0].stat().st_mtime_ns

    kill_at(clean, dying, "assay.training", "fit", "augment", 15)
    assert pairs[0].stat().st_mtime_ns == first_shard, "what was done was not done again"
    assert list((clean.root / ".assay" / "checkpoints").glob("*.pt"))
    assert not (clean.root / "outputs" / "model").exists()

    said = kill_at(clean, dying, "assay.tracking", "Store", "log_inputs", 1)
    assert "resuming after epoch 1" in said
    assert list(clean.runs().values()) == ["RUNNING"]
    assert (clean.root / "outputs" / "metrics.json").exists()

    assert clean.repro() == ["ingest", "track"]
    assert clean.lock == done.lock, "bit for bit what nobody disturbed"
    assert list(clean.runs().values()) == ["FINISHED"], "one fingerprint, one run"


def test_without_mlflow_training_goes_on_and_track_fills_the_run_in_later(workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else answers there
        away = f"http://127.0.0.1:{taken.getsockname()[1]}"
        workspace.set({"train": {"lr": 0.002}})
        said = replace(workspace, env={**workspace.env, "MLFLOW_TRACKING_URI": away}).refused()
    assert ran(said) == ["ingest", "train", "evaluate", "track"], "what depends on the rate"
    assert "no live curves" in said
    assert "training goes on; `assay track` writes the run once the server answers" in said
    assert f"the tracking server at {away} does not answer or refuses" in said
    assert "failed to reproduce 'track'" in said
    assert len(workspace.runs()) == 1

    report = workspace.json("track")
    assert (report["new"], report["changed"]) == (True, "model")
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as store:
        points = "select step from metrics where run_uuid = ? and key = 'train_loss' order by step"
        steps = [step for (step,) in store.execute(points, (report["run_id"],))]
    assert steps == [1, 2, 3, 4], "the curves as well"
    assert workspace.repro() == ["ingest", "track"]
    assert len(workspace.runs()) == 2


@pytest.fixture
def small_disk() -> Iterator[Any]:
    """`small_disk(folder, "300k")`: mount, or grow, a tmpfs there. Needs root; else the test is skipped."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={size}" if folder not in mounted else f"remount,size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if (
            shutil.which("mount") is None
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("a small tmpfs cannot be mounted here: not root")
        mounted.append(folder)

    yield mount
    for folder in set(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_in_ingest_is_said_in_a_line_and_nothing_is_half_written(clean, done, small_disk):
    pool = clean.root / "data" / "pool"
    small_disk(pool, "300k")
    said = clean.assay("ingest", status=1)
    assert "error: disk full" in said.stderr
    assert len(Pool.open(pool)) == 150, "what fits"
    assert not list(pool.rglob("*.tmp"))
    assert "disk full" in clean.refused("ingest")
    small_disk(pool, "16m")
    clean.repro("ingest")
    assert clean.read("dvc.lock")["stages"]["ingest"] == done.read("dvc.lock")["stages"]["ingest"]


def test_a_full_disk_in_train_is_said_in_a_line_and_nothing_is_half_written(workspace, done, small_disk):
    lock = workspace.lock
    shutil.rmtree(workspace.root / "outputs")
    small_disk(workspace.root / "outputs", "64k")
    said = workspace.assay("train", status=1)
    assert "error: disk full" in said.stderr
    assert not list((workspace.root / "outputs").iterdir())
    small_disk(workspace.root / "outputs", "16m")
    workspace.assay("train")
    model = "outputs/model/model.pt"
    assert (workspace.root / model).read_bytes() == (done.root / model).read_bytes()
    assert workspace.lock == lock


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    """A picture like no other before it: 40 wide, 30 high."""
    rng = np.random.default_rng(len(kind + mode + str(options)))
    image = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def sixteen_bit() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50).save(stream, "PNG")
    return stream.getvalue()


def bomb() -> bytes:
    """A PNG whose header, checksum and all, promises 2^30 pixels."""
    data = encoded("PNG", "1")
    header = b"IHDR" + struct.pack(">II", 2**15, 2**15) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn: upright it is 30 wide and 40 high
    return encoded("JPEG", exif=exif.tobytes(), quality=91)


def test_every_kind_of_bad_image_has_its_place_in_the_books(clean):
    sound = encoded("PNG")
    frames = [Image.fromarray(np.full((8, 8), n, np.uint8)) for n in (0, 99, 200)]
    animated = io.BytesIO()
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    damaged = bytearray(sound)
    damaged[len(damaged) // 2] ^= 0xFF
    files = {
        "animated.gif": animated.getvalue(),
        "bomb.png": bomb(),
        "cmyk.jpg": encoded("JPEG", "CMYK"),
        "corrupt.png": bytes(damaged),
        "exif.jpg": turned(),
        "notes.png": b"these are my notes",
        "sixteen.png": sixteen_bit(),
        "sound.png": sound,
        "sound-again.png": sound,
        "truncated.jpg": encoded("JPEG", quality=95)[:500],
        "zero.png": b"",
    }
    folder = clean.root / "raw" / "parts" / "good"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    source = {"name": "parts", "format": "imagefolder", "path": "raw/parts"}
    clean.set({"ingest": {"sources": [source]}, "evaluate": {"slices": []}})
    assert clean.repro("curate") == ["ingest", "embed", "curate"]

    book = clean.read("data/pool/report.json")["sources"]["parts"]
    assert book["files"] == len(files) == book["samples"] + book["duplicates"] + book["quarantined"]
    assert (book["samples"], book["duplicates"], book["quarantined"]) == (4, 1, 6)
    assert sum(book["reasons"].values()) == 6
    pool = Pool.open(clean.root / "data" / "pool")
    reasons = {Path(row["path"]).name: row["reason"] for row in pool.quarantine.to_pylist()}
    assert reasons.pop("corrupt.png").startswith("corrupt: ")
    assert reasons == {
        "animated.gif": "animated: 3 frames",
        "bomb.png": "too large: 1073741824 pixels > 100000000",
        "notes.png": "not an image",
        "truncated.jpg": "truncated",
        "zero.png": "empty file",
    }
    taken = {row["id"]: (row["width"], row["height"], row["mode"]) for row in pool.index.to_pylist()}
    names = {Path(row["path"]).stem: taken[row["id"]] for row in pool.imports.to_pylist()}
    assert names == {
        "cmyk": (40, 30, "CMYK"),
        "exif": (30, 40, "RGB"),
        "sixteen": (40, 30, "I;16"),
        "sound": (40, 30, "RGB"),
        "sound-again": (40, 30, "RGB"),
    }


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("budget: 100", "budgte: 100", ["select.budgte: there is no such key", "documented in the params.yaml"]),
        ("lr: 0.003", "lr: 1e-3", ["train.lr: '1e-3' is text in YAML: write 1.0e-3"]),
        ("strategy: margin", "strategy: magrin", ["select.strategy", "'magrin'", "entropy, kcenter, "]),
        ("seed: 0", "seed: [0", ["params.yaml is not valid YAML", "line"]),
    ],
)  # fmt: skip
def test_a_slip_in_params_names_the_key_and_what_is_valid(fresh, tmp_path, wrong, right, words):
    text = (Path(__file__).parents[2] / "params.yaml").read_text()
    assert wrong in text
    (tmp_path / "params.yaml").write_text(text.replace(wrong, right, 1))
    project = type(fresh)(tmp_path, fresh.env)
    said = project.assay("curate", status=2).stderr
    assert all(word in said for word in words), said


def test_dvc_stops_at_the_door_when_params_are_wrong(workspace):
    workspace.set({"train": {"lr": "1e-3"}})
    lock = workspace.lock
    said = workspace.refused()
    assert "train.lr: '1e-3' is text in YAML" in said
    assert "exited with 2" in said
    assert workspace.lock == lock


def test_bad_rows_of_labels_are_all_named_and_none_is_taken(workspace):
    ids = [row["id"] for row in workspace.read("data/snapshot/samples.parquet")[:3]]
    rows = [
        "id,label,split",
        f"{ids[0]},3,",
        "0123456789abcdef,3,",
        f"{ids[1]},x,",
        f"{ids[2]},4,training",
        f"{ids[0]},4,",
    ]
    (workspace.root / "bad.csv").write_text("\n".join(rows))
    said = workspace.assay("label", "bad.csv", status=1).stderr
    assert "5 bad rows, nothing was written" in said
    for line, text in {
        2: "lines 2, 6 contradict each other: they name the same image",
        3: "no image has the id '0123456789abcdef'",
        4: "class 'x' was never seen",
        5: "split is 'training'; valid: train, val, test",
        6: "lines 2, 6 contradict each other: they name the same image",
    }.items():
        assert f"line {line}: {text}" in said
    assert not list((workspace.root / "data" / "edits").glob("*.jsonl"))


def test_bad_rows_of_a_source_are_all_named_and_none_is_taken(clean):
    (clean.root / "raw").mkdir()
    (clean.root / "raw" / "a.png").write_bytes(encoded("PNG"))
    rows = [
        "path,label,split",
        "a.png,good,train",
        "b.png,good,train",
        "a.png,bad,",
        ",good,",
        "a.png,good,tset",
    ]
    (clean.root / "raw" / "images.csv").write_text("\n".join(rows))
    clean.set({"ingest": {"sources": [{"name": "parts", "format": "csv", "path": "raw/images.csv"}]}})
    said = clean.refused("ingest")
    assert "bad rows, nothing was taken in" in said
    for line in (3, 5, 6):
        assert f"line {line}" in said
    assert len(Pool.open(clean.root / "data" / "pool")) == 0
    assert yaml.safe_load((clean.root / "params.yaml").read_text())["ingest"]["sources"][0]["name"] == "parts"
