"""The tours: a baseline with wrong labels, a data and a model change at once, and their attribution.

    python flows/tour.py [classification | detection] [--seeds N] [--steps N]

A tour runs in a git worktree below .assay/ with the code of this project; the workspace does not change. The runs are
in the MLflow store of the project, experiment `assay-tour` or `assay-tour-detection`.
"""

from __future__ import annotations

import argparse
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

from assay import tasks
from assay.annotators.oracle import answer
from assay.commands.streams import reported
from assay.commands.terminal import fail
from assay.data.edits import write_batch
from assay.data.files import read_table
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

Changes = dict[str, Any]
"""Of params.yaml: a section's keys are added to it, any other value replaces."""


@dataclass(frozen=True)
class Story:
    """What a tour trains, plants and changes, and how it says so."""

    folder: str
    """Of the worktree, below .assay/."""
    params: Changes
    tweak: Changes
    """The model change, of `train`, made together with the data change."""
    metric: str
    planted: str
    reviewed: int | None
    """How many training labels are reviewed: the likeliest to be wrong by the audit; None: all."""
    review: str
    """`wrong` is the number of labels that the review corrected, `new` that of newly labelled images."""


STORIES = {
    "classification": Story(
        folder="tour",
        params={
            "ingest": {
                "sources": [
                    {
                        "name": "digits",
                        "format": "demo",
                        "options": {"seed": 1, "images": 2000, "wrong_labels": 0.28, "hidden": 0.5},
                    }
                ]
            },
            "curate": {
                "splits": {"train": 0.5, "val": 0.2, "test": 0.3},
                "split_seed": 0,
                "near_duplicate": 1.0,
            },
            "select": {"strategy": "margin", "budget": 100, "annotator": "oracle", "train_limit": 500},
            "train": {"epochs": 12},
            "evaluate": {"slices": []},
            "track": {"experiment": "assay-tour"},
        },
        tweak={"lr": 0.006, "epochs": 18},
        metric="accuracy",
        planted="500 labelled digits, 28 % of the labels wrong",
        reviewed=150,
        review="150 suspects were reviewed ({wrong} were wrong) and {new} new images labelled",
    ),
    "detection": Story(
        folder="tour-detection",
        params={
            "task": "detection",
            "ingest": {
                "sources": [
                    {
                        "name": "scenes",
                        "format": "scenes",
                        "options": {"images": 280, "size": 64, "objects": 2.5, "missing": 0.4, "hidden": 0.3},
                    }
                ]
            },
            "curate": {"splits": {"train": 0.5, "val": 0.2, "test": 0.3}, "near_duplicate": 1.0},
            "select": {"strategy": "uncertainty", "budget": 20, "annotator": "oracle"},
            "train": {
                "model": "lite0_detector",
                "options": {"finest": 8, "width": 32},
                "epochs": 6,
                "batch": 8,
                "lr": 0.001,
                "augment": "light",
                "threads": 1,  # two cells of the attribution at a time
            },
            "evaluate": {"slices": [], "bootstrap": 400},
            "track": {"experiment": "assay-tour-detection", "primary": "ap"},
            "race": {"labels_per_step": 20},
        },
        tweak={"lr": 0.002},  # with 0.003 six epochs come to AP .17, with 0.001 to .39 (B, one seed)
        metric="ap",
        planted="some hundred scenes with digits, 40 % of the boxes missing",
        reviewed=None,
        review="all training images were reviewed ({wrong} lacked a box) and {new} new ones labelled",
    ),
}


@dataclass
class Tour:
    """The scratch project of the tour, and its output."""

    story: Story
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

    def set(self, changes: Changes) -> None:
        params = yaml.safe_load(self.layout.params.read_text(encoding="utf-8"))
        for key, value in changes.items():
            params[key] = {**params[key], **value} if isinstance(value, dict) else value
        self.layout.params.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def commit(self, message: str) -> str:
        self.run("git", "add", "-A")
        who = ("-c", "user.name=assay", "-c", "user.email=tour@localhost")
        self.run("git", *who, "commit", "-qm", message)
        return str(git_commit(self.project))

    def label_truly(self, ids: list[str], name: str) -> dict[str, str]:
        """Write an edit batch with the answer of the oracle for each image. Returns {id: label}."""
        import pyarrow as pa

        params = load_params(self.layout.params)
        truth = [j for j in answer(pa.table({"id": ids}), self.layout, params) if j.op == "label"]
        write_batch(self.layout.edits, name, truth)
        label = tasks.load(params.task).label
        return {judged.id: label(judged.annotations) for judged in truth}


