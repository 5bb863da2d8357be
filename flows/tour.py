"""The tour of `make demo`: a baseline with wrong labels, a data and a model change at once, and their attribution.

    python flows/tour.py [--seeds N] [--steps N]

It runs in a git worktree below .assay/tour with the code of this project; the workspace does not change. The runs are
in the MLflow store of the project, experiment `assay-tour`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml
from rich.console import Console

from assay.annotators.oracle import answer
from assay.commands.streams import reported
from assay.commands.terminal import fail
from assay.data.files import read_json, read_table
from assay.data.suspects import read_judged, suspects
from assay.errors import AssayError
from assay.layout import Layout
from assay.lineage import worktrees
from assay.lineage.bits import same_bits
from assay.lineage.process import environment
from assay.lineage.revisions import git_commit, git_dirty_patch
from assay.metrics.table import named
from assay.params import load_params
from assay.tracking import tracking_uri

PARAMS: dict[str, Any] = {
    "ingest": {
        "sources": [
            {
                "name": "digits",
                "format": "demo",
                "options": {"seed": 1, "images": 2000, "wrong_labels": 0.28, "hidden": 0.5},
            }
        ]
    },
    "curate": {"splits": {"train": 0.5, "val": 0.2, "test": 0.3}, "split_seed": 0, "near_duplicate": 1.0},
    "select": {"strategy": "margin", "budget": 100, "annotator": "oracle", "train_limit": 500},
    "train": {"epochs": 12},
    "evaluate": {"slices": []},
    "track": {"experiment": "assay-tour"},
}
"""Params of the tour: 500 labelled training digits, 28 % of the labels wrong."""
REVIEWED = 150
"""Labels reviewed: those that are likeliest to be wrong by the audit."""
TWEAK = {"lr": 0.006, "epochs": 18}
"""The model change, made together with the data change."""
ACCURACY = named("accuracy")


@dataclass
class Tour:
    """The scratch project of the tour, and its output."""

    project: Path
    env: Mapping[str, str]
    console: Console = field(default_factory=Console)

    @property
    def layout(self) -> Layout:
        return Layout(self.project)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        begun = perf_counter()
        with self.console.status(text):
            yield
        self.console.print(f"[green]✓[/] {text} [dim]{perf_counter() - begun:.0f} s[/]", highlight=False)

    def run(self, *command: str) -> str:
        """Run a command and return its stdout. AssayError with its last lines if it fails."""
        done = subprocess.run(
            command, cwd=self.project, env=dict(self.env), capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise AssayError(
                f"`{' '.join(command)}` of the tour failed:\n{said}", hint=f"look in {self.project}"
            )
        return done.stdout

    def json(self, *args: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("assay", *args, "--json"))
        return found

    def set(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        params = yaml.safe_load(self.layout.params.read_text(encoding="utf-8"))
        for section, values in changes.items():
            params[section] = {**params[section], **values}
        self.layout.params.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def commit(self, message: str) -> str:
        self.run("git", "add", "-A")
        who = ("-c", "user.name=assay", "-c", "user.email=tour@localhost")
        self.run("git", *who, "commit", "-qm", message)
        return str(git_commit(self.project))

    def label_truly(self, ids: list[str], name: str) -> dict[str, str]:
        """Write an edit batch with the answer of the oracle for each image. Returns {id: label}."""
        import pyarrow as pa

        truth = answer(pa.table({"id": ids}), self.layout, load_params(self.layout.params))
        said = {judged.id: judged.annotations[0].category for judged in truth if judged.annotations}
        file = self.layout.scratch / f"{name}.csv"
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["id", "label"])
            writer.writerows(said.items())
        self.run("assay", "label", str(file.relative_to(self.project)), "--by", "oracle")
        return said


def main() -> int:
    parser = argparse.ArgumentParser(description="A data change and a model change, told apart.")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each corner of the attribution")
    parser.add_argument("--steps", type=int, default=2, help="steps of the race")
    given = parser.parse_args()
    try:
        tell(tour(Path().resolve(), given.seeds, given.steps))
    except AssayError as error:
        return fail(error)
    return 0


def tour(root: Path, seeds: int, steps: int) -> dict[str, Any]:
    """Run the tour, and return its results."""
    begun = perf_counter()
    this = _begin(root)
    with this.step(
        "a project of its own: 500 labelled digits, 28 % of the labels wrong; the test set checked"
    ):
        _ruler(this)
    with this.step("A, the baseline"):
        this.run("dvc", "repro", "--quiet")
        a = this.commit("A: the baseline")
    with this.step("B, a data change and a model change together"):
        wrong = _clean(this)
        this.run("assay", "annotate")
        this.set({"select": {"train_limit": None}, "train": TWEAK})
        this.run("dvc", "repro", "--quiet")
        b = this.commit("B: better labels, and another learning rate")
    with this.step("assay diff A B"):
        diff = this.json("diff", a, b, "--html", "diff.html")
    with this.step(f"assay attribute A B --seeds {seeds}"):
        why = this.json("attribute", a, b, "--seeds", str(seeds), "--html", "attribution.html")
    with this.step(f"assay race --steps {steps}: labels against trials, from A"):
        race = this.json("race", a, "--steps", str(steps), "--seeds", "2", "--html", "race.html")
    metrics = read_json(this.layout.outputs / "metrics.json")
    return {
        "project": this.project.relative_to(root),
        "diff": diff,
        "why": why,
        "race": race,
        "wrong": wrong,
        "accuracy": metrics["test"]["accuracy"],
        "bits": same_bits(root),
        "seconds": perf_counter() - begun,
    }


def _begin(root: Path) -> Tour:
    commit = git_commit(root)
    if commit is None:
        raise AssayError(
            "the tour needs a commit to start from", hint="`git init`, `git add -A`, `git commit`"
        )
    at = Layout(root).scratch / "tour"
    worktrees.remove(root, at)
    project = worktrees.add(root, at, commit, git_dirty_patch(root).text)
    env = {**environment(), **worktrees.environment_for(project), "MLFLOW_TRACKING_URI": tracking_uri(root)}
    this = Tour(project, env)
    this.set(PARAMS)
    for batch in this.layout.edits.glob("*.jsonl"):
        batch.unlink()
    this.layout.scratch.mkdir(exist_ok=True)
    return this


def _ruler(this: Tour) -> None:
    """Correct the labels of val and test by the oracle, so that the metrics can be trusted."""
    this.run("dvc", "repro", "--quiet", "curate")
    samples = read_table(this.layout.snapshot / "samples.parquet", ["id", "split"]).to_pylist()
    this.label_truly([row["id"] for row in samples if row["split"] != "train"], "ruler")


def _clean(this: Tour) -> int:
    """Correct the most suspicious training labels by the oracle; returns the number that was wrong."""
    rows = read_table(this.layout.selection / "train.parquet").to_pylist()
    learnt = {row["id"]: row["label"] for row in rows if row["split"] == "train"}
    ranking = suspects(read_judged(this.layout.audit), least=0.0)["id"].to_pylist()
    worst = [sample for sample in ranking if sample in learnt][:REVIEWED]
    said = this.label_truly(worst, "review")
    return sum(learnt[sample] != category for sample, category in said.items())


def tell(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the results in ten lines."""
    console = console or Console()
    why, place = found["why"], found["project"]
    held = why["metrics"]["accuracy"]
    console.print("\n[bold]What happened[/]")
    lines = [
        f"A was trained on 500 digits, 28 % of them with a wrong label: accuracy "
        f"{ACCURACY.level({'value': held['a']})} (n = {why['samples']}, mean of {len(why['seeds'])} seeds).",
        f"Then {REVIEWED} suspects were reviewed ({found['wrong']} were wrong) and 100 new images labelled: data.",
        f"At the same time {', '.join(f'train.{k} = {v}' for k, v in TWEAK.items())} was set: model.",
        f"B has {ACCURACY.level({'value': held['b']})}: {ACCURACY.change(held['total'])}. Which change caused it?",
        f"diff, from one seed: {found['diff']['verdict']}",
        *(f"attribute: {p['player']} {ACCURACY.change(p)}, {p['verdict']}." for p in held["shares"]),
        f"race: {found['race']['verdict']}",
        f"Look: {place}/diff.html, {place}/attribution.html, {place}/race.html",
        f"      `make ui`, experiment assay-tour. All of this took {found['seconds'] / 60:.1f} minutes.",
    ]
    for line in lines:
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    if found["bits"]:
        console.print(f"\n{found['bits']}", highlight=False, soft_wrap=True, markup=False)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with reported():
        sys.exit(main())
