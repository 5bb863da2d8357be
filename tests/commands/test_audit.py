from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from assay.commands import audit, label, queue
from assay.data.annotations import Annotation
from assay.data.edits import Judgement, read_batches, write_batch
from assay.data.queued import review_queue
from assay.data.suspects import worth
from assay.errors import AssayError, MissingInput, UsageError
from assay.labels import listing
from assay.progress import silent
from assay.stages import audit as stage
from assay.stages import curate, select


class Zoo:
    """The zoo, curated; ids by name and back."""

    def __init__(self, project, **limits) -> None:
        self.project, self.layout, self.limits = project, project.layout, limits
        project.embed()
        self.curate()

    def params(self, **select):
        chosen = {"strategy": "random", "ruler_halfwidth": 0.49, "budget": 4, **select}
        return self.project.params(
            select=chosen, curate={"near_duplicate": 1.0}, audit={"limits": self.limits}
        )

    def curate(self) -> None:
        curate.run(self.params(), self.layout, silent)
        stage.run(self.params(), self.layout, silent)

    def select(self, **settings):
        select.run(self.params(**settings), self.layout, silent)
        return queue.run(self.layout, None)["rows"]

    def audit(self, **settings):
        return audit.run(self.params(), self.layout, **settings)

    def suspects(self, **settings) -> list[str]:
        named = {sample: name for name, sample in self.project.names.items()}
        return sorted(named[row["id"]] for row in self.audit(**settings)["rows"])

    def judgements(self):
        return [judgement for _, batch in read_batches(self.layout.edits) for judgement in batch]


@pytest.fixture
def audited(zoo) -> Zoo:
    return Zoo(zoo)


def shown(result) -> str:
    console = Console(file=StringIO(), width=160)
    listing.render(result, console)
    return console.file.getvalue()


def fill(file: Path, answer: Callable[[dict[str, str]], str]) -> None:
    rows = list(csv.DictReader(StringIO(file.read_text())))
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row | {"label": answer(row)} for row in rows)


def test_the_suspects_with_the_suggestion_and_without_the_test_set(audited):
    result = audited.audit()
    assert {row["id"] for row in result["rows"]} == {audited.project.names[n] for n in ("p4", "p9")}
    assert {(row["given"], row["suggested"]) for row in result["rows"]} == {
        ("along", "across"),
        ("across", "along"),
    }
    assert (result["labels"], result["suspects"]) == (58, 2)
    assert "labelled" in shown(result)
    json.dumps(result)


def test_what_people_say_goes_back_in_and_is_not_asked_again(audited, tmp_path):
    file = tmp_path / "review.csv"
    audited.audit(export=file)
    names = {sample: name for name, sample in audited.project.names.items()}
    fill(file, lambda row: row["suggested"] if names[row["id"]] == "p4" else row["given"])
    taken = label.run(audited.params(), audited.layout, file)
    assert taken["written"] == {"label": 2}, "that a label is right is an answer as well"
    assert audited.suspects() == [], "before the next curate"
    assert label.run(audited.params(), audited.layout, file)["written"] == {}
    audited.curate()
    assert audited.suspects() == []
    assert audited.suspects(above=0.0).count("p9") == 0, "looked at again, and it stands"


def test_apply_writes_one_batch_and_says_what(audited):
    tried = audited.audit(apply="suggested", above=0.5, dry_run=True, force=True)
    assert tried["applied"]["batch"] is None
    assert audited.judgements() == []
    assert "2 images would be relabelled as suggested" in shown(tried)
    done = audited.audit(apply="suggested", above=0.5, force=True)
    assert "1 × along → across" in shown(done)
    assert done["applied"]["batch"] == "data/edits/0001-audit-suggested.jsonl"
    written = {judgement.id: judgement.annotations[0].category for judgement in audited.judgements()}
    assert written == {audited.project.names["p4"]: "along", audited.project.names["p9"]: "across"}
    assert all("assay audit" in judgement.by for judgement in audited.judgements())
    assert audited.audit(apply="suggested", above=0.5, force=True)["applied"]["count"] == 0, "once is enough"


def test_leaving_out_where_it_does_not_pay_is_said(audited):
    done = audited.audit(apply="exclude", above=0.5)
    assert {judgement.op for judgement in audited.judgements()} == {"exclude"}
    assert not done["payoff"]["dropping"]
    assert "not expected to help" in shown(done)


def test_below_even_odds_nothing_is_applied(audited):
    with pytest.raises(UsageError, match="more harm than good"):
        audited.audit(apply="suggested", above=0.3, force=True)
    assert audited.judgements() == []