def main() -> int:
    parser = argparse.ArgumentParser(description="A data change and a model change, told apart.")
    parser.add_argument("task", nargs="?", choices=STORIES, default="classification")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each corner of the attribution")
    parser.add_argument("--steps", type=int, default=2, help="steps of the race")
    given = parser.parse_args()
    story = STORIES[given.task]
    try:
        tell(story, tour(story, Path().resolve(), given.seeds, given.steps))
    except AssayError as error:
        return fail(error)
    return 0


def tour(story: Story, root: Path, seeds: int, steps: int) -> dict[str, Any]:
    """Run a tour, and return its results."""
    begun = perf_counter()
    this = _begin(story, root)
    with this.step(f"a project of its own: {story.planted}; the test set checked"):
        _ruler(this)
    with this.step("A, the baseline, as a Prefect flow"):
        this.run(sys.executable, "flows/pipeline.py")
        a = this.commit("A: the baseline")
    with this.step("B, a data change and a model change together"):
        wrong = _clean(this)
        this.run("assay", "annotate")
        this.set({"select": {"train_limit": None}, "train": story.tweak})
        this.run("dvc", "repro", "--quiet")
        b = this.commit("B: better labels, and another learning rate")
    with this.step("assay diff A B"):
        diff = this.json("diff", a, b, "--html", "diff.html")
    with this.step(f"assay attribute A B --seeds {seeds}"):
        why = this.json("attribute", a, b, "--seeds", str(seeds), "--html", "attribution.html")
    with this.step(f"assay race --steps {steps}: labels against trials, from A"):
        race = this.json("race", a, "--steps", str(steps), "--seeds", "2", "--html", "race.html")
    return {
        "project": this.project.relative_to(root),
        "diff": diff,
        "why": why,
        "race": race,
        "wrong": wrong,
        # without outputs the pipeline of this project was not run: nothing to compare with the record
        "bits": same_bits(root) if Layout(root).outputs.exists() else None,
        "seconds": perf_counter() - begun,
    }


def _begin(story: Story, root: Path) -> Tour:
    commit = git_commit(root)
    if commit is None:
        raise AssayError(
            "the tour needs a commit to start from", hint="`git init`, `git add -A`, `git commit`"
        )
    at = Layout(root).scratch / story.folder
    worktrees.remove(root, at)
    project = worktrees.add(root, at, commit, git_dirty_patch(root).text)
    env = {**environment(), **worktrees.environment_for(project), "MLFLOW_TRACKING_URI": tracking_uri(root)}
    this = Tour(story, project, env)
    this.set(story.params)
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
    """Correct training labels by the oracle, the most suspicious ones first; returns the number that was wrong."""
    rows = read_table(this.layout.selection / "train.parquet").to_pylist()
    learnt = {row["id"]: row["label"] for row in rows if row["split"] == "train"}
    ranking = list(learnt)
    if this.story.reviewed is not None:
        ranking = suspects(read_judged(this.layout.audit), least=0.0)["id"].to_pylist()
    worst = [sample for sample in ranking if sample in learnt][: this.story.reviewed]
    said = this.label_truly(worst, "review")
    return sum(learnt[sample] != label for sample, label in said.items())


def tell(story: Story, found: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the results in ten lines."""
    console = console or Console()
    why, place, metric = found["why"], found["project"], named(story.metric)
    held, new = why["metrics"][story.metric], story.params["select"]["budget"]
    console.print("\n[bold]What happened[/]")
    lines = [
        f"A was trained on {story.planted}: {metric.title} "
        f"{metric.level({'value': held['a']})} (n = {why['samples']}, mean of {len(why['seeds'])} seeds).",
        f"Then {story.review.format(wrong=found['wrong'], new=new)}: data.",
        f"At the same time {', '.join(f'train.{k} = {v}' for k, v in story.tweak.items())} was set: model.",
        f"B has {metric.level({'value': held['b']})}: {metric.change(held['total'])}. Which change caused it?",
        f"diff, from one seed: {found['diff']['verdict']}",
        *(f"attribute: {p['player']} {metric.change(p)}, {p['verdict']}." for p in held["shares"]),
        f"race: {found['race']['verdict']}",
        f"Look: {place}/diff.html, {place}/attribution.html, {place}/race.html",
        f"      `make ui`, experiment {story.params['track']['experiment']}. "
        f"All of this took {found['seconds'] / 60:.1f} minutes.",
    ]
    for line in lines:
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    if found["bits"]:
        console.print(f"\n{found['bits']}", highlight=False, soft_wrap=True, markup=False)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with reported():
        sys.exit(main())
