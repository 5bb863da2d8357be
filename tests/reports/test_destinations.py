"""The FILE of `--csv` and its like: written whole, written through, or refused before the work begins."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from typer.models import OptionInfo

from assay.commands import cli_why
from assay.commands.cli import app
from assay.commands.invocation import destination, folder
from assay.errors import UsageError
from assay.reports.destinations import check_file, check_folder, write_out


def test_a_file_is_written_whole_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    for text in (b"a much longer text", b"short"):
        write_out(file, text)
        assert file.read_bytes() == text
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "there" / "out.csv")
    write_out(link, b"text")
    assert link.is_symlink()
    assert (tmp_path / "there" / "out.csv").read_bytes() == b"text"


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_out(pipe, b"text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


PLACES = {
    ".": "it is a folder",
    "nowhere/out.csv": "there is no folder",
    "file/out.csv": "there is no folder",
    "loop": "",
    "broken": "there is no folder",
    "a\0b": "",
    "x" * 300: "",
    "/proc/x.csv": "no writing there",
    "/dev/nowhere": "no writing there",
    "/dev/full": "No space left on device",
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_place_for_a_file_is_refused_and_left_as_it_is(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("nowhere/out.csv")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=rf"cannot be written: .*{PLACES[place]}"):
        write_out(tmp_path / place, b"text")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", ["/dev/null", "/dev/full"])
def test_a_device_stays_a_device(place: str) -> None:
    check_file(Path(place))
    assert stat.S_ISCHR(Path(place).stat().st_mode)


@pytest.mark.parametrize("redirected", [True, False])
def test_standard_output_gets_it_in_its_turn_also_where_it_is_a_file(
    tmp_path: Path, redirected: bool
) -> None:
    program = (
        "from pathlib import Path; from assay.reports.destinations import write_out\n"
        "print('before'); write_out(Path('/dev/stdout'), b'text\\n'); print('after')"
    )
    file = tmp_path / "out"
    with file.open("wb") as stream:
        line = [sys.executable, "-c", program]
        done = subprocess.run(line, stdout=stream if redirected else subprocess.PIPE, check=True)
    assert (file.read_bytes() if redirected else done.stdout) == b"before\ntext\nafter\n"


def test_a_folder_to_keep_things_in_is_new_or_empty(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "new") == tmp_path / "new"
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty")
    for place, why in {".": "it exists", "nowhere/new": "there is no folder"}.items():
        with pytest.raises(UsageError, match=why):
            check_folder(tmp_path / place, "--keep")
    assert not (tmp_path / "new").exists()


def test_every_option_of_every_command_that_names_a_file_to_write_is_checked_first() -> None:
    commands = [*app.registered_commands, *cli_why.why.registered_commands]
    options = {
        f"{command.name or command.callback.__name__} {name}": note.callback
        for command in commands
        for name, hint in get_type_hints(command.callback, include_extras=True).items()
        if "Path" in str(hint)
        for note in get_args(hint)[1:]
        if isinstance(note, OptionInfo)
    }
    assert {"queue export", "audit html", "advise suspects", "reproduce keep"} <= set(options)
    assert [name for name, callback in options.items() if callback is None] == []


def test_the_checks_name_the_option(tmp_path: Path) -> None:
    class Parameter:
        opts = ("--csv",)

    for check in (destination, folder):
        with pytest.raises(UsageError, match=r"^--csv: "):
            check(Parameter(), tmp_path / "nowhere" / "out")  # type: ignore[arg-type]
