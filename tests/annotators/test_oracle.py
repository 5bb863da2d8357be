from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.annotators import AnnotatorContext, ask, oracle
from assay.data.ledger import Batch, SentImage
from assay.errors import ParamsError
from assay.layout import Layout
from assay.params import Ingest, Params, Select, Source

PARAMS = Params(ingest=Ingest(sources=[Source(name="s", format="demo")]))


@pytest.fixture
def layout(tmp_path) -> Layout:
    truth = tmp_path / "data" / "pool" / "truth"
    truth.mkdir(parents=True)
    rows = [("a", '[{"category":"cat"}]'), ("b", "[]"), ("c", '[{"category":"dog","bbox":[1,2,3,4]}]')]
    for part, (sample, text) in enumerate(rows):
        pq.write_table(pa.table({"id": [sample], "annotations": [text]}), truth / f"{part:05d}.parquet")
    return Layout(tmp_path)


def test_it_answers_what_it_knows_in_the_order_of_the_queue(layout):
    said = oracle.answer(pa.table({"id": ["c", "nobody", "a"]}), layout, PARAMS)
    assert [(j.id, j.op, j.annotations[0].category) for j in said] == [
        ("c", "label", "dog"),
        ("a", "label", "cat"),
    ]
    assert said[0].annotations[0].bbox == (1, 2, 3, 4)
    assert {j.by for j in said} == {"oracle"}


def test_an_image_with_nothing_on_it_is_left_out_with_the_reason(layout):
    (said,) = oracle.answer(pa.table({"id": ["b"]}), layout, PARAMS)
    assert (said.op, said.why) == ("exclude", "nothing on it")
    (said,) = oracle.answer(pa.table({"id": ["b"]}), layout, PARAMS.model_copy(update={"task": "detection"}))
    assert (said.op, said.annotations) == ("label", []), "to a detector it is an example"


def asked(*ids, strategy="margin") -> Batch:
    return Batch(
        "0001-oracle-00000000",
        "oracle",
        "2026-01-01T00:00:00Z",
        tuple(SentImage(id=i, strategy=strategy) for i in ids),
    )


def context(layout, **options) -> AnnotatorContext:
    select = Select(annotator="oracle", annotator_options=options)
    return AnnotatorContext(layout, PARAMS.model_copy(update={"select": select}))


@pytest.fixture
def crowd(tmp_path) -> Layout:
    """600 images of three classes."""
    truth = tmp_path / "data" / "pool" / "truth"
    truth.mkdir(parents=True)
    notes = [f'[{{"category":"{"abc"[n % 3]}"}}]' for n in range(600)]
    table = pa.table({"id": [f"{n:03d}" for n in range(600)], "annotations": notes})
    pq.write_table(table, truth / "00000.parquet")
    return Layout(tmp_path)


def labels(layout, **options) -> dict[str, str]:
    batch = asked(*(f"{n:03d}" for n in range(600)))
    return {
        a.id: a.judgements[0].annotations[0].category
        for a in oracle.collect([batch], context(layout, **options))
    }


def test_it_is_as_careless_as_it_is_told_and_in_the_same_way_each_time(crowd):
    right = labels(crowd)
    said = labels(crowd, noise=0.2)
    wrong = {sample for sample in right if said[sample] != right[sample]}
    assert 80 <= len(wrong) <= 160, "600 × 0.2 ± 4 σ"
    assert said == labels(crowd, noise=0.2)
    assert said != labels(crowd, noise=0.2, seed=1)
    worse = labels(crowd, noise=0.4)
    assert all(worse[sample] == said[sample] for sample in wrong), "who is wrong at 20 % is wrong at 40 %"
    assert {(right[sample], said[sample]) for sample in wrong} == {
        (a, b) for a in "abc" for b in "abc" if a != b
    }
    few = oracle.collect([asked("007")], context(crowd, noise=0.2))
    assert next(iter(few)).judgements[0].annotations[0].category == said["007"], "whatever else is asked"


def test_pairs_are_confused_one_way(crowd):
    right, said = labels(crowd), labels(crowd, noise=0.5, noise_kind="pair")
    assert {(right[s], said[s]) for s in right if said[s] != right[s]} == {("a", "b"), ("b", "c"), ("c", "a")}


def test_an_answer_costs_its_seconds_and_a_second_look_its_own(crowd):
    costs = context(crowd, seconds=4.0, review_seconds=1.5)
    batches = [asked("001"), asked("002", strategy="review")]
    assert [a.judgements[0].seconds for a in oracle.collect(batches, costs)] == [4.0, 1.5]


def test_an_option_that_it_has_not_is_named(crowd):
    with pytest.raises(ParamsError, match=r"annotator_options of oracle: nosie: ") as caught:
        labels(crowd, nosie=0.1)
    assert "valid: noise, noise_kind, seed" in caught.value.hint


def test_a_replay_asks_without_the_books_and_waits_for_nobody(crowd):
    assert [j.annotations[0].category for j in ask("oracle", ["004", "005"], context(crowd))] == ["b", "c"]
    with pytest.raises(ParamsError, match="needed at once"):
        ask("file", ["004"], context(crowd))


def test_where_there_is_no_hidden_truth_it_says_so(layout):
    """People with images of their own, and the demo's `select.annotator: oracle`."""
    oracle.check(["nobody", "a"], context(layout))
    oracle.check([], context(layout))
    with pytest.raises(ParamsError, match="no hidden truth for these 2 images") as caught:
        oracle.check(["nobody", "noone"], context(layout))
    assert "set select.annotator to file" in str(caught.value.hint)
