"""Jobs in parallel processes with one thread each, which end with their parent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

Job = TypeVar("Job")

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOOK = 0.3
"""Seconds between two updates of the progress bar."""


def usable_cores() -> int:
    """Cores that this process may use: in a container, or with `taskset`, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[Job], None],
    jobs: Sequence[Job],
    workers: int,
    enter: Callable[..., None],
    given: tuple[Any, ...],
    look: Callable[[], None],
) -> None:
    """Run `work` on each job, in processes that begin with `enter(*given)`; `look` is called all along.

    The first exception ends all processes: results must be written whole or not at all.
    """
    with (
        _single_threaded(),
        ProcessPoolExecutor(workers, get_context("spawn"), _begin, (enter, given)) as pool,
    ):
        futures: list[Future[None]] = [pool.submit(work, one) for one in jobs]
        try:
            _watch(futures, look)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise


def _watch(futures: Sequence[Future[None]], look: Callable[[], None]) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, LOOK, FIRST_EXCEPTION)
        for future in done:
            future.result()
        look()


def _begin(enter: Callable[..., None], given: tuple[Any, ...]) -> None:
    enter(*given)
    Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when its parent has been killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Context in which new processes have one thread each, by environment variables that they inherit."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
