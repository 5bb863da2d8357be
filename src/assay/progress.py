"""How a stage tells a person that it is getting on, without knowing what shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Bars and remarks. The command line shows them with rich, tests with nothing at all."""

    def bar(
        self, label: str, total: int | None = None, unit: str = "images"
    ) -> AbstractContextManager[Callable[[int], None]]:
        """A bar as a context; call what it yields with the number of units just done."""
        ...

    def say(self, text: str) -> None:
        """One line to the person."""
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
    """Yield `items` and move a bar by one for each."""
    with progress.bar(label, total, unit) as advance:
        for item in items:
            yield item
            advance(1)
