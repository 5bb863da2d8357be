"""Where a person asks for a result: the FILE of `--csv`, `--html`, `--suspects`, the DIR of `--keep`.

A file is written aside and renamed, so it is whole or as it was; a symbolic link stays one. A device, a pipe and
whatever is reached by /dev or /proc is written through. A folder that is not there is not made: its name is most
likely mistyped, and what took minutes would lie where nobody looks.
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
    """`path`, if a file can be written there. UsageError before the work is done, not after it."""
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
    """`path`, if a folder can be made there, or an empty one is there. UsageError if not."""
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(None, "it is there already: name a folder that is not there, or empty")
        _try_beside(_target(path) / path.name if path.exists() else _target(path))
    except (OSError, ValueError) as error:
        raise refusal(path, error, option) from None
    return path


def write_out(path: Path, data: bytes) -> None:
    """Put `data` where a person wants it. UsageError if that is no place for it."""
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
    """Whether what is written there comes out of this program's standard output."""
    try:
        return os.path.samestat(path.stat(), os.fstat(STDOUT))
    except (OSError, ValueError):
        return False


def refusal(path: Path, error: Exception, option: str = "") -> UsageError:
    why = getattr(error, "strerror", None) or str(error)
    named = f"{option}: " if option else ""
    return UsageError(
        f"{named}{path} cannot be written: {why}",
        hint="name a file in a folder that is there and yours, or /dev/stdout",
    )


def is_written_through(path: Path) -> bool:
    """True for devices and pipes, and for all that only looks like files: renaming would put a file in their place."""
    named = os.path.abspath(path)  # noqa: PTH100  # a link is not followed
    if named.startswith(SYSTEM) and not named.startswith(MEMORY):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _target(path: Path) -> Path:
    """What a path means, its links followed. OSError for a link that leads to itself."""
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
