"""`assay agreement` on a small project: what it says, writes and refuses."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
from rich.console import Console

from assay.commands import agreement, label
from assay.data.annotations import Annotation
from assay.data.edits import CONSENSUS, Judgement, write_batch
from assay.errors import UsageError


def params(queued, **select):
    return queued.params(select={"overlap": 3, **select})


def shown(result) -> str:
    console = Console(file=StringIO(), width=160)
    agreement.render(result, console)
    return console.file.getvalue()


@pytest.fixture
def judged(queued, tmp_path):
    """Ann and Bob label 12 images alike, Cid 2 of them otherwise; on the last one all three differ."""
    ids = queued.curate().samples["id"].to_pylist()[:12]
    right = ["odd" if n % 2 else "even" for n in range(12)]
    for person, changed in {"ann": {}, "bob": {11: "even"}, "cid": {0: "odd", 1: "even", 11: "none"}}.items():
        rows = [f"{s},{changed.get(n, right[n])},2" for n, s in enumerate(ids)]
        file = tmp_path / f"{person}.csv"
        file.write_text("\n".join(["id,label,seconds", *rows]) + "\n")
        label.run(params(queued), queued.layout, file, by=person, allow_new_classes=True)
    return ids, right


def test_what_it_says_of_three_people(queued, judged):
    result = agreement.run(params(queued), queued.layout)
    assert (result["images"], result["judgements"], result["method"]) == (12, 36, "dawid_skene")
    assert "it takes 40" in result["why"]
    assert [row["person"] for row in result["people"]] == ["ann", "bob", "cid"]
    assert all(
        row["accuracy"]["low"] < row["accuracy"]["value"] < row["accuracy"]["high"]
        for row in result["people"]
    )
    assert [row["others"]["value"] for row in result["people"]] == pytest.approx([10 / 12, 10 / 12, 9 / 12])
    assert result["pairs"][0]["kappa"]["n"] == 12
    assert 0 < result["alpha"]["value"] < 1
    json.dumps(result)
    assert "ann and bob" in shown(result)


def test_apply_writes_what_differs_and_no_dispute_and_keeps_all_judgements(queued, judged):
    ids, _ = judged
    before = queued.batches
    result = agreement.run(params(queued), queued.layout, method="majority", apply="consensus")
    assert (result["changes"], result["disputes"]) == (2, 1), "the last words are Cid's"
    name, written = queued.batches[-1]
    assert queued.batches[:-1] == before
    assert name.endswith("-consensus")
    assert {j.id: j.annotations[0].category for j in written} == {ids[0]: "even", ids[1]: "odd"}
    assert {j.by for j in written} == {CONSENSUS}
    assert "even 2, odd 1; posterior 0.67" in {j.why for j in written}
    again = agreement.run(params(queued), queued.layout, method="majority", apply="consensus")
    assert (again["changes"], again["applied"]["batch"]) == (0, None)
    assert again["judgements"] == 36, "a consensus is no vote"


def test_a_dry_run_writes_nothing(queued, judged):
    before = queued.batches
    result = agreement.run(params(queued), queued.layout, method="majority", apply="consensus", dry_run=True)
    assert result["applied"] == {"count": 2, "batch": None, "dry_run": True}
    assert queued.batches == before


def test_a_settled_dispute_stays_as_the_person_has_settled_it(queued, judged, tmp_path):
    ids, _ = judged
    file = tmp_path / "disputes.csv"
    agreement.run(params(queued), queued.layout, method="majority", export=file)
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [ids[11]]
    assert rows[0]["reason"].startswith("even 1, none 1, odd 1")
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerow(rows[0] | {"label": "none"})
    taken = label.run(params(queued, overlap=1), queued.layout, file, by="dee")
    assert (taken["written"], taken["ignored_columns"]) == ({"label": 1}, []), "it confirms the present label"
    after = agreement.run(params(queued), queued.layout, method="majority")
    assert (after["disputes"], after["settled"], after["judgements"]) == (0, 1, 36)


def test_the_page_has_people_and_disputes(queued, judged, tmp_path):
    page = tmp_path / "agreement.html"
    agreement.run(params(queued), queued.layout, method="majority", page=page)
    text = page.read_text()
    assert "ann and bob" in text
    assert text.count("<figure>") == 1


def test_one_judgement_an_image_is_no_agreement(queued, tmp_path):
    file = tmp_path / "one.csv"
    file.write_text(f"id,label\n{queued.unlabelled[0]},odd\n")
    label.run(params(queued), queued.layout, file, by="ann")
    with pytest.raises(UsageError, match="no image has labels of two different people"):
        agreement.run(params(queued), queued.layout)


def test_a_method_that_needs_a_model_says_what_is_missing(queued, judged):
    with pytest.raises(UsageError, match="--method combined needs beliefs of a model"):
        agreement.run(params(queued), queued.layout, method="combined")


def test_an_overlap_of_one_is_warned_of(queued, judged):
    assert "select.overlap is 1" in shown(agreement.run(params(queued, overlap=1), queued.layout))


def test_boxes_by_majority_and_median(queued, tmp_path):
    ids = queued.curate().samples["id"].to_pylist()[:3]
    boxes = {"ann": (0, 0, 4, 4), "bob": (1, 0, 4, 4), "cid": (0, 0, 4, 5)}
    for person, bbox in boxes.items():
        notes = [Annotation(category="odd", bbox=bbox)]
        rows = [Judgement(id=s, op="label", annotations=notes, by=person, at="2026") for s in ids]
        write_batch(queued.layout.edits, person, rows)
    asked = queued.params(
        task="detection",
        select={"overlap": 3},
        train={"model": "lite0_detector"},
        track={"primary": "ap"},
    )
    page = tmp_path / "agreement.html"
    result = agreement.run(asked, queued.layout, apply="consensus", page=page)
    assert '<th class="n">recall</th>' in page.read_text()
    assert (result["kind"], result["changes"], result["disputes"]) == ("objects", 3, 0)
    assert result["pairs"][0]["presence"]["value"] == 1.0
    assert queued.batches[-1][1][0].annotations == [Annotation(category="odd", bbox=(0, 0, 4, 4))]
    assert [row["person"] for row in result["people"]] == ["ann", "bob", "cid"]
    assert (result["people"][0]["recall"]["value"], result["people"][0]["images"]) == (1.0, 3)
    assert "mean IoU" in shown(result)
    with pytest.raises(UsageError, match="objects of detection have majority"):
        agreement.run(asked, queued.layout, method="dawid_skene")
