"""What is in the way of one file or folder keeps nothing else out, and is not held against it for ever."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from assay.data.pool import Pool
from assay.formats import imagefolder
from assay.intake import ingest as intake
from assay.intake import unchanged
from assay.layout import Layout
from assay.lineage import manifests
from assay.params import Source, load_params
from assay.progress import silent
from assay.stages import ingest

SOURCE = {"name": "raw", "format": "imagefolder", "path": "raw"}
JPEG = b"\xff\xd8\xff\xe0"


@pytest.fixture
def root(tmp_path, images, monkeypatch) -> Path:
    """A project with cat/0.png and dog/1.png; it is also the current folder."""
    for n, folder in enumerate(("cat", "dog")):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        (tmp_path / "raw" / folder / f"{n}.png").write_bytes(images[n])
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, source: dict | None = None, **section) -> None:
    text = yaml.safe_dump({"ingest": {"sources": [SOURCE | (source or {})], **section}})
    (root / "params.yaml").write_text(text)


def look(root: Path) -> dict:
    """The book of the source after one `assay ingest`; it adds up."""
    book = ingest.run(load_params(root / "params.yaml"), Layout(root), silent)["sources"]["raw"]
    assert book["files"] == sum(book[name] for name in ("samples", "duplicates", "quarantined", "ignored"))
    return book


PLAIN = [] if os.getuid() else [
    "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"
]  # fmt: skip
"""In front of a command: root without the right to open what its owner may not."""
needs_permissions = pytest.mark.skipif(
    bool(PLAIN) and shutil.which(PLAIN[0]) is None, reason="root may open anything, and setpriv is not there"
)


def command(root: Path) -> list[str]:
    """What `assay ingest` prints to a person whose permissions count."""
    out = subprocess.run(
        [*PLAIN, sys.executable, "-m", "assay", "ingest"],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert out.returncode == 0, out.stdout
    return out.stdout.splitlines()


def reasons(root: Path) -> dict[str, str]:
    return {row["path"]: row["reason"] for row in Pool.open(Layout(root).pool).quarantine.to_pylist()}


def gone(root: Path) -> list[str]:
    return [row["path"] for row in Pool.open(Layout(root).pool).imports.to_pylist() if row["gone"]]


def test_a_link_to_itself_is_quarantined_and_the_quick_look_stays(root):
    (root / "raw" / "cat" / "loop").symlink_to("loop")
    assert look(root)["reasons"] == {"loop": 1}
    assert reasons(root) == {"cat/loop": "loop: a link that leads to itself"}
    assert unchanged.nothing_new(str(root)) is not None


def test_a_link_that_leads_somewhere_again_is_followed(root):
    (root / "raw" / "cat" / "far.png").symlink_to(root / "share" / "2.png")
    assert look(root)["reasons"] == {"dangling link": 1}
    assert unchanged.nothing_new(str(root)) is not None
    (root / "share").mkdir()
    shutil.copyfile(root / "raw" / "dog" / "1.png", root / "share" / "2.png")
    assert unchanged.nothing_new(str(root)) is None
    assert look(root)["duplicates"] == 1


def test_folders_within_folders_of_any_depth(root, images):
    deep = root / "raw" / "cat"
    for _ in range(1500):
        deep = deep / "d"
        deep.mkdir()
    try:
        (deep / "2.png").write_bytes(images[2])
        assert look(root)["samples"] == 3
        assert unchanged.nothing_new(str(root)) is not None
    finally:
        subprocess.run(["rm", "-rf", root / "raw"], check=True)  # shutil.rmtree would not get down there


def test_deeper_than_the_system_takes(root):
    top = os.open(root / "raw" / "cat", os.O_RDONLY)
    try:
        for _ in range(25):  # beyond PATH_MAX, which is 4,096 bytes
            os.mkdir("d" * 200, dir_fd=top)
            inner = os.open("d" * 200, os.O_RDONLY, dir_fd=top)
            os.close(top)
            top = inner
        assert look(root)["reasons"] == {"too deep": 1}
        assert look(root)["samples"] == 2
    finally:
        os.close(top)
        subprocess.run(["rm", "-rf", root / "raw"], check=True)


@needs_permissions
def test_a_folder_without_permission_is_told_and_the_rest_taken_in(root):
    write(root, {"mirror": True})
    assert look(root)["samples"] == 2
    (root / "raw" / "dog").chmod(0)
    for _ in range(2):
        said = command(root)
        assert "source 'raw': dog/: unreadable: Permission denied" in said[0]
        assert said[-1] == ("  raw: 2 files = 1 samples + 0 duplicates + 1 quarantined (unreadable 1)")
    assert gone(root) == [], "nobody knows what is in there"
    (root / "raw" / "dog").chmod(0o755)
    assert look(root)["samples"] == 2


@needs_permissions
def test_a_source_in_a_folder_without_permission_is_away(root):
    (root / "share").mkdir()
    (root / "raw").rename(root / "share" / "raw")
    write(root, {"path": "share/raw"})
    assert look(root)["samples"] == 2
    (root / "share").chmod(0)
    assert "is missing: its images stay in the pool" in command(root)[0]
    (root / "share").chmod(0o755)
    assert look(root)["samples"] == 2


@needs_permissions
def test_a_file_without_permission_is_read_once_it_may_be(root):
    file = root / "raw" / "dog" / "1.png"
    file.chmod(0)
    assert "unreadable 1" in command(root)[-1]
    assert unchanged.nothing_new(str(root)) is None
    file.chmod(0o644)
    assert command(root)[-1] == "  raw: 2 files = 2 samples + 0 duplicates + 0 quarantined"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file at hand that gives EIO")
def test_an_error_of_the_disk_is_never_remembered(root):
    (root / "raw" / "dog" / "2.png").symlink_to("/proc/self/mem")
    for _ in range(2):
        assert look(root)["reasons"] == {"unreadable": 1}
        assert unchanged.nothing_new(str(root)) is None, "the next look tries again"
    assert reasons(root) == {"dog/2.png": "unreadable: Input/output error"}
    memory = (root / ".assay" / "ingest" / "raw.parquet").read_bytes()
    assert b"dog/1.png" in memory
    assert b"dog/2.png" not in memory


def test_a_folder_that_vanishes_while_the_source_is_read_through(root):
    records = imagefolder.read(Source.model_validate(SOURCE), root)
    first = next(records)
    shutil.rmtree(root / "raw" / "dog")
    assert [first.path, *((r.path, r.skip) for r in records)] == [
        "cat/0.png", ("dog/", "unreadable: No such file or directory"),
    ]  # fmt: skip


def test_a_file_that_vanishes_before_it_is_read(root, monkeypatch):
    real = intake.read_file

    def late(file: str, size: int, most: int) -> bytes:
        if file.endswith("1.png"):
            Path(file).unlink()
        return real(file, size, most)

    monkeypatch.setattr(intake, "read_file", late)
    assert look(root)["reasons"] == {"unreadable": 1}
    assert look(root)["files"] == 1


def test_forty_gigabytes_are_not_read(root):
    for name, head in (("a.jpg", JPEG), ("b.jpg", b"")):
        with (root / "raw" / "cat" / name).open("wb") as file:
            file.write(head)
            file.truncate(40 << 30)
    assert look(root)["reasons"] == {"too large": 1, "not an image": 1}
    assert reasons(root)["cat/a.jpg"] == "too large: 40,960 MB > 512 (ingest.max_mb)"
    assert unchanged.nothing_new(str(root)) is not None


def test_the_limit_of_a_file_is_a_param(root, images):
    (root / "raw" / "cat" / "large.png").write_bytes(images[2].ljust(3 << 20, b"\0"))
    write(root, max_mb=2)
    assert look(root)["reasons"] == {"too large": 1}
    write(root, max_mb=4)
    assert look(root)["samples"] == 3


def test_a_tilde_is_the_home_folder(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root / "home"))
    (root / "home").mkdir()
    (root / "raw").rename(root / "home" / "raw")
    write(root, {"path": "~/raw"})
    assert look(root)["samples"] == 2
    assert unchanged.nothing_new(str(root)) is not None
    shutil.copyfile(root / "home/raw/cat/0.png", root / "home/raw/dog/2.png")
    assert unchanged.nothing_new(str(root)) is None
    (root / "table.csv").write_text("path,label\n0.png,cat\n")
    write(root, {"path": "table.csv", "format": "csv", "options": {"image_root": "~/raw/cat"}})
    assert look(root)["samples"] == 1


def test_what_other_code_refused_is_judged_again(root, monkeypatch):
    (root / "raw" / "cat" / "half.png").write_bytes((root / "raw" / "cat" / "0.png").read_bytes()[:60])
    assert look(root)["quarantined"] == 1
    (root / ".assay" / "ingest" / "watched").unlink()
    read: list[str] = []
    real = intake.read_file
    monkeypatch.setattr(
        intake, "read_file", lambda file, *rest: read.append(Path(file).name) or real(file, *rest)
    )
    look(root)
    assert read == []
    monkeypatch.setattr(manifests, "current", lambda *_: {"ingest": "another version"})
    assert look(root)["quarantined"] == 1
    assert read == ["half.png"], "what was taken in is not read again"


@pytest.mark.parametrize("junk", [b"", b"PAR1 is how it begins"])
def test_a_broken_memory_is_no_memory(root, junk):
    look(root)
    for name in ("raw.parquet", "watched", "key"):
        (root / ".assay" / "ingest" / name).write_bytes(junk)
    assert look(root)["samples"] == 2
    assert look(root)["samples"] == 2
