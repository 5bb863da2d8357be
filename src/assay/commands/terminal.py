"""Terminal output on stderr: progress bars with rates, one-line remarks, errors without tracebacks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from assay.errors import AssayError

out = Console()
err = Console(stderr=True)
EVERY = 60.0
"""Seconds between the lines of a bar in a log."""
WIDEST = 1000
"""Most characters of a line of an error, which may quote a value of any length."""


class Terminal:
    """The Progress of the command line: live bars on a terminal; in a log, a line each minute and one at the end."""

    @contextmanager
    def bar(
        self, label: str, total: int | None = None, unit: str = "images"
    ) -> Iterator[Callable[[int], None]]:
        shown = self._live if err.is_terminal else self._logged
        with shown(label, total, unit) as advance:
            yield advance

    def say(self, text: str) -> None:
        err.print(f"[yellow]·[/] {escape(text)}", highlight=False)

    @contextmanager
    def _live(self, label: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        pace = TextColumn("{task.fields[pace]}")
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, pace, TimeRemainingColumn(), console=err, transient=True) as progress:
            task = progress.add_task(label, total=total, pace="")
            started, done = monotonic(), 0

            def advance(n: int) -> None:
                nonlocal done
                done += n
                progress.update(task, advance=n, pace=rate(done, monotonic() - started, unit))

            yield advance

    @contextmanager
    def _logged(self, label: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        started = last = monotonic()
        done = 0

        def advance(n: int) -> None:
            nonlocal done, last
            done += n
            if (now := monotonic()) - last > EVERY:
                last = now
                of = f" of {total:,}" if total else ""
                err.print(
                    f"{label}: {done:,}{of} {unit}, {rate(done, now - started, unit)} …", highlight=False
                )

        yield advance
        if (seconds := monotonic() - started) > 1:
            err.print(f"{label}: {done:,} {unit}, {rate(done, seconds, unit)}", highlight=False)


def lines_table(
    rows: Sequence[Sequence[str]], widths: Mapping[str, int], last: str, title: str | None = None
) -> Table:
    """A table with one line for each row: columns of at most `widths`, the last one has the rest; long text is cut."""
    table = Table(box=None, header_style="bold", expand=True, title=title, title_justify="left")
    for at, (name, most) in enumerate(widths.items()):
        width = min(most, max([len(name), *(cell_len(row[at]) for row in rows)]))
        table.add_column(name, no_wrap=True, min_width=width, max_width=width)
    table.add_column(last, no_wrap=True, ratio=1)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def rate(done: int, seconds: float, unit: str) -> str:
    """E.g. `1,200 images/s`, `4.4 images/s`, or `21 s each`."""
    per_second = done / max(seconds, 1e-9)
    if done and per_second < 0.5:
        return f"{seconds / done:,.0f} s each"
    return f"{per_second:,.{0 if per_second >= 10 else 1}f} {unit}/s"


def fail(error: AssayError) -> int:
    """Print an error and return its exit code."""
    said = "\n".join(line if len(line) <= WIDEST else f"{line[:WIDEST]}…" for line in str(error).split("\n"))
    err.print(f"[bold red]error:[/] {escape(said)}", highlight=False, soft_wrap=True)
    if error.hint:
        err.print(f"[bold]what to do:[/] {escape(error.hint)}", highlight=False, soft_wrap=True)
    sys.stderr.flush()
    return error.exit_code
