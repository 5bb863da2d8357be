from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assay.data.files import read_json
from assay.data.pool import Pool, content_id, side_table
from assay.errors import ParamsError, SourceError
from assay.intake import ingest as intake
from assay.intake import unchanged
from assay.layout import Layout
from assay.params import Params, parse_params
from assay.progress import silent
from assay.stages import ingest


def params(*sources: dict, **section) -> Params:
    sources = sources or ({"name": "raw", "format": "imagefolder", "path": "raw"},)
    return parse_params({"ingest": {"sources": list(sources), "shard_images": 8, **section}})


@pytest.fixture
def layout(tmp_path, images) -> Layout:
    for n, data in enumerate(images):
        folder = tmp_path / "raw" / ("odd" if n % 2 else "even")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{n:02d}.png").write_bytes(data)
    return Layout(tmp_path)


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def run(layout: Layout, **section) -> dict:
    return ingest.run(params(**section), layout, silent)


def test_everything_is_taken_in_with_its_label_and_origin(layout, images):
    assert run(layout)["new"] == 20
    pool = Pool.open(layout.pool)
    assert set(pool.ids) == {content_id(d) for d in images}
    row = next(r for r in pool.imports.to_pylist() if r["id"] == content_id(images[3]))
    assert (row["path"], row["annotations"]) == ("odd/03.png", '[{"category":"odd"}]')


def test_a_second_look_changes_no_byte(layout):
    run(layout)
    before = content(layout.pool)
    assert run(layout)["new"] == 0
    assert content(layout.pool) == before
    shutil.rmtree(layout.scratch)
    run(layout)
    assert content(layout.pool) == before


def test_from_scratch_it_is_the_same_pool_bit_for_bit(layout):
    run(layout)
    before = content(layout.pool)
    shutil.rmtree(layout.pool)
    run(layout)
    assert content(layout.pool) == before


def test_only_what_is_new_is_read(layout, images, monkeypatch):
    run(layout)
    (layout.root / "raw" / "odd" / "new.png").write_bytes(images[0] + b"trailer")
    read: list[str] = []
    real = intake.read_file
    monkeypatch.setattr(intake, "read_file", lambda file, *rest: read.append(file) or real(file, *rest))
    assert run(layout)["new"] == 1
    assert read == [str(layout.root / "raw" / "odd" / "new.png")]


