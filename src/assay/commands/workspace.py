"""Locks of the commands that write to a workspace. The rule is in `assay.data.holding`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import ParamSpec, TypeVar

from assay.data.holding import Name, holding
from assay.layout import Layout
from assay.lineage import rwlock

READS_JUDGEMENTS = frozenset({"curate", "audit"})
"""Stages that read data/edits/; a test compares this with dvc.yaml."""
WRITES: dict[Name, tuple[str, ...]] = {
    "pipeline": ("data", "outputs"),
    "judgements": ("data/edits", "data/ledger"),
}
P = ParamSpec("P")
T = TypeVar("T")


def writing(layout: Layout, *names: Name) -> AbstractContextManager[None]:
    """Context with the locks `names`, taken once no other DVC process reads or writes their paths."""
    paths = [path for name in names for path in WRITES[name]]
    return holding(layout.scratch, *names, say=_say, in_the_way=lambda: rwlock.at_work(layout.root, paths))


def locks_of(stage: str) -> tuple[Name, ...]:
    """The locks of a stage."""
    return ("pipeline", "judgements") if stage in READS_JUDGEMENTS else ("pipeline",)


def writes(*names: Name) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator of a function with a parameter `layout`: takes these locks of the workspace during the call."""

    def decorate(run: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(run)

        @wraps(run)
        def alone(*args: P.args, **kwargs: P.kwargs) -> T:
            with writing(signature.bind(*args, **kwargs).arguments["layout"], *names):
                return run(*args, **kwargs)

        return alone

    return decorate


def _say(text: str) -> None:
    from assay.commands.terminal import Terminal  # rich: only who waits needs it

    Terminal().say(text)
