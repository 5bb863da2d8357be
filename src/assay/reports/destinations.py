"""Output paths that the user names: the FILE of `--csv`, `--html`, `--suspects`, the DIR of `--keep`.

A file is written to a temporary name and renamed, so that it is complete or unchanged; a symbolic link stays one.
Devices, pipes and paths below /dev or /proc are written to directly. A missing folder is an error: its name is probably
mistyped.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from assay.data.files import ASIDE, replacing
from assay.errors import UsageError

SYSTEM, MEMORY = ("/dev/", "/proc/", "/sys/"), "/dev/shm/"
STDOUT = 1


def check_file(path: Path, option: str = "") -> Path:
    """`path`, if a file can be written there; else UsageError, before any work is done."""
    try:
        if is_written_through(path):
            if not path.exists() or not os.access(path, os.W_OK):
                raise PermissionError(None, "no writing there")
        elif path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        else:
            _try_beside(_target(path))
    except (OSError, ValueError) as error:
        raise refusal(path, error, option) from None
    return path


def check_folder(path: Path, option: str = "") -> Path:
    """`path`, if it is an empty folder or one can be made there; else UsageError."""
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(None, "it exists: name an empty folder, or one that does not exist")
        _try_beside(_target(path) / path.name if path.exists() else _target(path))
    except (OSError, ValueError) as error:
        raise refusal(path, error, option) from None
    return path


def write_out(path: Path, data: bytes) -> None:
    """Write `data` to `path`. UsageError if that is not possible."""
    check_file(path)
    try:
        if is_stdout(path):
            sys.stdout.flush()
            with open(STDOUT, "wb", closefd=False) as stream:
                stream.write(data)
        elif is_written_through(path):
            with path.open("wb") as stream:
                stream.write(data)
        else:
            with replacing(_target(path)) as aside:
                aside.write_bytes(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refusal(path, error) from None


def is_stdout(path: Path) -> bool:
    """Whether the path is the standard output of this process."""
    try:
        return os.path.samestat(path.stat(), os.fstat(STDOUT))
    except (OSError, ValueError):
        return False


def refusal(path: Path, error: Exception, option: str = "") -> UsageError:
    why = getattr(error, "strerror", None) or str(error)
    named = f"{option}: " if option else ""
    return UsageError(
        f"{named}{path} cannot be written: {why}",
        hint="name a file in an existing folder of yours, or /dev/stdout",
    )


def is_written_through(path: Path) -> bool:
    """Whether `path` is a device, a pipe or a system file: renaming would replace it by a regular file."""
    named = os.path.abspath(path)  # noqa: PTH100  # a link is not followed
    if named.startswith(SYSTEM) and not named.startswith(MEMORY):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _target(path: Path) -> Path:
    """The path with links resolved. OSError for a circular link."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def _try_beside(path: Path) -> None:
    """OSError if nothing can be written beside a path."""
    if not path.parent.is_dir():
        raise FileNotFoundError(None, f"there is no folder {path.parent}")
    trial = path.with_name(f"{path.name}.{os.getpid()}{ASIDE}")
    try:
        trial.touch(exist_ok=False)
    finally:
        trial.unlink(missing_ok=True)
