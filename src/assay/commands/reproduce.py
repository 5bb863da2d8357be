"""`assay reproduce RUN|REV`: run it again after ingest, and compare the outputs with their record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.data.text import read_text
from assay.errors import AssayError, ParamsError, ReproductionError
from assay.experiments.reproduction.differing import OutputDifference
from assay.experiments.reproduction.environment import EnvironmentChange, against_pins, against_run
from assay.experiments.reproduction.rebuild import Rebuilt, rebuilt
from assay.experiments.reproduction.rerun import ReproductionVerdict, judged
from assay.experiments.reproduction.target import Target, find
from assay.layout import Layout
from assay.lineage.history import recordings, subject
from assay.params import Params, load_params
from assay.progress import Progress, silent
from assay.reports.destinations import check_folder
from assay.reports.markdown import bold, table
from assay.tracking import environment

EXIT = {"bitwise identical": 0, "within tolerance": 0, "diverged": 1, "cannot be reproduced": 2}
COLOURS = {
    "bitwise identical": "green",
    "within tolerance": "yellow",
    "diverged": "red",
    "cannot be reproduced": "red",
}
SHOWN = 5
"""Most differences, reasons and packages shown on the terminal; the JSON has all."""


def run(
    params: Params,
    layout: Layout,
    name: str | None = None,
    since: str | None = None,
    exact: bool = False,
    keep: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Reproduce one target, or with `since` all commits after it that recorded a result.

    ReproductionError, with exit code 2, if a single target cannot be reproduced; in a batch that is one of the results.
    """
    try:
        if (name is None) == (since is None):
            raise ReproductionError(
                "name what to reproduce" if name is None else "either one RUN or REV, or --all-since REV",
                hint="assay reproduce HEAD, assay reproduce RUN_ID, or assay reproduce --all-since REV",
            )
        if keep is not None:
            check_folder(keep, "--keep")
        if name is not None:
            return with_exit_code(reproduce(name, params, layout, keep, progress), exact)
        commits = since_then(str(since), layout)
    except AssayError as error:
        raise ReproductionError(str(error), hint=error.hint) from None
    results = [with_exit_code(result, exact) for result in _each(commits, params, layout, keep, progress)]
    codes = [result["exit_code"] for result in results]
    return {"since": since, "results": results, "exit_code": 1 if 1 in codes else max(codes, default=0)}


def since_then(since: str, layout: Layout) -> list[str]:
    """The commits after a revision that changed dvc.lock, oldest first. RevisionError if the revision is unknown."""
    return recordings(since, layout.root.resolve())


def with_exit_code(result: dict[str, Any], exact: bool) -> dict[str, Any]:
    """The result with its exit code. `exact`: 1 unless bitwise identical."""
    code = EXIT[result["verdict"]]
    return {**result, "exit_code": 1 if exact and result["verdict"] == "within tolerance" else code}


def _each(
    commits: list[str], params: Params, layout: Layout, keep: Path | None, progress: Progress
) -> Iterator[dict[str, Any]]:
    for n, commit in enumerate(commits, start=1):
        progress.say(f"{n} of {len(commits)}: {commit[:8]} {subject(commit, layout.root)}")
        try:
            yield reproduce(commit, params, layout, keep and keep / commit[:8], progress)
        except AssayError as error:
            yield failed(commit, error)


def failed(name: str, error: AssayError) -> dict[str, Any]:
    """The result of a target that cannot be reproduced: reason and remedy."""
    return {
        "name": name,
        "label": name[:8],
        "verdict": "cannot be reproduced",
        "sentence": str(error),
        "hint": error.hint,
    }