def test_suggestions_are_taken_by_measured_probabilities_only(audited):
    with pytest.raises(UsageError, match="no answers of people calibrate them"):
        audited.audit(apply="suggested")
    assert audited.judgements() == []


def test_second_looks_that_were_drawn_measure_the_probabilities(audited, tmp_path):
    """Answered by the truth: the two planted labels are wrong, all others stand, also those nobody doubted."""
    file = tmp_path / "check.csv"
    assert "estimated" in shown(audited.audit())
    assert audited.audit(check=40, export=file)["check"] == 40
    columns = file.read_text().splitlines()[0]
    assert "probability" not in columns, "people answer unbiased"
    assert "suggested" not in columns
    wrong = {audited.project.names[name] for name in ("p4", "p9")}
    other = {"along": "across", "across": "along"}
    fill(file, lambda row: other[row["given"]] if row["id"] in wrong else row["given"])
    asked = len(list(csv.DictReader(StringIO(file.read_text()))))
    assert label.run(audited.params(), audited.layout, file)["written"] == {"label": asked}
    audited.curate()
    share = audited.audit()["share"]
    assert share["by"] == "measured"
    assert share["high"] < 0.1, "the wrong ones are put right"
    assert "measured" in shown(audited.audit())
    audited.audit(apply="suggested")


def test_in_a_replay_the_oracle_has_looked_already(audited, tmp_path):
    """What it knows is filled in; of the others, the file is for people."""
    truth = audited.layout.pool / "truth"
    truth.mkdir()
    known = sorted(audited.project.names.values())[:50]
    notes = ['[{"category":"across"}]'] * len(known)
    pq.write_table(pa.table({"id": known, "annotations": notes}), truth / "00000.parquet")
    file = tmp_path / "check.csv"
    found = audit.run(audited.params(annotator="oracle"), audited.layout, check=40, export=file)
    rows = list(csv.DictReader(StringIO(file.read_text())))
    assert {row["id"]: row["label"] for row in rows} == {
        row["id"]: "across" if row["id"] in known else "" for row in rows
    }
    assert 0 < found["answered"] == sum(row["label"] != "" for row in rows) < len(rows)
    assert f"{found['answered']} of them answered" in shown(found)


def test_without_an_audit_it_says_what_to_run(audited):
    (audited.layout.audit / "label_errors.parquet").unlink()
    with pytest.raises(MissingInput, match="no label was audited"):
        audited.audit()


def test_the_queue_asks_for_second_looks_too_and_takes_the_answers(audited, tmp_path):
    for n in range(6):
        audited.project.add(f"new{n}", audited_picture(n), split="train")
    audited.project.embed()
    audited.curate()
    assert {row["strategy"] for row in audited.select()} == {"random"}
    rows = audited.select(review_share=0.5)
    assert sorted(row["strategy"] for row in rows) == ["random", "random", "review", "review"]
    again = [row for row in rows if row["strategy"] == "review"]
    assert {row["id"] for row in again} == {audited.project.names[n] for n in ("p4", "p9")}
    assert all(row["predicted"] in row["reason"] for row in again)
    file = tmp_path / "to-label.csv"
    queue.run(audited.layout, None, export=file)
    given = {row["id"]: "along" if "labelled 'along'" in row["reason"] else "across" for row in again}
    fill(file, lambda row: given.get(row["id"], "along"))
    assert label.run(audited.params(), audited.layout, file)["written"] == {"label": 4}
    after = queue.run(audited.layout, None)
    assert (after["open"], after["answered"]) == (0, 4)


def test_a_file_without_suspects_is_said_to_have_none(audited, tmp_path):
    file = tmp_path / "review.csv"
    said = shown(audited.audit(export=file, above=1.0))
    assert len(file.read_text().splitlines()) == 1
    assert f"nothing to review: {file}" in said.replace("\n", "")


def audited_picture(n: int):
    from tests.conftest import striped

    return striped(bool(n % 2), 1000 + n)


def test_auto_reviews_what_is_worth_a_new_label(audited):
    folder, ones = audited.layout.audit, lambda ids: [1.0] * len(ids)
    rows, cost = review_queue(folder, "auto", 10, ones, new_ones=True)
    assert [row.score >= 0.5 for row in rows] == [True] * len(rows)
    assert (len(rows), cost) == (2, 2.0)
    assert review_queue(folder, 0.1, 10, ones, new_ones=True)[1] == 1.0
    assert review_queue(folder, 0.0, 10, ones, new_ones=True) == ([], 0.0)
    assert worth(0.9, 0.1, 10) > 1 > worth(0.3, 0.1, 10)
    assert worth(0.5, 0.4, 10) > worth(0.5, 0.1, 10), "the more is wrong, the more a mended label teaches"


