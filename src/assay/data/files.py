"""Files that are either whole or not there: written aside, flushed to disk, renamed into place.

What is written aside is called `<name>.<pid>-<n>.tmp`: no other process and no other thread writes to it, and what a
killed process has left is known by its pid and removed by the next writer.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assay.errors import DamagedFile, MissingInput

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
ASIDE = ".tmp"
"""Suffix of what is being written: see above."""
_OWNER = re.compile(rf"\.(\d+)-\d+{re.escape(ASIDE)}$")
_number = count()
_swept: set[Path] = set()


def sync_dir(path: Path) -> None:
    """Make the renames in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def aside_of(path: Path) -> Path:
    """Where to write what is to become `path`; nobody else writes there."""
    return path.with_name(f"{path.name}.{os.getpid()}-{next(_number)}{ASIDE}")


def sweep(folder: Path) -> None:
    """Remove what processes that are gone have left half-written in a folder."""
    for left in folder.glob(f"*{ASIDE}"):
        if (found := _OWNER.search(left.name)) and not is_alive(int(found[1])):
            _remove(left)


def _prepare(folder: Path) -> None:
    """Make a folder to write in; the first time in a process, sweep it."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def replacing(path: Path, new: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes its place if the block ends well, and goes if not.

    `new`: FileExistsError if `path` is there by then, whoever has made it, also at this very moment.
    """
    _prepare(path.parent)
    aside = aside_of(path)
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        if new:
            claim(aside, path)
        else:
            _place(aside, path)
        sync_dir(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _place(aside: Path, path: Path) -> None:
    try:
        aside.replace(path)
    except OSError as error:  # it is `path` that is in the way, a folder say
        raise OSError(error.errno, error.strerror, str(path)) from None


def claim(aside: Path, path: Path) -> None:
    """Give a finished file its name. FileExistsError if another file has it."""
    try:
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        aside.replace(path)
    else:
        aside.unlink()


@contextmanager
def fresh_dir(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place, whole, if the block ends well."""
    _prepare(path.parent)
    aside, old = aside_of(path), aside_of(path)
    aside.mkdir()
    try:
        yield aside
        while True:
            with suppress(FileNotFoundError):
                path.replace(old)
            try:
                aside.replace(path)
                break
            except OSError as error:  # another took the place in between: it was first, we are the later
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                _remove(old)
        sync_dir(path.parent)
    finally:
        _remove(aside)
        _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder, so that of several writers one is in it. BlockingIOError if another is and `wait` is False.

    The lock is on the folder itself: nothing lies in it, and it is free when its holder ends, however that was. A file
    system that cannot lock a folder (NFS) is let pass: names are claimed by one process only there too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            pass
        yield
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as aside:
        aside.write_bytes(data)


def write_numbered(folder: Path, files: Callable[[], Iterable[Path]], name: str, data: bytes) -> Path:
    """Write `<number>-<name>.jsonl`, the number after those of `files`; of several at once, each has its own.

    Nothing that is there is ever touched, whatever it is called.
    """
    with alone_in(folder):
        while True:
            number = 1 + max((int(file.name.split("-", 1)[0]) for file in files()), default=0)
            path = folder / f"{number:04d}-{name}.jsonl"
            # only a file system that cannot lock a folder lets another one in here
            with suppress(FileExistsError), replacing(path, new=True) as aside:
                aside.write_bytes(data)
                return path


def write_json(path: Path, value: Any) -> None:
    """Sorted keys, two spaces, one newline at the end: the same value is the same bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def write_table(path: Path, table: pa.Table, new: bool = False) -> None:
    """Parquet, zstd. The same table is the same bytes for one version of pyarrow. `new`: see `replacing`."""
    import pyarrow.parquet as pq

    with replacing(path, new) as aside:
        pq.write_table(table.combine_chunks(), aside, compression="zstd")


def read_json(path: Path, made_by: str | None = None) -> Any:
    """Parsed JSON. MissingInput if the file is absent, saying which stage writes it; DamagedFile if it is no JSON."""
    _require(path, made_by)
    with legible(path):
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):  # as is all that is written here
            raise ValueError(f"it holds {type(value).__name__}")
        return value


def read_table(path: Path, columns: list[str] | None = None, made_by: str | None = None) -> pa.Table:
    """A Parquet file. MissingInput if it is absent, saying which stage writes it; DamagedFile if it is none."""
    import pyarrow.parquet as pq

    _require(path, made_by)
    with legible(path):
        with pq.ParquetFile(path) as file:  # pq.read_table would import pandas, half a second
            table = file.read(columns=columns)
        return table if columns is None else table.select(columns)


def recall(read: Callable[[], T]) -> T | None:
    """What a file that is only a memory (.assay/) gives; None if it is not there, or not what was written there."""
    with suppress(MissingInput, OSError, ValueError, LookupError, TypeError, AttributeError, EOFError):
        return read()
    return None


@contextmanager
def legible(path: Path) -> Iterator[None]:
    """DamagedFile for what a parser makes of an empty, a cut or a foreign file; it says how to get a sound one."""
    try:
        yield
    except (ValueError, KeyError, TypeError, NotImplementedError, EOFError) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        if error.errno is not None:  # the system's, as no permission; Arrow has none
            raise
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DamagedFile:
    size = path.stat().st_size
    words = (str(error).splitlines() or [type(error).__name__])[0]
    what = "is empty" if size == 0 else f"is damaged: {words}"
    return DamagedFile(f"{path} {what}", hint=_mend(path))


def _mend(path: Path) -> str:
    """How to get a sound file in the place of a damaged one, by who keeps it."""
    parts = path.absolute().parts
    if ".assay" in parts:
        entry = Path(*parts[: parts.index(".assay") + 3])
        return f"it is only a memory, and is made anew: rm -r {entry}"
    if path.name == "champion.json" or "edits" in parts or "ledger" in parts:
        return f"git checkout {path}"
    for n, part in enumerate(parts[:-1]):
        if part in ("data", "outputs"):
            out = "/".join(parts[n : n + 2])
            return f"`dvc checkout --force {out}` brings it back; else `dvc repro --force` makes it anew"
    return "restore it, or make it anew"


def _require(path: Path, made_by: str | None) -> None:
    if not path.exists():
        raise MissingInput(
            f"{path} is not there",
            hint=f"run `assay {made_by}` first, or `dvc repro`" if made_by else "run `dvc repro`",
        )
