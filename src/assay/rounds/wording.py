"""The result of the rounds: table, JSON, MLflow."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay import tasks
from assay.data.files import write_json
from assay.metrics.table import Metric, named
from assay.rounds import picture
from assay.rounds.place import PREFIX
from assay.rounds.record import spent
from assay.rounds.stopping import StoppingReason
from assay.rounds.work import RoundWork


def tell(
    work: RoundWork, new: int = 0, waiting: dict[str, Any] | None = None, stop: StoppingReason | None = None
) -> dict[str, Any]:
    """The result, JSON-able: the rounds, and why they ended or what they wait for. `new`: rounds of this call."""
    ended = work.stopped.model_dump() if work.stopped else vars(stop) if stop else None
    return {
        "name": work.name,
        "branch": PREFIX + work.name,
        "metric": work.params.track.primary,
        "strategy": work.params.select.strategy,
        "annotator": work.params.select.annotator,
        "rules": work.rules.model_dump(),
        "rounds": [*_start(work), *(_row(commit, record) for commit, record in work.done)],
        "new": new,
        "answers": spent(work.records),
        "waiting": waiting,
        "stopped": ended,
        "next": _next(work, waiting, ended),
    }


def _row(commit: str, record: Any) -> dict[str, Any]:
    return {"commit": commit, **record.model_dump(exclude={"name", "start"})}


def _start(work: RoundWork) -> list[dict[str, Any]]:
    """The state before the first round as a row; empty if it was not measured."""
    first = work.records[0].start if work.done else None
    if first is None or first.test is None:
        return []
    empty = {
        "number": 0,
        "asked": 0,
        "answered": {},
        "used": "",
        "difference": None,
        "promoted": "",
        "seconds": 0.0,
    }
    return [{**empty, "commit": first.commit, "labelled": first.labelled, "test": first.test}]


def _next(work: RoundWork, waiting: dict[str, Any] | None, ended: dict[str, Any] | None) -> str:
    if waiting is not None:
        return (
            f"round {len(work.done) + 1} waits: {waiting['so_far']}. {_how(work.params.task, waiting)}, "
            "then call `assay iterate` again"
        )
    if ended is None:
        return f"round {len(work.done)} is done; `assay iterate` goes on"
    return f"take it over: git switch BRANCH && git merge {PREFIX}{work.name} && dvc checkout"


def _how(task: str, waiting: dict[str, Any]) -> str:
    if waiting["where"]:
        return f"Answer in {', '.join(waiting['where'])}"
    return tasks.how_to_label(task)


def report(work: RoundWork) -> None:
    """Write the rounds to MLflow, with the learning curve. If the server does not answer, print a remark."""
    from assay.rounds.family import children, parent
    from assay.tracking.families import write_family

    home = work.layout.scratch / "rounds" / work.name
    told, files = tell(work), [home / "rounds.json"]
    write_json(files[0], told)
    if picture.curve(told, home / "curve.png"):
        files.append(home / "curve.png")
    key = f"iterate/{work.name}/{work.begin}"
    top = parent(told, work.records, work.stopped)
    write_family(key, top, children(work.done), files, work.params, work.layout, work.progress)


def render(result: dict[str, Any], console: Console) -> None:
    """Print a row for each round, the reason of the end, and the next step."""
    measured = named(result["metric"])
    console.print(
        f"[bold]iterate {escape(result['name'])}[/] on branch {escape(result['branch'])}: {result['new']} new "
        f"round{'' if result['new'] == 1 else 's'}, {result['answers']:,} answers in all",
        highlight=False,
    )
    table = Table("round", box=None, header_style="bold")
    for name in ("asked", "answered", "labels (train)"):
        table.add_column(name, justify="right")
    for name in (f"{measured.title} on test", "to the round before"):
        table.add_column(name)
    table.add_column("seconds", justify="right")
    table.add_column("champion")
    for row in result["rounds"]:
        table.add_row(*_cells(row, measured))
    console.print(table, highlight=False)
    if end := result["stopped"]:
        console.print(f"[bold]stopped: {escape(end['rule'])}[/]. {escape(end['why'])}", highlight=False)
    for row in (result["waiting"] or {}).get("refused", [])[:20]:
        console.print(f"  refused, {row['where']}: {row['why']}", highlight=False, markup=False)
    console.print(f"[bold green]next:[/] {escape(result['next'])}", highlight=False, soft_wrap=True)


def _cells(row: dict[str, Any], measured: Metric) -> list[str]:
    test = "–" if row["test"] is None else measured.interval(row["test"])
    gain = "–" if row["difference"] is None else measured.change(row["difference"])
    asked = [f"{row['asked']:,}", f"{sum(row['answered'].values()):,}"] if row["number"] else ["", ""]
    seconds = f"{row['seconds']:.0f}" if row["number"] else ""
    labels = f"{row['labelled'].get('train', 0):,}"
    return [str(row["number"] or "start"), *asked, labels, test, gain, seconds, escape(row["promoted"])]