def test_what_else_the_audit_found_is_named_beside_the_labels(audited):
    found = json.loads((audited.layout.audit / "audit.json").read_text())
    result = audited.audit()
    others = {name: row["issues"] for name, row in found.items() if row["issues"] and name != "label_errors"}
    assert result["others"] == others != {}
    assert "the other checks found: " in shown(result)


def test_an_image_that_was_left_out_and_taken_back_can_be_looked_at_like_any_other(audited):
    sample = audited.project.names["p9"]
    about = {"id": sample, "by": "ada", "at": "2026-01-01T00:00:00Z"}
    for op in ("exclude", "include"):
        write_batch(audited.layout.edits, "queued", [Judgement(op=op, **about)])
    audited.curate()
    assert "p9" in audited.suspects()
    (given,) = [row["given"] for row in audited.audit()["rows"] if row["id"] == sample]
    note = [Annotation(category=given)]
    write_batch(audited.layout.edits, "queued", [Judgement(op="label", annotations=note, **about)])
    assert "p9" not in audited.suspects()


def test_the_model_is_asked_from_a_commit_only(audited):
    with pytest.raises(AssayError, match="a training needs a commit"):
        audited.audit(model=True)


def test_nothing_is_ever_called_certain():
    assert [listing.likely(chance) for chance in (0.5, 0.99, 0.991, 1.0)] == ["50%", "99%", "> 99%", "> 99%"]


@pytest.fixture
def with_stranger(zoo, draw) -> Zoo:
    """The zoo, and a picture that is of none of its kinds."""
    zoo.add("stranger", draw(7), label="along", split="train")
    return Zoo(zoo, outlier=4.0)


def test_an_image_that_does_not_belong_is_proposed_for_exclusion_whatever_its_label(with_stranger, tmp_path):
    file, stranger = tmp_path / "review.csv", with_stranger.project.names["stranger"]
    result = with_stranger.audit(export=file)
    rows = {row["id"]: row for row in result["rows"]}
    assert {sample for sample, row in rows.items() if row["proposed"] == "exclude"} == {stranger}
    assert rows[stranger]["outlier"] > 0.5
    assert result["foreign"] == 1
    assert result["suspects"] == sum(row["probability"] >= 0.5 for row in rows.values())
    assert "1 images that may not belong" in shown(result)
    assert ", exclude?" in shown(result)
    written = {row["id"]: row for row in csv.DictReader(StringIO(file.read_text()))}
    assert (written[stranger]["proposed"], written[stranger]["exclude"]) == ("exclude", ""), "people decide"
    assert float(written[stranger]["outlier"]) == rows[stranger]["outlier"]
    assert with_stranger.layout.audit.joinpath("audit.json").read_text().count(stranger) >= 1
    json.dumps(result)


def test_the_order_is_by_wrong_labels_outliers_or_both(with_stranger):
    def column(sort: str, name: str) -> list[float]:
        return [row[name] for row in with_stranger.audit(above=0.0, limit=100, sort=sort)["rows"]]

    for sort, name in (("wrong", "probability"), ("outlier", "outlier"), ("combined", "combined")):
        values = column(sort, name)
        assert values == sorted(values, reverse=True)
    wrong, outlier, combined = (column("wrong", name) for name in ("probability", "outlier", "combined"))
    for p, o, both in zip(wrong, outlier, combined, strict=True):
        assert both == pytest.approx(1 - (1 - p) * (1 - o))
    first = with_stranger.audit(sort="outlier")["rows"][0]["id"]
    assert first == with_stranger.project.names["stranger"]


def test_what_does_not_belong_is_left_out_by_force_only_and_never_relabelled(with_stranger):
    stranger = with_stranger.project.names["stranger"]
    for what in ("suggested", "exclude"):
        force = what == "suggested"
        tried = with_stranger.audit(apply=what, above=0.9999999, dry_run=True, force=force)
        assert tried["applied"]["count"] == 0
    done = with_stranger.audit(apply="exclude", above=0.9999999, force=True)
    assert "and 1 may not belong" in shown(done)
    (judgement,) = with_stranger.judgements()
    assert (judgement.id, judgement.op) == (stranger, "exclude")
    assert "outlier score 0." in judgement.why
    assert with_stranger.audit()["foreign"] == 0, "asked about once"


def test_an_audit_without_the_outlier_score_says_to_run_it_again(audited):
    file = audited.layout.audit / "label_errors.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["outlier"]), file)
    with pytest.raises(MissingInput, match="earlier version"):
        audited.audit()
