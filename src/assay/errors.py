"""What can go wrong, as one small tree.

    AssayError
      ParamsError        params.yaml (or a flow parameter) is not valid
      PluginError        a name that no file under strategies/, formats/, ... answers to
      SourceError        a source of images cannot be read
      BadImage           one file that is not a usable image: quarantined, never raised to the user
      PoolError          the pool on disk contradicts itself
      EditError          an edit batch, or a file of labels, is not valid
      MissingInput       a stage was run before the one that writes its input
        DamagedFile      it is there, and cannot be read: empty, cut off, or something else altogether
      GateError          the data is not fit to go on: leakage, no labels to measure with
      PromotionRefused   the challenger is worse than the champion beyond the noise
      UsageError         an argument that cannot be meant: a file where none can be written
      WorkspaceBusy      another command is writing where this one would
      RevisionError      git or DVC cannot give what was asked for
        UnknownRevision  there is no revision, and no run, of that name
      TrackingError      the tracking server is away or refuses
      ReproductionError  a commit or a run cannot be built again: something it needs is gone

The command line prints them without a traceback and exits with `exit_code`.
"""

from __future__ import annotations


class AssayError(Exception):
    """A mistake a person can mend: what was wrong and where; `hint` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ParamsError(AssayError):
    exit_code = 2


class PluginError(AssayError):
    exit_code = 2


class SourceError(AssayError):
    pass


class BadImage(AssayError):
    pass


class PoolError(AssayError):
    pass


class EditError(AssayError):
    pass


class MissingInput(AssayError):
    pass


class DamagedFile(MissingInput):
    pass


class GateError(AssayError):
    exit_code = 3


class PromotionRefused(AssayError):
    exit_code = 3


class UsageError(AssayError):
    exit_code = 2


class WorkspaceBusy(AssayError):
    pass


class RevisionError(AssayError):
    pass


class UnknownRevision(RevisionError):
    exit_code = 2


class TrackingError(AssayError):
    pass


class ReproductionError(AssayError):
    exit_code = 2
