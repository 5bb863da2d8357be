"""A step of the data track, on real digits with planted wrong labels."""

from __future__ import annotations

from dataclasses import replace
from shutil import copyfile

import pyarrow.compute as pc
import pytest

from assay.annotators import now
from assay.data.annotations import Annotation, annotations_json
from assay.data.edits import Judgement, write_batch
from assay.errors import EditError, ParamsError
from assay.experiments.race import answers as answering
from assay.experiments.race import data_track
from assay.experiments.race.answers import EditAnswers
from assay.experiments.race.data_track import Budget
from assay.labels.probe import beliefs, suspicion
from assay.strategies import COLD_START


@pytest.fixture
def oracle(side, params):
    return answering.annotator(side.layout, params)


@pytest.fixture
def labels(data):
    return data_track.beginning(data)


def rows(table, split):
    found = table.filter(pc.equal(table["split"], split)).to_pylist()
    return {row["id"]: row["label"] for row in found}


def test_the_stock_is_the_labelled_and_the_unlabelled_images_of_train(data, labels, truth):
    assert len(labels.given) > 100
    assert len(data.unlabelled) > 100
    assert not labels.given.keys() & data.unlabelled
    assert all(truth[sample] is not None for sample in data.unlabelled), "blank images are asked of nobody"


def test_the_likeliest_to_be_wrong_are_mostly_the_planted_ones(data, labels, truth):
    ids = list(labels.given)
    wrong = {sample for sample in ids if labels.given[sample] != truth[sample]}
    first = data_track.most_suspicious(labels, data, ids, len(wrong) // 2, seed=0)
    assert len(wrong & set(first)) / len(first) > 0.7 > 2 * len(wrong) / len(ids)


def test_a_step_spends_its_budget_half_on_reviews_half_on_new_images(data, labels, oracle, truth):
    after, asked = data_track.step(labels, data, oracle, Budget(30, 0.5, "margin"), seed=0)
    assert (asked.reviews, asked.new, asked.labels) == (15, 15, 30)
    assert asked.corrected >= 8
    assert asked.unanswered == asked.unknown_class == 0
    assert len(after.asked) == 30
    assert len(after.given) == len(labels.given) + 15 - asked.left_out
    changed = {sample for sample, label in after.given.items() if labels.given.get(sample) != label}
    assert changed <= after.asked
    assert all(after.given[sample] == truth[sample] for sample in changed)


def test_no_image_is_asked_about_twice_and_what_is_spent_is_taken_from_the_other_half(data, labels, oracle):
    everything = len(labels.given) + len(data.unlabelled)
    first, asked = data_track.step(labels, data, oracle, Budget(everything - 10, 0.0, "random"), seed=0)
    assert (asked.new, asked.reviews) == (len(data.unlabelled), len(labels.given) - 10)
    second, rest = data_track.step(first, data, oracle, Budget(100, 0.5, "random"), seed=0)
    assert (rest.reviews, rest.new) == (10, 0)
    third, none = data_track.step(second, data, oracle, Budget(100, 0.5, "random"), seed=0)
    assert none.labels == 0
    assert data_track.table(third, data).equals(data_track.table(second, data))


def test_another_seed_asks_otherwise_and_the_same_one_the_same(data, labels, oracle):
    budget = Budget(20, 0.5, "margin")
    one, again, other = (data_track.step(labels, data, oracle, budget, seed=s)[0].asked for s in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("strategy", ["random", "margin", "uncertainty", "kcenter"])
def test_every_strategy_can_choose(data, labels, strategy):
    open_ = sorted(data.unlabelled)
    picks = data_track.next_queue(labels, data, open_, 7, Budget(7, 0, strategy), seed=0)
    assert len(set(picks)) == 7
    assert set(picks) <= data.unlabelled


def test_with_one_class_known_the_cold_start_chooses(data, labels):
    one = {sample: "3" for sample, label in labels.given.items() if label == "3"}
    few = data_track.TrackLabels(one)
    asked, cold = (
        data_track.next_queue(few, data, sorted(data.unlabelled), 5, Budget(5, 0, strategy), 0)
        for strategy in ("margin", COLD_START)
    )
    assert asked == cold


def test_the_strategy_has_its_options_and_its_control_arm(data, labels):
    def queue(**options):
        budget = Budget(20, 0, "auto", options)
        return data_track.next_queue(labels, data, sorted(data.unlabelled), 20, budget, 0)

    assert queue(control=0.5) == queue(control=0.5) != queue(control=0.0)


def test_the_table_of_no_step_is_the_baselines_own_and_val_is_never_touched(data, labels, oracle):
    own = data_track.table(labels, data)
    assert own.schema.metadata == data.train.schema.metadata
    assert own.equals(data.train)
    after, _ = data_track.step(labels, data, oracle, Budget(50, 0.5, "margin"), seed=0)
    table = data_track.table(after, data)
    assert rows(table, "val") == rows(data.train, "val")
    assert rows(table, "train") == dict(after.given)
    assert table.schema.metadata[b"digest"] != own.schema.metadata[b"digest"]


def test_what_is_left_out_goes_and_a_class_nobody_knows_changes_nothing(data, labels):
    first, second, third, *_ = labels.given
    held = {first: None, second: tag("a new class"), third: tag(labels.given[third])}
    after, asked = data_track.step(
        labels, data, EditAnswers("people", held), Budget(10, 1.0, "random"), seed=0
    )
    assert (asked.reviews, asked.new) == (3, 0), "people can only be asked about what they judged"
    assert (asked.left_out, asked.unknown_class, asked.corrected) == (1, 1, 0)
    assert first not in after.given
    assert after.given[second] == labels.given[second]


def tag(category):
    return answering.ImageLabel(category, annotations_json([Annotation(category=category)]))


def judged(sample, op="label", category="5"):
    notes = [Annotation(category=category)] if op == "label" else None
    return Judgement(id=sample, op=op, annotations=notes, by="Ada", at=now())


def test_what_people_decide_later_wins():
    said = [
        judged("a"),
        judged("b"),
        judged("a", category="7"),
        judged("b", "exclude"),
        judged("c", "exclude"),
    ]
    assert answering.final(said, "classification") == {"a": tag("7"), "b": None, "c": None}
    said = [judged("a"), judged("a", "exclude"), judged("a", "include")]
    assert answering.final(said, "classification") == {"a": tag("5")}


def test_to_a_detector_an_image_without_objects_has_an_answer(data, labels):
    """And labels without classes are neither reviewed nor asked of a probe."""
    box = Annotation(category="5", bbox=(1, 2, 3, 4))
    ids = sorted(data.unlabelled)[:2]
    notes = zip(ids, ([], [box]), strict=True)
    said = [Judgement(id=i, op="label", annotations=held, by="Ada", at=now()) for i, held in notes]
    held = answering.final(said, "detection")
    assert [held[i].label for i in ids] == ["[]", '[{"bbox":[1.0,2.0,3.0,4.0],"category":"5"}]']
    objects = replace(data, task="detection")
    after, asked = data_track.step(
        labels, objects, EditAnswers("Ada", held), Budget(10, 1.0, "margin"), seed=0
    )
    assert (asked.reviews, asked.new) == (0, 2)
    made = {row["id"]: row["annotations"] for row in data_track.table(after, objects).to_pylist()}
    assert made[ids[0]] == "[]"


def test_the_batches_between_two_revisions_answer(side, labels, tmp_path):
    sample = next(iter(labels.given))
    before, later = (replace(side, root=tmp_path / name) for name in ("before", "later"))
    for root in (before, later):
        write_batch(root.layout.edits, "ada", [judged("x", category="1")])
        copyfile(side.layout.params, root.layout.params)
    with pytest.raises(EditError, match="no edit batch with a label"):
        answering.batches(before, later)
    write_batch(later.layout.edits, "ada", [judged(sample, category="2")])
    between = answering.batches(before, later)
    assert between.ask([sample, "x"]) == {sample: tag("2")}
    assert between.about == {sample}


def test_a_race_waits_for_nobody(side, params):
    people = params.model_copy(update={"select": params.select.model_copy(update={"annotator": None})})
    with pytest.raises(ParamsError, match=r"select\.annotator is null") as caught:
        answering.annotator(side.layout, people)
    assert "--answers REV" in str(caught.value.hint)


def test_lonely_labels_are_suspicious_and_nobody_is_believed_for_its_own_group():
    import numpy as np

    given = np.repeat([0, 1, 2], [20, 10, 1])
    vectors = np.random.default_rng(1).normal(given[:, None] * 8.0, 1.0, (31, 4)).astype(np.float32)
    scores = suspicion(vectors, [str(k) for k in given], np.arange(31), seed=0)
    assert scores.argmax() == 30
    assert scores[30] > 0.5
    assert beliefs(vectors[:5], given[:5], vectors, 3)[:, 0].tolist() == [1.0] * 31, (
        "one class is all it knows"
    )
    twins = vectors.copy()
    twins[:2] = 99.0  # two pictures of one thing, far from all others, and labelled alike
    labels = ["2", "2", *map(str, given[2:])]
    apart, together = np.arange(31), np.maximum(np.arange(31), 1) - 1
    assert suspicion(twins, labels, together, 0)[:2].min() > suspicion(twins, labels, apart, 0)[:2].min()
