"""What a program says at its end and on the way: every error a line, every character one that can be shown.

What the encoding of a terminal or log lacks (`PYTHONIOENCODING=ascii`, Latin-1, pipes on Windows, file names that are
in no encoding at all) is shown by its nearest kin.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from assay.errors import AssayError, from_system

KIN = {
    "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "±": "+/-", "·": "-", "•": "*",
    "≤": "<=", "≥": ">=", "≈": "~", "√": "sqrt", "’": "'", "‘": "'", "“": '"', "”": '"', "✓": "ok", "█": "#",
}  # fmt: skip
NAME = "assay.kin"


@contextmanager
def reported() -> Iterator[None]:
    """A program: a mistake, or what the system refuses, ends it with a line and an exit code, not with a traceback."""
    never_fail()
    try:
        yield
    except BrokenPipeError:
        sys.exit(0)
    except KeyboardInterrupt:
        print("stopped; the same call goes on from here", file=sys.stderr)
        sys.exit(130)
    except (AssayError, OSError, MemoryError, RuntimeError) as error:
        told = error if isinstance(error, AssayError) else from_system(error)
        if told is None:
            raise
        from assay.commands.terminal import fail

        sys.exit(fail(told))


def never_fail() -> None:
    """Have both streams write something for any character. Does nothing where somebody has chosen otherwise."""
    codecs.register_error(NAME, _kin)
    for stream, default in ((sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == default:
            stream.reconfigure(errors=NAME)


def has_all_characters() -> bool:
    """Whether standard output can write any text."""
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
