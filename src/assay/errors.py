"""What can go wrong: AssayError and what derives from it.

The command line prints one without a traceback and exits with its `exit_code`.
"""

from __future__ import annotations

import errno
import re

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
REFUSED = {
    errno.EACCES: "give yourself the right to it (`ls -ld` shows who has it), or work in a folder of yours",
    errno.EPERM: "it is protected (`lsattr`), or another user's: work in a folder of yours",
    errno.EROFS: "what is mounted there can only be read: work in a folder of yours",
    errno.EEXIST: "something else is there: move it away",
    errno.ENOTDIR: "there is a file where a folder has to be: move it away",
    errno.EISDIR: "there is a folder where a file has to be: move it away",
    errno.EMFILE: "`ulimit -n 4096` allows more open files",
}
"""What to do, by the number of the system's error."""

NO_MEMORY = re.compile(r"can't allocate memory|out of memory|can't start new thread")
"""What torch and Python say of it: a RuntimeError to both."""


class AssayError(Exception):
    """A mistake a person can mend: what was wrong and where; `hint` says what to do about it."""

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
    """No plug-in has that name: no file in strategies/, formats/ …"""

    exit_code = 2


class SourceError(AssayError):
    """A source of images cannot be read."""


class BadImage(AssayError):
    """One file that is not a usable image: quarantined, never raised to the user."""


class PoolError(AssayError):
    """The pool on disk contradicts itself."""


class EditError(AssayError):
    """An edit batch, or a file of labels, is not valid."""


class MissingInput(AssayError):
    """A stage was run before the one that writes its input."""


class DamagedFile(MissingInput):
    """The input is there and cannot be read: empty, cut off, or another kind of file."""


class GateError(AssayError):
    """The data is not fit to go on: leakage, no labels to measure with."""

    exit_code = 3


class PromotionRefused(AssayError):
    """The challenger is significantly worse than the champion."""

    exit_code = 3


class UsageError(AssayError):
    """An argument of the command line cannot be used, such as a file where none can be written."""

    exit_code = 2


class WorkspaceBusy(AssayError):
    """Another command is writing to the workspace."""


class RevisionError(AssayError):
    """Git or DVC cannot give what was asked for."""


class UnknownRevision(RevisionError):
    """No git revision and no run has that name."""

    exit_code = 2


class NotKept(RevisionError):
    """What DVC recorded is in no cache and remote, and cannot be made again."""


class TrackingError(AssayError):
    """The tracking server does not answer or refuses."""


class ReproductionError(AssayError):
    """A commit or a run cannot be built again: something it needs is gone."""

    exit_code = 2


def from_system(error: Exception) -> AssayError | None:
    """What the system has refused, in a line; None for an error that does not come from it."""
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        first = (str(error).splitlines() or ["there is no more"])[0]
        return AssayError(
            f"out of memory: {first[:200]}", hint="smaller batches, images and models take less"
        )
    if not isinstance(error, OSError) or error.errno is None:
        return None
    named = error.filename if error.filename is not None else ""
    where = named.decode(errors="replace") if isinstance(named, bytes) else str(named)
    if error.errno in NO_ROOM:
        return AssayError(
            f"disk full: there was no room to go on{where and f' at {where}'}",
            hint="free some space and run it again: what was finished is kept, nothing is half-written",
        )
    return AssayError(f"{where}{where and ': '}{error.strerror}", hint=REFUSED.get(error.errno))


def in_a_line(error: Exception) -> str:
    """What another library says, in one line.

    Torch advises `weights_only=False` where a file holds more than tensors: that runs whatever program is in it.
    """
    said = str(error)
    if "weights_only" in said or "WeightsUnpickler" in said:
        return "it holds more than tensors, so it is not loaded: it might run any program; save `module.state_dict()`"
    return (said.splitlines() or [type(error).__name__])[0][:300]
