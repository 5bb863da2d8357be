"""Atomic files: written to a temporary file, flushed to disk, renamed into place.

Temporary files are named `<name>.<pid>-<n>.tmp`, unique to a process and a thread. Those of a killed process are
recognised by their pid, and removed by the next writer.
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
"""Suffix of temporary files."""
_OWNER = re.compile(rf"\.(\d+)-\d+{re.escape(ASIDE)}$")
_number = count()
_swept: set[Path] = set()


def sync_dir(path: Path) -> None:
    """Flush a folder to disk, so that renames in it survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def aside_of(path: Path) -> Path:
    """A new temporary path beside `path`."""
    return path.with_name(f"{path.name}.{os.getpid()}-{next(_number)}{ASIDE}")


def sweep(folder: Path) -> None:
    """Remove temporary files of processes that no longer run from a folder."""
    for left in folder.glob(f"*{ASIDE}"):
        if (found := _OWNER.search(left.name)) and not is_alive(int(found[1])):
            _remove(left)


def _prepare(folder: Path) -> None:
    """Make a folder; `sweep` it the first time in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def is_alive(pid: int) -> bool:
    """Whether a process with this pid runs on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def replacing(path: Path, new: bool = False) -> Iterator[Path]:
    """Yield a temporary path: renamed to `path` if the block succeeds, removed if it raises.

    `new`: FileExistsError if `path` exists at the end of the block; atomic, so that one of several writers succeeds.
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
    except OSError as error:  # name `path`, not the temporary file: it may be a folder
        raise OSError(error.errno, error.strerror, str(path)) from None


def claim(aside: Path, path: Path) -> None:
    """Rename a finished file to `path`. FileExistsError if `path` exists."""
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
    """Yield an empty temporary folder that replaces `path` if the block succeeds."""
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
            except OSError as error:  # another writer made `path` in between: the later one replaces it
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
    """Lock a folder for one writer at a time. BlockingIOError if it is locked and `wait` is False.

    The lock is on the folder itself: it needs no file, and the system releases it when the process ends. On file
    systems that cannot lock a folder (NFS) there is no lock; `claim` still gives each name to one process only.
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
    """Write `<number>-<name>.jsonl` with the number after the largest of `files`.

    Concurrent writers get different numbers. Existing files are never overwritten.
    """
    with alone_in(folder):
        while True:
            number = 1 + max((int(file.name.split("-", 1)[0]) for file in files()), default=0)
            path = folder / f"{number:04d}-{name}.jsonl"
            # FileExistsError: only without the lock of the folder, see `alone_in`
            with suppress(FileExistsError), replacing(path, new=True) as aside:
                aside.write_bytes(data)
                return path


def write_json(path: Path, value: Any) -> None:
    """JSON with sorted keys, an indent of 2 and one newline at the end: equal values give equal bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def write_table(path: Path, table: pa.Table, new: bool = False) -> None:
    """Parquet, zstd. With one version of pyarrow, equal tables give equal bytes. `new`: see `replacing`."""
    import pyarrow.parquet as pq

    with replacing(path, new) as aside:
        pq.write_table(table.combine_chunks(), aside, compression="zstd")


def read_json(path: Path, made_by: str | None = None) -> Any:
    """A JSON object. MissingInput, naming the stage `made_by`, if the file is absent; DamagedFile if it is none."""
    _require(path, made_by)
    with legible(path):
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):  # all files read here are objects
            raise ValueError(f"it is a {type(value).__name__}, not an object")
        return value


def read_table(path: Path, columns: list[str] | None = None, made_by: str | None = None) -> pa.Table:
    """A Parquet file. MissingInput, naming the stage `made_by`, if it is absent; DamagedFile if it is none."""
    import pyarrow.parquet as pq

    _require(path, made_by)
    with legible(path):
        with pq.ParquetFile(path) as file:  # pq.read_table would import pandas, which takes 0.5 s
            table = file.read(columns=columns)
        return table if columns is None else table.select(columns)


def recall(read: Callable[[], T]) -> T | None:
    """The result of reading a cache file (.assay/); None if the file is absent or damaged."""
    with suppress(MissingInput, OSError, ValueError, LookupError, TypeError, AttributeError, EOFError):
        return read()
    return None


@contextmanager
def legible(path: Path) -> Iterator[None]:
    """Turn the errors of parsers, for an empty, truncated or foreign file, into DamagedFile with how to restore it."""
    try:
        yield
    except (ValueError, KeyError, TypeError, NotImplementedError, EOFError) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        if error.errno is not None:  # of the system, such as no permission; Arrow's have no errno
            raise
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DamagedFile:
    size = path.stat().st_size
    words = (str(error).splitlines() or [type(error).__name__])[0]
    what = "is empty" if size == 0 else f"is damaged: {words}"
    return DamagedFile(f"{path} {what}", hint=_mend(path))


def _mend(path: Path) -> str:
    """How to restore a damaged file: from git, from DVC, or by making it again."""
    parts = path.absolute().parts
    if ".assay" in parts:
        entry = Path(*parts[: parts.index(".assay") + 3])
        return f"it is only a cache and is made again: rm -r {entry}"
    if path.name == "champion.json" or "edits" in parts or "ledger" in parts:
        return f"git checkout {path}"
    for n, part in enumerate(parts[:-1]):
        if part in ("data", "outputs"):
            out = "/".join(parts[n : n + 2])
            return f"`dvc checkout --force {out}` restores it; otherwise `dvc repro --force` makes it again"
    return "restore it, or make it again"


def _require(path: Path, made_by: str | None) -> None:
    if not path.exists():
        raise MissingInput(
            f"{path} is not there",
            hint=f"run `assay {made_by}` first, or `dvc repro`" if made_by else "run `dvc repro`",
        )
