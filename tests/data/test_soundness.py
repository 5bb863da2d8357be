from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import yaml

from assay.commands import verify
from assay.data.pool import content_id
from assay.errors import PoolError
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import ingest

SOURCE = {"name": "s", "format": "csv", "path": "raw/images.csv"}


@pytest.fixture
def layout(tmp_path, make_pool):
    make_pool()
    return Layout(tmp_path)


def test_a_sound_pool_has_no_damage(layout):
    result = verify.run(layout)
    assert (result["images"], result["shards"], result["damaged"]) == (20, 3, [])


def test_every_byte_that_changed_is_found(layout, images):
    tar = layout.pool / "shards" / "00001.tar"
    data = bytearray(tar.read_bytes())
    data[520] ^= 1
    tar.write_bytes(data)
    (layout.pool / "shards" / "00002.tar").unlink()
    (layout.pool / "imports" / "00000.parquet").write_bytes(b"")
    result = verify.run(layout)
    assert [(row["file"], row["id"]) for row in result["damaged"]] == [
        ("shards/00001.tar", content_id(images[8])),
        ("shards/00002.tar", None),
        ("imports/00000.parquet", None),
    ]
    assert "dvc checkout --force data/pool" in result["next"]


def many_images(project, count, draw):
    for n in range(count):
        project.add(f"p{n}", draw(n, 16), label="ab"[n % 2])
    fields = ("path", "label")
    lines = [",".join(row[field] for field in fields) for row in project.rows]
    (project.layout.root / "raw" / "images.csv").write_text("\n".join([",".join(fields), *lines, ""]))


@pytest.mark.parametrize("_", range(int(os.environ.get("ASSAY_REPEAT", "1"))))
def test_two_ingests_at_once_leave_a_pool_of_which_every_byte_is_right(project, draw, _):
    """600 images in shards of 50, from two processes. ASSAY_REPEAT=100 repeats it."""
    many_images(project, 600, draw)
    root = project.layout.root
    (root / "params.yaml").write_text(yaml.safe_dump({"ingest": {"sources": [SOURCE], "shard_images": 50}}))
    command = [sys.executable, "-m", "assay", "ingest"]
    both = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [child.communicate() for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    assert sorted(out.split("images, ")[1].split(" new")[0] for out, _ in said) == ["0", "600"]
    result = verify.run(project.layout)
    assert (result["images"], result["damaged"]) == (600, [])


def test_two_threads_of_one_process_take_turns_as_well(project, draw):
    many_images(project, 60, draw)
    params = parse_params({"ingest": {"sources": [SOURCE], "shard_images": 10}})
    failed = []

    def take_in():
        try:
            ingest.run(params, project.layout, silent)
        except PoolError as error:
            failed.append(error)

    threads = [threading.Thread(target=take_in) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    result = verify.run(project.layout)
    assert (result["images"], result["damaged"]) == (60, [])