def reproduce(
    name: str, params: Params, layout: Layout, keep: Path | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Reproduce one commit or run. AssayError if that is not possible."""
    begun = perf_counter()
    target = find(name, params, layout)
    progress.say(f"reproducing {target.label} in a clean worktree; the workspace does not change")
    with rebuilt(target, layout.root.resolve(), progress) as made:
        verdict = judged(made, target, params, layout, keep)
        changes, against = environment_changes(target, made, params)
    return report(target, made, verdict, changes, against, perf_counter() - begun)


def environment_changes(target: Target, made: Rebuilt, params: Params) -> tuple[list[EnvironmentChange], str]:
    """(differences of the environment, name of the record): environment.json of a run, or the pins of a commit."""
    if target.environment is not None:
        return against_run(
            target.environment, environment.describe(_params_of(made, params))
        ), environment.NAME
    pins = made.project / "requirements.lock"
    if not pins.exists():
        return [], "nothing"
    return against_pins(read_text(pins, ReproductionError), environment.packages()), pins.name


def _params_of(made: Rebuilt, params: Params) -> Params:
    """The params that were reproduced; those of the workspace if this version does not accept them."""
    try:
        return load_params(made.project / "params.yaml")
    except ParamsError:
        return params


def report(
    target: Target,
    made: Rebuilt,
    verdict: ReproductionVerdict,
    changes: list[EnvironmentChange],
    against: str,
    seconds: float,
) -> dict[str, Any]:
    """The whole result, JSON-able."""
    return {
        "name": target.name,
        "label": target.label,
        "kind": target.kind,
        "commit": target.commit,
        "run_id": target.run_id,
        **verdict.as_dict(),
        "stages": [
            {
                "stage": stage.stage,
                "seconds": stage.seconds,
                "outputs": [{**vars(output), "same": output.same} for output in stage.outputs],
            }
            for stage in made.stages
        ],
        "environment": {"against": against, "changes": [vars(change) for change in changes]},
        "seconds": round(seconds, 1),
    }


# --- the terminal


def render(result: dict[str, Any], console: Console) -> None:
    """Print one result in full; of a batch one line each, and those that are not identical in full."""
    if "results" not in result:
        _render_one(result, console)
        return
    results = result["results"]
    for one in results:
        if one["verdict"] != "bitwise identical":
            _render_one(one, console)
            console.print()
    console.print(_batch_table(results))
    told = Counter(one["verdict"] for one in results)
    said = ", ".join(f"{n:,} {verdict}" for verdict, n in told.items()) or "no commit has recorded a result"
    console.print(f"since {escape(result['since'])}: {said}", highlight=False)


def _render_one(result: dict[str, Any], console: Console) -> None:
    colour = COLOURS[result["verdict"]]
    if result["verdict"] == "cannot be reproduced":
        console.print(
            f"{escape(result['label'])}: [{colour}]{result['verdict']}[/]: {escape(result['sentence'])}"
        )
        if result["hint"]:
            console.print(f"[bold]what to do:[/] {escape(result['hint'])}", highlight=False)
        return
    console.print(_stage_table(result))
    for title, lines in _lines(result):
        _block(title, lines, console)
    if result["tolerance"] and result["tolerance"]["metrics"]:
        console.print(_metric_table(result["tolerance"]))
    said = f"[bold {colour}]{escape(result['sentence'])}[/] · {result['seconds']:.0f} s"
    console.print(said, highlight=False, soft_wrap=True)


def _lines(result: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """(title, lines) of the blocks below the stages."""
    changes = result["environment"]["changes"]
    yield "first difference:", list(_differences(result["differences"]))
    yield "inputs that differ from the record:", result["because"]
    yield (
        f"the environment differs from {result['environment']['against']}:",
        [str(EnvironmentChange(**change)) for change in changes],
    )
    tolerance = result["tolerance"]
    if tolerance and tolerance["why_not"]:
        yield "not within tolerance:", [tolerance["why_not"]]
    yield "note:", result["notes"]


def _differences(found: list[dict[str, Any]]) -> Iterator[str]:
    """One line for each output: its first difference, and the number of other files that differ."""
    files = Counter(one["output"] for one in found)
    for output, n in files.items():
        first = next(one for one in found if one["output"] == output)
        more = f"; {n - 1:,} more of its files" if n > 1 else ""
        yield f"{OutputDifference(**first)}{more}"


def _block(title: str, lines: list[str], console: Console) -> None:
    if not lines:
        return
    console.print(f"[bold]{title}[/]", highlight=False)
    for line in lines[:SHOWN]:
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    if len(lines) > SHOWN:
        console.print(f"  … and {len(lines) - SHOWN:,} more (--json has them all)", highlight=False)


def _stage_table(result: dict[str, Any]) -> Table:
    table = Table("stage", title=escape(result["label"]), title_justify="left", box=None, header_style="bold")
    table.add_column("seconds", justify="right")
    table.add_column("outputs")
    for stage in result["stages"]:
        outputs = [
            f"[green]✓[/] {escape(out['path'])}" if out["same"] else f"[red]✗ {escape(out['path'])}[/]"
            for out in stage["outputs"]
        ]
        table.add_row(stage["stage"], f"{stage['seconds']:.1f}", "  ".join(outputs))
    return table


def _metric_table(tolerance: dict[str, Any]) -> Table:
    agreed = tolerance["agreement"]
    caption = agreed and (
        f"same class for {agreed['same_class']:.2%} of {agreed['n']:,} test samples; probabilities at most "
        f"{agreed['max_difference']:.2g} apart"
    )
    table = Table("metric (test, 95 %)", "recorded", "now", "overlap", box=None, header_style="bold",
                  caption=caption, caption_justify="left")  # fmt: skip
    for metric in tolerance["metrics"]:
        overlap = "yes" if metric["overlap"] else "[red]no[/]"
        table.add_row(metric["name"], _score(metric["recorded"]), _score(metric["now"]), overlap)
    return table


def _score(score: dict[str, Any]) -> str:
    if score.get("value") is None:
        return "–"
    return f"{score['value']:.4f} [{score['low']:.4f}, {score['high']:.4f}]"


def _batch_table(results: list[dict[str, Any]]) -> Table:
    table = Table("commit", "verdict", "where", box=None, header_style="bold")
    for one in results:
        where = f"{one['stage']}, {one['output']}" if one.get("stage") else ""
        colour = COLOURS[one["verdict"]]
        table.add_row(escape(one["label"]), f"[{colour}]{one['verdict']}[/]", where)
    return table


def markdown(results: list[dict[str, Any]]) -> str:
    """A Markdown table with one row for each target."""
    rows = []
    for one in results:
        why = [str(OutputDifference(**d)) for d in one.get("differences", [])[:1]] or [one["sentence"]]
        told = "" if one["verdict"] == "bitwise identical" else "; ".join([*why, *one.get("because", [])[:3]])
        cells = (
            one["label"],
            bold(one["verdict"]),
            told,
            f"{one['seconds']:.0f}" if "seconds" in one else "",
        )
        rows.append(cells)
    return f"{table(('', 'verdict', 'first difference', 'seconds'), rows)}\n"
