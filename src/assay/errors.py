"""AssayError and its subclasses.

The command line prints them without a traceback and exits with their `exit_code`.
"""

from __future__ import annotations

import errno
import re

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
REFUSED = {
    errno.EACCES: "change its permissions (`ls -ld` shows them), or work in a folder of yours",
    errno.EPERM: "it is protected (`lsattr`), or another user's: work in a folder of yours",
    errno.EROFS: "the file system is read-only: work in a folder of yours",
    errno.EEXIST: "it exists already: move it away",
    errno.ENOTDIR: "a file is in the place of a folder: move it away",
    errno.EISDIR: "a folder is in the place of a file: move it away",
    errno.EMFILE: "`ulimit -n 4096` allows more open files",
}
"""{errno: what to do}."""

NO_MEMORY = re.compile(r"can't allocate memory|out of memory|can't start new thread")
"""Messages of torch and Python for a lack of memory, which both raise as RuntimeError."""


class AssayError(Exception):
    """An error that the user can correct: what is wrong and where; `hint`: what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            self.add_note(hint)  # Python shows it below the message


class ParamsError(AssayError):
    """A value of params.yaml, or a parameter of a flow, is not valid."""

    exit_code = 2


class PluginError(AssayError):
    """A plug-in does not exist, cannot be imported, or breaks its contract."""

    exit_code = 2


class PluginFailed(AssayError):
    """A project's own plug-in raised an exception."""


class SourceError(AssayError):
    """A source of images cannot be read."""


class BadImage(AssayError):
    """A file is not a usable image: it is quarantined, and the error is not shown."""


class PoolError(AssayError):
    """The pool on disk is inconsistent."""


class EditError(AssayError):
    """An edit batch, or a file of labels, is not valid."""


class MissingInput(AssayError):
    """A stage was run before the one that writes its input."""


class DamagedFile(MissingInput):
    """An input exists and cannot be read: empty, truncated, or another kind of file."""


class GateError(AssayError):
    """The data cannot be used: leakage, no labels to measure with."""

    exit_code = 3


class PromotionRefused(AssayError):
    """The challenger is significantly worse than the champion."""

    exit_code = 3


class UsageError(AssayError):
    """An argument of the command line is not valid, such as a file that cannot be written."""

    exit_code = 2


class WorkspaceBusy(AssayError):
    """Another command is writing to the workspace."""


class RevisionError(AssayError):
    """Git or DVC cannot provide a revision or its files."""


class UnknownRevision(RevisionError):
    """No git revision and no run has that name."""

    exit_code = 2


class NotKept(RevisionError):
    """An output that DVC recorded is in no cache or remote, and cannot be computed again."""


class AnnotatorError(AssayError):
    """An annotation tool does not answer or refuses."""


class TrackingError(AssayError):
    """The tracking server does not answer or refuses."""


class ReproductionError(AssayError):
    """A commit or a run cannot be reproduced: something it needs is missing."""

    exit_code = 2


def from_system(error: Exception) -> AssayError | None:
    """An AssayError for an error of the operating system; None for other errors."""
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        first = (str(error).splitlines() or ["there is no more"])[0]
        return AssayError(f"out of memory: {first[:200]}", hint="use smaller batches, images or models")
    if not isinstance(error, OSError) or error.errno is None:
        return None
    named = error.filename if error.filename is not None else ""
    where = named.decode(errors="replace") if isinstance(named, bytes) else str(named)
    if error.errno in NO_ROOM:
        return AssayError(
            f"disk full{where and f': no space at {where}'}",
            hint="free some space and run it again: finished results are kept, no file is incomplete",
        )
    return AssayError(f"{where}{where and ': '}{error.strerror}", hint=REFUSED.get(error.errno))


def in_a_line(error: Exception) -> str:
    """The message of another library in one line.

    Torch recommends `weights_only=False` for a file with more than tensors, which would run any code in it.
    """
    said = str(error)
    if "weights_only" in said or "WeightsUnpickler" in said:
        return "it contains more than tensors and is not loaded, as it might run any code; save `module.state_dict()`"
    return (said.splitlines() or [type(error).__name__])[0][:300]
