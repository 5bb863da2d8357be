"""How a program ends, and what it can say where its output is not UTF-8."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from PIL import Image

from assay.commands.streams import reported
from assay.errors import AssayError, from_system

SOURCE = {"name": "raw", "format": "imagefolder", "path": "raw"}
SAY = """
from assay.commands.streams import reported
from rich.console import Console
with reported():
    Console().print("A → B… ±3 × Köln – ok")
    print("caf\\udce9 → 猫")
"""


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("ascii", [r"A -> B... +/-3 x K\xf6ln - ok", r"caf\udce9 -> \u732b"]),
        ("latin-1", ["A -> B... ±3 × Köln - ok", r"caf\udce9 -> \u732b"]),
        ("cp1252", ["A -> B… ±3 × Köln – ok", r"caf\udce9 -> \u732b"]),
        ("utf-8", ["A → B… ±3 × Köln – ok", r"caf\udce9 → 猫"]),
        ("ascii:replace", ["A ? B? ?3 ? K?ln ? ok", "caf? ? ?"]),
    ],
)
def test_a_character_that_cannot_be_shown_ends_nothing(encoding: str, said: list[str]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", SAY], env=environment, capture_output=True, check=True)
    assert done.stdout.decode(encoding.partition(":")[0]).splitlines() == said


def project(root: Path, images: list[bytes]) -> None:
    (root / "raw" / "Köln").mkdir(parents=True)
    (root / "raw" / "Köln" / "1.png").write_bytes(images[0])
    (root / "params.yaml").write_text(yaml.safe_dump({"ingest": {"sources": [SOURCE]}}))


def assay(root: Path, *line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "assay", *line], cwd=root, env={**os.environ, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("place", ["data", "data/pool", ".assay", "data/pool/report.json"])
def test_something_else_in_the_way_of_what_is_written_is_one_line(
    tmp_path: Path, images: list[bytes], place: str
) -> None:
    project(tmp_path, images)
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if path.suffix else path.touch()
    done = assay(tmp_path, "ingest")
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert place in done.stderr
    assert "move it away" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.getuid() == 0 and shutil.which("setpriv") is None, reason="root may write anywhere")
@pytest.mark.parametrize("place", ["data", ".assay", "."])
def test_a_folder_without_the_right_to_write_is_one_line(
    tmp_path: Path, images: list[bytes], place: str
) -> None:
    project(tmp_path, images)
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place).chmod(0o500)
    without = ["setpriv", "--bounding-set=-dac_override"] if os.getuid() == 0 else []
    line = [*without, sys.executable, "-m", "assay", "ingest"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / place).chmod(0o700)
    assert done.returncode == 1, done.stderr
    assert "Permission denied" in done.stderr
    assert "what to do: change its permissions" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EEXIST, errno.EIO, errno.ENOSPC])
def test_what_the_system_refuses_names_the_file(number: int) -> None:
    told = from_system(OSError(number, os.strerror(number), "data/pool"))
    assert told is not None
    assert "data/pool" in str(told)


def test_an_error_of_our_own_code_stays_one() -> None:
    assert from_system(OSError("nothing of the system's")) is None
    with pytest.raises(OSError, match="nothing"), reported():
        raise OSError("nothing of the system's")


@pytest.mark.parametrize(
    "error",
    [
        AssayError("it is so"),
        MemoryError("1 TiB"),
        RuntimeError("CUDA out of memory."),
        OSError(5, "EIO", "file"),
    ],
)
def test_others_end_the_program_with_a_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, reported():
        raise error
    assert ended.value.code == 1


def test_ctrl_c_in_a_command_is_told_in_one_line(capsys):
    app = typer.Typer()

    @app.command()
    def endless() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end, reported():
        app([])
    assert end.value.code == 130
    assert capsys.readouterr().err.strip() == "stopped; the same call resumes"


def test_names_of_folders_are_read_as_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    for name in ("raw/hüte/1.png", "raw/b/2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / name)
    elsewhere = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "assay", "init", "new", "--from", "raw", "--dry-run", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["found"]["classes"] == {"b": 1, "hüte": 1}