def test_what_is_new_is_taken_in_without_pandas(layout, images):
    run(layout)
    (layout.root / "raw" / "odd" / "new.png").write_bytes(images[0] + b"trailer")
    program = (
        "import sys; from pathlib import Path; from assay.layout import Layout\n"
        "from assay.params import parse_params; from assay.progress import silent\n"
        "from assay.stages import ingest\n"
        "source = {'name': 'raw', 'format': 'imagefolder', 'path': 'raw'}\n"
        "params = parse_params({'ingest': {'sources': [source], 'shard_images': 8}})\n"
        "print(ingest.run(params, Layout(Path()), silent)['new'], 'pandas' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=layout.root)
    assert out.split() == ["1", "False"]


def test_a_renamed_file_is_the_same_sample_and_a_moved_one_is_relabelled(layout, images):
    run(layout)
    folder = layout.root / "raw"
    (folder / "odd" / "03.png").rename(folder / "even" / "three.png")
    summary = run(layout)
    assert summary["new"] == 0
    moved, left = Pool.open(layout.pool).imports.to_pylist()[-2:]
    assert (moved["path"], moved["annotations"], moved["gone"]) == (
        "even/three.png",
        '[{"category":"even"}]',
        False,
    )
    assert (left["path"], left["gone"]) == ("odd/03.png", True)


def test_the_books_balance(layout, images):
    folder = layout.root / "raw" / "odd"
    (folder / "copy.png").write_bytes(images[1])
    (folder / "empty.png").write_bytes(b"")
    (folder / "half.png").write_bytes(images[1][: len(images[1]) // 2])
    (folder / "notes.png").write_bytes(b"not an image at all")
    for name in ("LICENSE_0001.jpg", "README-scan.png"):
        (folder / name).write_bytes(images[2] + name.encode())
    for name in ("LICENSE", "README", "readme.md", "README_de", "Thumbs.db", ".DS_Store"):
        (folder / name).write_bytes(b"about these images")
    summary = run(layout)
    book = summary["sources"]["raw"]
    assert book["files"] == 32 == sum(book[n] for n in ("samples", "duplicates", "quarantined", "ignored"))
    assert (book["duplicates"], book["quarantined"], book["ignored"]) == (1, 3, 6)
    assert unchanged.books(summary)[1] == (
        "  raw: 32 files = 22 samples + 1 duplicates + 3 quarantined "
        "(empty file 1, not an image 1, truncated 1) + 6 ignored"
    )
    reasons = {r["path"]: r["reason"] for r in Pool.open(layout.pool).quarantine.to_pylist()}
    assert set(reasons) == {"odd/empty.png", "odd/half.png", "odd/notes.png"}
    assert read_json(layout.pool / "report.json")["sources"]["raw"] == book


def test_a_quarantined_file_that_is_mended_is_taken_in(layout, images):
    path = layout.root / "raw" / "odd" / "half.png"
    path.write_bytes(images[1][:60])
    assert run(layout)["sources"]["raw"]["quarantined"] == 1
    path.write_bytes(images[1] + b"mended")
    book = run(layout)["sources"]["raw"]
    assert (book["quarantined"], book["samples"]) == (0, 21)


def test_a_larger_limit_lets_a_large_image_in(layout):
    assert run(layout, max_pixels=63)["sources"]["raw"]["reasons"] == {"too large": 20}
    assert run(layout, max_pixels=64)["new"] == 20


def test_a_source_that_is_away_is_reported_never_emptied(layout):
    run(layout)
    before = content(layout.pool)
    (layout.root / "raw").rename(layout.root / "elsewhere")
    said: list[str] = []
    loud = type("Loud", (type(silent),), {"say": lambda _self, text: said.append(text)})()
    ingest.run(params(), layout, loud)
    assert content(layout.pool) == before
    assert said == ["source 'raw' is missing: its images stay in the pool"]


def test_a_source_that_never_was_there_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="'raw'"):
        run(Layout(tmp_path))


def test_a_vanished_file_is_gone_only_if_mirrored(layout):
    run(layout)
    (layout.root / "raw" / "odd" / "03.png").unlink()
    run(layout)
    assert not any(r["gone"] for r in Pool.open(layout.pool).imports.to_pylist())
    mirrored = {"name": "raw", "format": "imagefolder", "path": "raw", "mirror": True}
    for _ in range(2):
        ingest.run(params(mirrored), layout, silent)
        gone = [r["path"] for r in Pool.open(layout.pool).imports.to_pylist() if r["gone"]]
        assert gone == ["odd/03.png"]


def test_two_sources_share_one_image(layout, images):
    other = layout.root / "more" / "odd"
    other.mkdir(parents=True)
    (other / "again.png").write_bytes(images[1])
    both = [{"name": n, "format": "imagefolder", "path": n} for n in ("raw", "more")]
    summary = ingest.run(params(*both), layout, silent)
    assert summary["samples"] == 20
    assert summary["sources"]["more"]["duplicates"] == 1


def test_a_pool_checked_out_at_an_older_version_is_filled_up_again(layout, images):
    run(layout)
    old = content(layout.pool)
    (layout.root / "raw" / "odd" / "new.png").write_bytes(images[0] + b"x")
    run(layout)
    new = content(layout.pool)
    shutil.rmtree(layout.pool)
    for name, data in old.items():
        (layout.pool / name).parent.mkdir(parents=True, exist_ok=True)
        (layout.pool / name).write_bytes(data)
    run(layout)
    assert content(layout.pool) == new


def test_kill_9_in_the_middle_loses_nothing_and_the_next_run_carries_on(layout, images):
    program = (
        "import os, sys; from pathlib import Path; from assay.stages import ingest; from assay.layout import Layout\n"
        "from assay.data.pool import PoolWriter; from assay.params import parse_params\n"
        "from assay.progress import silent\n"
        "real, n = PoolWriter.add, 0\n"
        "def add(self, *a):\n"
        "    global n; n += 1\n"
        "    if n == 19: os.kill(os.getpid(), 9)\n"
        "    return real(self, *a)\n"
        "PoolWriter.add = add\n"
        "ingest.run(parse_params({'ingest': {'shard_images': 8, 'sources': "
        "[{'name': 'raw', 'format': 'imagefolder', 'path': 'raw'}]}}), Layout(Path(sys.argv[1])), silent)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(layout.root)], check=False)
    assert killed.returncode == -9
    assert len(Pool.open(layout.pool)) == 16
    assert run(layout)["new"] == 4
    pool = Pool.open(layout.pool)
    assert dict(pool.read_many(pool.ids)) == {content_id(d): d for d in images}
    assert len(set(pool.imports["path"].to_pylist())) == 20


def test_another_seed_of_the_demo_is_read_anew_though_every_size_is_the_same(tmp_path):
    layout = Layout(tmp_path)
    for seed, new in ((0, 50), (0, 0), (1, 50)):
        source = {"name": "digits", "format": "demo", "options": {"images": 50, "seed": seed}}
        assert ingest.run(params(source), layout, silent)["new"] == new


def test_a_look_that_finds_nothing_new_loads_nothing_heavy(layout):
    program = (
        "import sys; from pathlib import Path; from assay.stages import ingest; from assay.layout import Layout\n"
        "from assay.params import parse_params; from assay.progress import silent\n"
        "source = {'name': 'raw', 'format': 'imagefolder', 'path': 'raw'}\n"
        "summary = ingest.run(parse_params({'ingest': {'sources': [source]}}), Layout(Path(sys.argv[1])), silent)\n"
        "print(summary['new'], summary['samples'], 'pyarrow' in sys.modules)"
    )
    said = [
        subprocess.check_output([sys.executable, "-c", program, layout.root], text=True) for _ in range(2)
    ]
    assert said == ["20 20 True\n", "0 20 False\n"]


def test_killed_between_the_images_and_their_answers_the_answers_come_later(tmp_path):
    layout = Layout(tmp_path)
    demo = params({"name": "digits", "format": "demo", "options": {"images": 20}})
    ingest.run(demo, layout, silent)
    kinds = ("truth", "imports")
    whole = [side_table(layout.pool, kind).to_pylist() for kind in kinds]
    for kind in kinds:
        shutil.rmtree(layout.pool / kind)
    ingest.run(demo, layout, silent)
    assert [side_table(layout.pool, kind).to_pylist() for kind in kinds] == whole


@pytest.mark.parametrize(
    ("section", "param"),
    [
        ({"evaluate": {"slices": ["site", "ink"]}}, "evaluate.slices"),
        ({"select": {"cost": "ink"}}, "select.cost"),
    ],
)
def test_a_metadata_column_that_no_image_has_is_refused_before_anything_costs(project, draw, section, param):
    """The demo's `slices: [ink]` stopped the sixth stage, minutes later. What came in stays in."""
    project.add("a", draw(1), label="x")
    table = project.layout.root / "raw" / "images.csv"
    table.write_text(f"path,label,site\n{project.rows[0]['path']},x,north\n")
    with pytest.raises(ParamsError, match=f"{param}: no image has the metadata ink") as caught:
        ingest.run(project.params(**section), project.layout, silent)
    assert "columns of the sources: site" in str(caught.value.hint)
    assert ingest.run(project.params(evaluate={"slices": ["site"]}), project.layout, silent)["samples"] == 1
