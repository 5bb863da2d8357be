from __future__ import annotations

import subprocess
import sys
from io import StringIO

import pytest
from rich.console import Console

from assay.commands import annotate, promote, review, status
from assay.data import ledger
from assay.data.annotations import Annotation
from assay.data.champion import Champion, write_champion
from assay.data.edits import Judgement, write_batch
from assay.data.files import write_json
from assay.data.journal import FOLDER, Event, Journal
from assay.data.ledger import SentImage
from assay.layout import Layout
from assay.metrics.table import OVERALL, named


def shown(result) -> str:
    console = Console(file=StringIO(), width=120)
    status.render(result, console)
    return console.file.getvalue()


def judge(sample: str, label: str) -> Judgement:
    return Judgement(id=sample, op="label", annotations=[Annotation(category=label)], by="t", at="2026")


def metric(value: float) -> dict:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40}


def measure(layout: Layout, difference: float | None = None, primary: str = "accuracy") -> None:
    against = (
        None if difference is None else {"fingerprint": "f", "difference": {primary: metric(difference)}}
    )
    test = {"accuracy": metric(0.8), "ece": metric(0.2), "per_class": {}}
    write_json(layout.outputs / "metrics.json", {"primary": primary, "test": test, "champion": against})


def crown(layout: Layout) -> None:
    write_champion(
        layout.champion,
        Champion(
            fingerprint="f" * 64, model_sha256="m", snapshot="s", params={}, metrics={}, promoted_by="ann",
            promoted_at="2026-01-01", why="the customer waits", forced=True,
        ),
    )  # fmt: skip


def test_an_empty_folder_is_a_place_to_begin(queued, tmp_path):
    result = status.run(queued.params(), Layout(tmp_path / "new"))
    assert result["snapshot"] is result["queue"] is result["champion"] is result["metrics"] is None
    text = shown(result)
    assert text.count("none yet") == 3
    assert "no dvc.yaml here" in text


def test_one_screen_with_everything_on_it(queued):
    crown(queued.layout)
    measure(queued.layout, 0.02)
    result = status.run(queued.params(), queued.layout)
    text = shown(result)
    assert f"{queued.curate().digest()[:12]}: 20 images, 0 of them excluded, 2 classes" in text
    assert "accuracy 80.0 % [70.0, 90.0], n = 40" in text
    assert "against the champion: accuracy +2.0 points [−8.0, +12.0]" in text
    assert "ffffffffffff by ann, 2026-01-01, forced: the customer waits" in text
    assert sum(result["queue"]["open"].values()) == 5
    assert len(text.splitlines()) < 24


def test_edits_that_the_snapshot_does_not_know_are_named(queued):
    write_batch(queued.layout.edits, "old", [judge(queued.pool.ids[1], "odd")])
    assert status.run(queued.params(), queued.layout)["edits"] == {"batches": 1, "new": [], "images": 0}
    write_batch(queued.layout.edits, "new", [judge(i, "odd") for i in queued.unlabelled[:2]])
    result = status.run(queued.params(), queued.layout)
    assert result["edits"] == {"batches": 2, "new": ["0002-new"], "images": 2}
    assert result["queue"]["answered"] == 2
    assert result["next"].startswith("dvc repro")
    queued.curate()
    assert status.run(queued.params(), queued.layout)["edits"]["images"] == 0


def test_the_next_step(queued):
    def step(**settings) -> str:
        return status.run(queued.params(select=settings), queued.layout)["next"]

    assert step() == "assay queue --csv to-label.csv"
    assert step(annotator="oracle") == "assay annotate"
    measure(queued.layout)
    assert step().startswith("assay promote  (the first champion)")
    crown(queued.layout)
    measure(queued.layout, 0.2)
    assert step().startswith("assay promote  (better than the champion)")
    measure(queued.layout, 0.05)
    assert step() == "assay queue --csv to-label.csv"
    (queued.layout.root / "dvc.yaml").write_text("stages: {curate: {cmd: assay curate}}\n")
    assert step() == "dvc repro  (curate is not up to date)"


