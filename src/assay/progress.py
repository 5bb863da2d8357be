"""Interface for progress bars and remarks, independent of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Progress bars and remarks. The command line shows them with rich; flows write to their log."""

    def bar(
        self, label: str, total: int | None = None, unit: str = "images"
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Context of a progress bar; yields a function to call with the number of units just done."""
        ...

    def say(self, text: str) -> None:
        """Print one line."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def bar(
        self, label: str, total: int | None = None, unit: str = "images"
    ) -> Iterator[Callable[[int], None]]:
        yield lambda _done: None

    def say(self, text: str) -> None:
        pass


silent = Silent()


def track(
    progress: Progress, items: Iterable[T], label: str, total: int | None = None, unit: str = "images"
) -> Iterator[T]:
    """Yield `items`, and advance a progress bar by one for each."""
    with progress.bar(label, total, unit) as advance:
        for item in items:
            yield item
            advance(1)
