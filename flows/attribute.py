"""`assay attribute` as a Prefect flow: a task for each corner and seed, on any task runner.

    python flows/attribute.py A [B] [--workspace DIR] [--seeds N] [--split-data | --by-batch] [--per-class]

Cached corners are not run again, so that a cancelled flow run is resumed by the next one.
"""

# No `from __future__ import annotations` here: see flows/pipeline.py

import argparse
from contextlib import chdir
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import DirectoryPath, PositiveInt
from rich.console import Console

from assay.commands.attribute import conclude, markdown, prepare, render
from assay.commands.streams import reported
from assay.experiments import cells
from assay.experiments.cells import Cell, CellResult
from assay.experiments.factorial import Division
from assay.experiments.processes import usable_cores
from assay.layout import Layout
from assay.params import load_params
from own_server import own_server

ARTIFACT = "assay-attribution"
CORES_OF_A_CELL = 2
"""Cores of a cell, as train.threads in params.yaml; it limits the number of cells that run at once."""


@task(cache_policy=NO_CACHE, persist_result=False, task_run_name="{name}")
def corner(name: str, cell: Cell, root: Path) -> CellResult:
    """Train and evaluate one corner with one seed, unless it is cached."""
    result = cells.run(cell, Layout(root))
    get_run_logger().info("%s: %s", name, f"{result.seconds:.0f} s" if result.trained else "cached")
    return result


@flow(
    name="attribute",
    description="Shares of data, model, code and test set in the difference between two versions.",
    task_runner=ThreadPoolTaskRunner(max_workers=max(1, usable_cores() // CORES_OF_A_CELL)),  # type: ignore[arg-type]
    validate_parameters=True,
)
def attribute(
    a: str,
    b: str = "workspace",
    workspace: DirectoryPath = Path(),
    seeds: PositiveInt = 3,
    division: Division = "none",
    per_class: bool = False,
) -> dict[str, Any]:
    """Attribute the change from A to B.

    Args:
        a: before: a git revision, an MLflow run, or `workspace`.
        b: after: likewise.
        workspace: the folder that holds dvc.yaml and params.yaml.
        seeds: trainings of each corner.
        division: of the data player: none, kind (added, relabelled, excluded, split moves) or batch (edit batches).
        per_class: recall and F1 of every class as well.
    """
    with chdir(workspace):
        layout = Layout(Path.cwd())
        params = load_params(layout.params)
        work = prepare(params, layout, a, b, division, seeds)
        names = {
            cell.key: f"{' + '.join(sorted(c)) or 'A'}, seed {seed}" for (c, seed), cell in work.cells.items()
        }
        results: list[CellResult] = []
        for wave in work.waves:
            submitted = [corner.submit(names[cell.key], cell, layout.root) for cell in wave]
            results += [future.result() for future in submitted]
        summary = conclude(work, results, params, layout, per_class)
        create_markdown_artifact(markdown(summary), ARTIFACT, "Shares in the difference")
        return summary


def main() -> None:
    parser = argparse.ArgumentParser(description="Attribute the difference between two versions.")
    parser.add_argument("a")
    parser.add_argument("b", nargs="?", default="workspace")
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-class", action="store_true")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--split-data", action="store_const", const="kind", dest="division")
    how.add_argument("--by-batch", action="store_const", const="batch", dest="division")
    given = parser.parse_args()
    with own_server():
        summary = attribute(
            given.a, given.b, given.workspace, given.seeds, given.division or "none", given.per_class
        )
    render(summary, Console())


if __name__ == "__main__":
    with reported():
        main()