@pytest.mark.parametrize("primary", list(OVERALL))
@pytest.mark.parametrize("difference", [-0.2, 0.05, 0.2])
def test_status_recommends_no_model_that_promote_refuses(queued, primary, difference):
    """A log-loss that got worse by [+0.1, +0.3] is no reason to promote."""
    crown(queued.layout)
    measure(queued.layout, difference, primary)
    track = queued.params().track.model_copy(update={"primary": primary})
    step = status.run(queued.params().model_copy(update={"track": track}), queued.layout)["next"]
    refused = promote.gate(metric(difference), primary) is not None
    assert refused == (difference == (-0.2 if named(primary).higher_is_better else 0.2))
    assert step.startswith("assay promote") == (
        difference == (0.2 if named(primary).higher_is_better else -0.2)
    )


@pytest.mark.parametrize("command", ["status", "queue", "label", "annotate"])
def test_nothing_heavy_is_imported(command):
    heavy = "('torch', 'mlflow', 'prefect', 'pandas', 'dvc', 'sklearn', 'scipy', 'matplotlib')"
    program = f"import sys, assay.commands.{command}; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_the_screen_itself_needs_nothing_heavy(queued):
    write_batch(queued.layout.edits, "new", [judge(i, "odd") for i in queued.unlabelled[:2]])
    program = """
import sys
from pathlib import Path
from assay.commands import status
from assay.layout import Layout
from assay.params import Ingest, Params, Source
params = Params(ingest=Ingest(sources=[Source(name="s", format="demo")]))
status.run(params, Layout(Path(sys.argv[1])))
print([m for m in ("torch", "mlflow", "prefect", "pandas", "dvc", "sklearn", "matplotlib") if m in sys.modules])
"""
    command = [sys.executable, "-c", program, str(queued.layout.root)]
    assert subprocess.check_output(command, text=True).strip() == "[]"


def test_what_waits_with_people_is_on_the_screen(queued):
    assert "no images wait for answers" in shown(status.run(queued.params(), queued.layout))
    first, second, third = (SentImage(id=i) for i in queued.unlabelled[:3])
    ledger.write(queued.layout.ledger, "file", [first, second], "2026-01-02T00:00:00Z")
    ledger.write(queued.layout.ledger, "people", [third], "2026-01-03T00:00:00Z")
    ledger.write(queued.layout.ledger, "oracle", [third], "2025-01-01T00:00:00Z")
    write_batch(queued.layout.edits, "new", [judge(first.id, "odd")])
    result = status.run(queued.params(), queued.layout)
    assert (result["people"]["open"], result["people"]["since"]) == (2, "2026-01-02T00:00:00Z")
    assert "2 images of 2 batches wait for answers since 2026-01-02: 0001-file-" in shown(result)


def test_judgements_that_wait_in_the_journal_are_on_the_screen(queued):
    params = queued.params(select={"annotator": "review"})
    queue = queued.unlabelled
    annotate.run(params, queued.layout)
    assert "review" not in shown(status.run(params, queued.layout)).split()
    journal = Journal(queued.layout.root / FOLDER)
    for n, (sample, act) in enumerate([(queue[0], "label"), (queue[1], "exclude"), (queue[2], "skip")]):
        notes = [Annotation(category="odd")] if act == "label" else None
        given = Event(event=f"event-{n:04d}", id=sample, act=act, annotations=notes, by="Ada", at="2026")
        journal.append([given])
    result = status.run(params, queued.layout)
    assert result["review"] == {"judged": 2}, "a skipped image is not judged"
    assert "2 images are judged, not yet in an edit batch" in shown(result)
    assert result["next"].startswith("assay review --finish")
    annotate.run(params, queued.layout)
    assert status.run(params, queued.layout)["review"] == {"judged": 0}, "the annotator took them over"
    review.finish(params, queued.layout)
    assert status.run(params, queued.layout)["review"] == {"judged": 0}
