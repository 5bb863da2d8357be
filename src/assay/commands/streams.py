"""Output streams of the programs: errors as one line, and a substitute for characters that cannot be encoded.

Characters outside the encoding of a terminal or log (`PYTHONIOENCODING=ascii`, Latin-1, pipes on Windows, undecodable
file names) are replaced by similar ones.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from assay.errors import AssayError, from_system
from assay.plugins import at_fault

KIN = {
    "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "±": "+/-", "·": "-", "•": "*",
    "≤": "<=", "≥": ">=", "≈": "~", "√": "sqrt", "’": "'", "‘": "'", "“": '"', "”": '"', "✓": "ok", "█": "#",
}  # fmt: skip
NAME = "assay.kin"
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT."""
DEBUG = "ASSAY_DEBUG"
"""Environment variable: 1 prints the traceback before the message. `assay --traceback` sets it."""


@contextmanager
def reported() -> Iterator[None]:
    """Context of a program: a user's mistake, a failed own plug-in or a system error ends it with one line."""
    never_fail()
    try:
        yield
    except BrokenPipeError:
        sys.exit(0)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:  # typer turns Ctrl-C into this exit
            raise
        print("stopped; the same call resumes", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        line = in_one_line(error)
        if line is None:
            raise
        if os.environ.get(DEBUG) == "1":
            traceback.print_exception(error)
        from assay.commands.terminal import fail

        sys.exit(fail(line))


def in_one_line(error: Exception) -> AssayError | None:
    """The error with a message for users; None for an error in assay's own code, which needs its traceback."""
    if isinstance(error, AssayError):
        return error
    refused = from_system(error)
    if refused is not None and not isinstance(error, OSError):  # out of memory, in any code
        return refused
    return at_fault(error) or refused


def never_fail() -> None:
    """Set an error handler for both streams that replaces characters; not if the user has set another one."""
    codecs.register_error(NAME, _kin)
    for stream, default in ((sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == default:
            stream.reconfigure(errors=NAME)


def has_all_characters() -> bool:
    """Whether standard output can encode every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


def _kin(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_shown(character) for character in lacking), error.end


def _shown(character: str) -> str:
    if "\u2500" <= character <= "\u259f" or "\u2800" <= character <= "\u28ff":  # rules, bars, spinners
        return KIN.get(character, "-")
    return KIN.get(character) or character.encode("ascii", "backslashreplace").decode()
