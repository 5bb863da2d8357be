"""Replays in parallel: a process for each core, with one thread each. Finished steps are cached."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from assay.experiments.processes import in_processes, usable_cores
from assay.experiments.simulation.replay import Step, Trajectory, keys, replay
from assay.experiments.simulation.replay_data import ReplayData
from assay.experiments.simulation.step_store import StepFolder
from assay.progress import Progress

REPLAY = "replay"


def replay_all(
    data: ReplayData,
    trajectories: Sequence[Trajectory],
    folder: Path,
    progress: Progress,
    workers: int | None = None,
) -> tuple[list[list[Step]], int]:
    """Steps of each trajectory, and the number computed by this call. `workers`: processes; None: one a core."""
    store = StepFolder(folder)
    unknown = [[key for key in keys(data, one) if not store.known(key)] for one in trajectories]
    todo = [one for one, missing in zip(trajectories, unknown, strict=True) if missing]
    count = sum(map(len, unknown))
    if todo:
        workers = min(workers or usable_cores(), len(todo))
        with progress.bar("replaying", count, "steps") as advance:
            if workers == 1:
                for one in todo:
                    known = len(keys(data, one)) - len(unknown[trajectories.index(one)])
                    replay(data, one, store, _after(known, advance))
            else:
                _side_by_side(data, todo, folder, workers, _counting(store, unknown, advance))
        store.tidy()
    return [replay(data, one, store) for one in trajectories], count


def _side_by_side(
    data: ReplayData, todo: Sequence[Trajectory], folder: Path, workers: int, look: Callable[[], None]
) -> None:
    """Run the trajectories in processes, which map the data from disk into memory."""
    home = folder / REPLAY
    data.save(home)
    in_processes(_work, todo, workers, _enter, (home, folder), look)
    shutil.rmtree(home, ignore_errors=True)


def _counting(
    store: StepFolder, unknown: Sequence[Sequence[str]], advance: Callable[[int], None]
) -> Callable[[], None]:
    """A function that advances the bar by the steps written since its last call."""
    left = [list(missing) for missing in unknown]

    def look() -> None:
        for missing in left:
            while missing and store.known(missing[0]):
                missing.pop(0)
                advance(1)

    return look


def _after(known: int, advance: Callable[[int], None]) -> Callable[[Step], None]:
    """A function that advances the bar by one for every step after the first `known`."""
    turn = iter(range(-known, 1 << 30))
    return lambda _: advance(1) if next(turn) >= 0 else None


# --- in a process of the pool


class _Worker:
    data: ReplayData
    store: StepFolder


def _enter(home: Path, folder: Path) -> None:
    _Worker.data, _Worker.store = ReplayData.load(home), StepFolder(folder)


def _work(one: Trajectory) -> None:
    replay(_Worker.data, one, _Worker.store)
