"""Which seconds `assay advise` and `assay effort` reckon with, and that they say so."""

from __future__ import annotations

from assay.commands import costs
from assay.data.annotations import Annotation
from assay.data.edits import Judgement, write_batch


def write(queued, boxes: bool, many: int) -> None:
    ids = (queued.curate().samples["id"].to_pylist() * 3)[:many]
    rows = []
    for n, sample in enumerate(ids):
        count = n % 4 + 1
        notes = [Annotation(category="odd", bbox=(k, 0, 2, 2)) for k in range(count)]
        seconds = 4 + 2.5 * count if boxes else 7
        held = notes if boxes else [Annotation(category="odd")]
        rows.append(Judgement(id=sample, op="label", annotations=held, by="ann", at="2026", seconds=seconds))
    write_batch(queued.layout.edits, "timed", rows)


def test_measured_seconds_of_labels_replace_those_of_the_params(queued):
    params, said = costs.of_labels(queued.params(), queued.layout)
    assert params.advise.seconds_per_label == 10
    assert "label 10 s, of params.yaml" in said
    write(queued, boxes=False, many=40)
    params, said = costs.of_labels(queued.params(), queued.layout)
    assert (params.advise.seconds_per_label, params.advise.seconds_per_review) == (7, 5)
    assert "label 7 s [7, 7], measured in 40 judgements; review 5 s, of params.yaml" in said
    params, said = costs.of_labels(queued.params(advise={"measured": False}), queued.layout)
    assert params.advise.seconds_per_label == 10
    assert "measured in" not in said


def test_measured_seconds_of_boxes_replace_those_of_effort(queued):
    write(queued, boxes=True, many=48)
    asked, said = costs.of_objects(queued.params().effort, queued.layout)
    assert (asked.seconds.image, asked.seconds.box, asked.seconds.mask) == (4, 2.5, 79.2)
    assert "box 2.5 s [2.5, 2.5], measured in 48 judgements; mask 79.2 s, of params.yaml" in said
