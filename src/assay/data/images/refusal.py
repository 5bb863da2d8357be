"""From whatever a decoder of broken bytes comes up with to a `BadImage` with a short, stable reason."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from PIL import Image

from assay.errors import BadImage

TRUNCATED = re.compile(
    r"truncat|premature end of jpeg|unexpected end|end of file|not enough|too small", re.IGNORECASE
)
UNSUPPORTED = re.compile(r"unsupported|unknown pixel mode|cannot handle|not supported", re.IGNORECASE)
VARYING = re.compile(r"<.*?>|\b0x[0-9a-f]{6,}\b")


@contextmanager
def refusing() -> Iterator[None]:
    """Any exception inside becomes BadImage; Pillow's warnings become nothing."""
    try:
        with _quiet:
            yield
    except BadImage:
        raise
    except Image.DecompressionBombError:
        raise BadImage("too large: more than Pillow's own limit") from None
    except MemoryError:  # most often a size that damage made up
        raise BadImage("corrupt: the decoder asks for more memory than there is") from None
    except Exception as error:
        raise BadImage(reason(error)) from None


def reason(error: Exception) -> str:
    """One short line, the same at every run: without addresses in memory."""
    text = " ".join(VARYING.sub("", str(error)).split()) or type(error).__name__
    if isinstance(error, EOFError) or TRUNCATED.search(text):
        return "truncated"
    kind = "unsupported" if UNSUPPORTED.search(text) else "corrupt"
    return f"{kind}: {text.removeprefix('Corrupt JPEG data: ')[:100]}"


class _Quiet:
    """Warnings off, for as long as any thread is inside.

    The filters of `warnings` belong to the whole process: each thread saving and restoring its own would
    leave them in the wrong state, so the first one in saves and the last one out restores.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(None, None, None)


_quiet = _Quiet()
