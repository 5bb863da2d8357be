"""Fuzzing with damaged images, tables, params and sources: accepted or refused with a reason, and the counts add up.

    make fuzz                                            # 20,000 images, 5,000 tables, 5,000 params, 2,000 sources
    python -m benchmarks.fuzz images --seed 7 --first 4000 --count 1000   # another seed, from number 4,000 on
    python -m benchmarks.fuzz images --seed 7 --first 4321 --count 1      # one input; printed for each failure

Inputs run in blocks in a child process. An input that crashes or hangs it is a failure; a new child continues after it.
A failing input is written to --failures with its traceback.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from assay.errors import AssayError
from benchmarks.figures import Figure
from benchmarks.fuzzed import KINDS, draw
from benchmarks.subjects import Measured, Setting

BLOCK = 500
HANGS_AFTER = 60.0
"""Seconds without a result from the child."""
FAILED = "failed"
BOOKS = "books"


@dataclass(frozen=True)
class Result:
    """Result of one input. `detail`: the traceback of a failure."""

    number: int
    outcome: str
    seconds: float = 0.0
    detail: str = ""
    peak: int = 0
    """Peak memory of the child so far, in bytes."""


@dataclass
class Summary:
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Result] = field(default_factory=list)
    slowest: Result = Result(-1, "")
    peak: int = 0

    def add(self, result: Result) -> None:
        self.outcomes[result.outcome] += 1
        self.peak = max(self.peak, result.peak)
        self.slowest = max(self.slowest, result, key=lambda r: r.seconds)
        if result.outcome == FAILED:
            self.failures.append(result)


def try_all(kind: str, seed: int, numbers: range, failures: Path) -> Summary:
    """Run the inputs of these numbers; failing ones are written to a folder."""
    summary, began = Summary(), time.monotonic()
    for start in range(numbers.start, numbers.stop, BLOCK):
        for result in _try_block(kind, seed, range(start, min(start + BLOCK, numbers.stop))):
            summary.add(result)
            if result.outcome == FAILED:
                _keep(kind, seed, result, failures)
        done = min(start + BLOCK, numbers.stop) - numbers.start
        spent = time.monotonic() - began
        print(
            f"  {kind}: {done:,} of {len(numbers):,}, {spent:.0f} s, {len(summary.failures)} failed",
            flush=True,
        )
    return summary


def _try_block(kind: str, seed: int, numbers: range) -> Iterator[Result]:
    """Results in order; after a crash or a hang, another child continues with the next input."""
    context = get_context("spawn")
    while numbers:
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(kind, seed, numbers, sender), daemon=True)
        child.start()
        sender.close()
        reached, why = numbers.start, ""
        try:
            while receiver.poll(HANGS_AFTER):
                result: Result = receiver.recv()
                yield result
                reached = result.number + 1
            why = f"no answer within {HANGS_AFTER:.0f} s"
            child.kill()
        except EOFError:
            child.join()
            why = f"the process ended with {child.exitcode}" if child.exitcode else ""
        child.join()
        if why:
            yield Result(reached, FAILED, HANGS_AFTER, why)
            reached += 1
        numbers = range(reached if why else numbers.stop, numbers.stop)


def _child(kind: str, seed: int, numbers: range, sender: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes to it directly
    with tempfile.TemporaryDirectory(prefix="assay-fuzz-") as scratch:
        inputs = []
        for number in numbers:
            folder = Path(scratch) / str(number)
            folder.mkdir()
            inputs.append(draw(kind, seed, number))
            sender.send(_try_one(kind, inputs[-1], number, folder))
        if (together := KINDS[kind].together) is not None and len(inputs) > 1:
            try:
                together(inputs, Path(scratch) / "together")
            except Exception:
                text = f"inputs {numbers.start} to {numbers.stop - 1} together\n{traceback.format_exc()}"
                sender.send(Result(numbers.stop - 1, FAILED, 0.0, text))
            else:
                sender.send(Result(numbers.stop - 1, BOOKS))


def _try_one(kind: str, data: bytes, number: int, folder: Path) -> Result:
    began, detail = time.perf_counter(), ""
    try:
        outcome = f"taken: {KINDS[kind].take(data, folder)}"
    except AssayError as refused:
        outcome = f"refused: {type(refused).__name__}"
        if kind == "images":
            outcome = f"refused: {str(refused).split(':')[0]}"
    except Exception:
        outcome, detail = FAILED, traceback.format_exc()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Result(number, outcome, time.perf_counter() - began, detail, peak)


def _keep(kind: str, seed: int, result: Result, failures: Path) -> None:
    """Write the input and its traceback to files; print the command that runs it again."""
    failures.mkdir(parents=True, exist_ok=True)
    file = failures / f"{kind}-{seed}-{result.number}.bin"
    file.write_bytes(draw(kind, seed, result.number))
    again = f"python -m benchmarks.fuzz {kind} --seed {seed} --first {result.number} --count 1"
    file.with_suffix(".txt").write_text(f"{again}\n\n{result.detail}\n", encoding="utf-8", errors="replace")
    last = (result.detail.strip().splitlines() or [""])[-1]
    print(f"  FAILED {kind} {result.number}: {last[:200]}\n    {again}\n    {file}", flush=True)


def report(kind: str, summary: Summary) -> None:
    """Print the outcomes, most frequent first."""
    for outcome, count in summary.outcomes.most_common():
        print(f"  {kind}: {count:7,} {outcome}")
    slowest = summary.slowest
    print(
        f"  {kind}: slowest {slowest.seconds:.2f} s (number {slowest.number}), peak {summary.peak / 1e6:,.0f} MB"
    )


def measure(setting: Setting) -> Measured:
    """All kinds with seed 0: no input may fail."""
    figures, about = [], {}
    for kind, fuzzed in KINDS.items():
        count = 60 if setting.quick else fuzzed.count
        summary = try_all(kind, 0, range(count), setting.folder / "failures")
        name = f"{kind} damaged, {count:,}: neither taken nor refused, or miscounted"
        parts = {"slowest, seconds": summary.slowest.seconds, "peak memory, MB": summary.peak / 1e6}
        figures.append(Figure(name, len(summary.failures), "at most", 0, "", parts))
        about[kind] = dict(summary.outcomes.most_common())
    return figures, about


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--count", type=int, help="default: as above")
    parser.add_argument("--failures", type=Path, default=Path(tempfile.gettempdir()) / "assay-fuzz-failures")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.kinds) - set(KINDS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    failed = 0
    for kind in asked.kinds or KINDS:
        count = asked.count or KINDS[kind].count
        summary = try_all(kind, asked.seed, range(asked.first, asked.first + count), asked.failures)
        report(kind, summary)
        failed += len(summary.failures)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
