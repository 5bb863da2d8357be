"""Conversion of any exception of a decoder to a `BadImage` with a short, reproducible reason."""

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
    """Turn any exception of the block into BadImage, and suppress Pillow's warnings."""
    try:
        with _quiet:
            yield
    except BadImage:
        raise
    except Image.DecompressionBombError:
        raise BadImage("too large: more than Pillow's own limit") from None
    except MemoryError:  # most often due to a damaged size
        raise BadImage("corrupt: the decoder asks for more memory than there is") from None
    except Exception as error:
        raise BadImage(reason(error)) from None


def reason(error: Exception) -> str:
    """One short line, equal in every run: memory addresses are removed."""
    text = " ".join(VARYING.sub("", str(error)).split()) or type(error).__name__
    if isinstance(error, EOFError) or TRUNCATED.search(text):
        return "truncated"
    kind = "unsupported" if UNSUPPORTED.search(text) else "corrupt"
    return f"{kind}: {text.removeprefix('Corrupt JPEG data: ')[:100]}"


class _Quiet:
    """Context manager that turns warnings off while any thread is inside.

    The filters of `warnings` are global: threads that save and restore them independently would leave them in the
    wrong state. The first thread to enter saves them, the last one to leave restores them.
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
