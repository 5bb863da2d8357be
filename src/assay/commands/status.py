"""`assay status`: the state of the project on one screen, and the next step. Takes less than a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.data.champion import read_champion
from assay.data.edits import judges, read_batches
from assay.data.files import read_json, read_table
from assay.data.standing import pending, standings
from assay.errors import AssayError
from assay.layout import Layout
from assay.lineage import mending
from assay.lineage.staleness import StageState, stage_states
from assay.metrics.table import headline, named
from assay.params import SPLITS, Params

BEHIND = ("stale", "after", "never ran")


def run(params: Params, layout: Layout) -> dict[str, Any]:
    """The state of the project and the next step. Files of DVC that a kill has damaged are repaired first."""
    mended = mending.mend(layout.root)
    stages = stage_states(layout.root)
    result: dict[str, Any] = {
        "project": layout.root.resolve().name,
        "mended": mended,
        "snapshot": snapshot_status(layout),
        "queue": queue_status(layout),
        "edits": edits_status(layout, stages),
        "people": people_status(layout),
        "review": review_status(layout),
        "champion": champion_status(layout),
        "metrics": metrics_status(layout, params.track.primary),
        "stages": [vars(stage) for stage in stages],
    }
    return {**result, "next": next_step(result, stages, params)}


def snapshot_status(layout: Layout) -> dict[str, Any] | None:
    """Digest and counts; None before the first `curate`."""
    file = layout.snapshot / "snapshot.json"
    return read_json(file) if file.exists() else None


def queue_status(layout: Layout) -> dict[str, Any] | None:
    """Number of open images by split, and of those answered since; None before `select`."""
    file = layout.selection / "queue.parquet"
    if not file.exists():
        return None
    queue = read_table(file, ["id", "split"])
    said = standings(read_batches(layout.edits))
    rows = list(zip(queue["id"].to_pylist(), queue["split"].to_pylist(), strict=True))
    open_ = Counter(split for sample, split in rows if sample not in said or not said[sample].answered)
    return {"open": {split: open_[split] for split in SPLITS}, "answered": len(rows) - open_.total()}


def edits_status(layout: Layout, stages: Sequence[StageState]) -> dict[str, Any]:
    """Number of batches, and of images with judgements that are not in the snapshot yet."""
    batches = read_batches(layout.edits)
    if not batches or any((stage.stage, stage.state) == ("curate", "fresh") for stage in stages):
        return {"batches": len(batches), "new": [], "images": 0}
    if not (layout.snapshot / "snapshot.json").exists():
        return {
            "batches": len(batches),
            "new": [name for name, _ in batches],
            "images": len(standings(batches)),
        }
    from assay.data.snapshot import Snapshot  # numpy and pyarrow: a third of a second

    news = pending(batches, Snapshot.load(layout.snapshot))
    new = [name for name, batch in batches if any(judgement.id in news for judgement in batch)]
    return {"batches": len(batches), "new": new, "images": len(news)}


def people_status(layout: Layout) -> dict[str, Any]:
    """Images sent to people and not answered, their batches, and the date of the oldest."""
    if not any(layout.ledger.glob("*.jsonl")):
        return {"open": 0, "batches": [], "since": None}
    from assay.data import ledger  # pyarrow: see above

    rows = ledger.account(ledger.read(layout.ledger), judges(read_batches(layout.edits)))
    waiting = [row for row in rows if row["open"] and _is_answered_by_people(row["annotator"])]
    return {
        "open": sum(row["open"] for row in waiting),
        "batches": [row["name"] for row in waiting],
        "since": min((row["at"] for row in waiting), default=None),
    }


def _is_answered_by_people(annotator: str) -> bool:
    """Whether an annotator waits for people; True also for `people`, which is no plug-in, and for a missing plug-in."""
    from assay import plugins

    try:
        return bool(plugins.load("annotators", annotator).WAITS)
    except AssayError:
        return True


def review_status(layout: Layout) -> dict[str, Any]:
    """Number of images judged in `assay review` whose judgements are in no edit batch yet."""
    from assay.data.journal import FOLDER, Journal, unwritten

    given = Journal(layout.root / FOLDER).answers.judgements()
    return {"judged": len(unwritten(given, read_batches(layout.edits))) if given else 0}


def champion_status(layout: Layout) -> dict[str, Any] | None:
    """The champion without its params and metrics; None before the first promotion."""
    champion = read_champion(layout.champion)
    if champion is None:
        return None
    return champion.model_dump(include={"fingerprint", "promoted_by", "promoted_at", "forced", "why"})


def metrics_status(layout: Layout, primary: str) -> dict[str, Any] | None:
    """The last evaluation: main metrics with intervals, and the difference to the champion."""
    file = layout.outputs / "metrics.json"
    if not file.exists():
        return None
    metrics = read_json(file)
    names = [row.name for row in headline(primary) if row.name in metrics["test"]]
    test = {name: metrics["test"][name] for name in names}
    against = (metrics.get("champion") or {}).get("difference", {}).get(primary)
    return {"primary": primary, "test": test, "difference": against}


def next_step(result: dict[str, Any], stages: Sequence[StageState], params: Params) -> str:
    """The next command to run, with its reason."""
    if behind := [stage.stage for stage in stages if stage.state in BEHIND]:
        return f"dvc repro  ({', '.join(behind)} {'is' if len(behind) == 1 else 'are'} not up to date)"
    if result["edits"]["images"]:
        return "dvc repro  (edit batches that are not in the snapshot)"
    if result["metrics"] and result["champion"] is None:
        return "assay promote  (the first champion)"
    if result["metrics"] and is_better(result["metrics"]):
        return "assay promote  (better than the champion)"
    if result["review"]["judged"]:
        return "assay review --finish  (judgements that are in no edit batch)"
    if sum((result["queue"] or {"open": {}})["open"].values()):
        return "assay annotate" if params.select.annotator else "assay queue --csv to-label.csv"
    return "the queue is empty: add images to a source, or look at the mistakes in outputs/plots"


def is_better(metrics: dict[str, Any]) -> bool:
    """Whether the model in outputs/ is significantly better than the champion."""
    difference = metrics["difference"]
    return difference is not None and named(metrics["primary"]).is_better(difference)


def render(result: dict[str, Any], console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in _lines(result):
        table.add_row(name, escape(text))
    console.print(table, highlight=False)
    console.print(f"\n[bold green]next:[/] {escape(result['next'])}", highlight=False)


def _lines(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("project", result["project"]),
        *(("repaired", line) for line in result["mended"]),
        *_snapshot_lines(result["snapshot"], result["queue"]),
        ("edits", _edits_text(result["edits"])),
        ("people", _people_text(result["people"])),
        *_review_lines(result["review"]),
        ("champion", _champion_text(result["champion"])),
        *_metrics_lines(result["metrics"]),
        *_stage_lines(result["stages"]),
    ]


def _snapshot_lines(snapshot: dict[str, Any] | None, queue: dict[str, Any] | None) -> list[tuple[str, str]]:
    if snapshot is None:
        return [("snapshot", "none yet")]
    counts = snapshot["counts"]
    open_ = (queue or {"open": {}})["open"]
    first = (
        f"{snapshot['digest'][:12]}: {counts['samples']:,} images, {counts['excluded']:,} of them excluded, "
        f"{len(snapshot['categories'])} classes"
    )
    parts = [
        f"{split:5} {counts['labelled'][split]:,} labelled, {counts['unlabelled'][split]:,} unlabelled, "
        f"{open_.get(split, 0):,} queued"
        for split in SPLITS
    ]
    return [("snapshot", first), *(("", part) for part in parts)]


def _edits_text(edits: dict[str, Any]) -> str:
    batches = f"{edits['batches']:,} batch{'' if edits['batches'] == 1 else 'es'}"
    if not edits["new"]:
        return f"{batches}, all in the snapshot"
    names = ", ".join(edits["new"][-3:])
    return f"{batches}; not in the snapshot: {edits['images']:,} images of {names}"


def _people_text(people: dict[str, Any]) -> str:
    if not people["open"]:
        return "no images wait for answers"
    names = ", ".join(people["batches"][-3:])
    many = f"{len(people['batches']):,} batch{'' if len(people['batches']) == 1 else 'es'}"
    return f"{people['open']:,} images of {many} wait for answers since {people['since'][:10]}: {names}"


def _review_lines(review: dict[str, Any]) -> list[tuple[str, str]]:
    if not (n := review["judged"]):
        return []
    images = "1 image is" if n == 1 else f"{n:,} images are"
    return [
        ("review", f"{images} judged, not yet in an edit batch: Done on the page, or `assay review --finish`")
    ]


def _champion_text(champion: dict[str, Any] | None) -> str:
    if champion is None:
        return "none yet"
    forced = f", forced: {champion['why']}" if champion["forced"] else ""
    return f"{champion['fingerprint'][:12]} by {champion['promoted_by']}, {champion['promoted_at']}{forced}"


def _metrics_lines(metrics: dict[str, Any] | None) -> list[tuple[str, str]]:
    if metrics is None:
        return [("metrics", "none yet")]
    rows = [
        f"{named(name).title} {named(name).interval(value)}, n = {value['n']:,}"
        for name, value in metrics["test"].items()
    ]
    if metrics["difference"]:
        row = named(metrics["primary"])
        rows.append(f"against the champion: {row.title} {row.change(metrics['difference'])}")
    return [
        ("metrics" if first else "", row)
        for first, row in zip([True] + [False] * len(rows), rows, strict=False)
    ]


def _stage_lines(stages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    behind = [
        f"{stage['stage']}: {stage['why'] or stage['state']}" for stage in stages if stage["state"] in BEHIND
    ]
    if not behind:
        return [("stages", "all up to date")] if stages else [("stages", "no dvc.yaml here")]
    return [("stages" if n == 0 else "", text) for n, text in enumerate(behind)]
