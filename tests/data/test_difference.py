"""What changed, and how far the classes moved: on tables small enough to see."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.difference import CHANGED, KINDS, diff, kinds_of
from assay.data.shift import shift, spread, total_variation
from assay.data.snapshot import ANNOTATIONS, SAMPLES, Snapshot

BOX = [1.0, 2.0, 3.0, 4.0]


def snapshot(rows: dict[str, dict], categories=("cat", "dog")) -> Snapshot:
    """`{"a": {"notes": ["cat"], "split": "train", …}}`; `notes` absent: nobody has looked."""
    ids = sorted(rows)
    table = pa.table(
        {
            "id": ids,
            **{name: [1] * len(ids) for name in ("width", "height")},
            **{name: [""] * len(ids) for name in ("mode", "format", "metadata")},
            "origins": [["s:x"]] * len(ids),
            "group": [rows[i].get("group") for i in ids],
            "captured_at": [None] * len(ids),
            "split": [rows[i].get("split", "train") for i in ids],
            "labelled": ["notes" in rows[i] for i in ids],
            "excluded": [rows[i].get("excluded", False) for i in ids],
        }
    )
    notes = [
        (i, n, *(note if isinstance(note, tuple) else (note, None)), None, False, None)
        for i in ids
        for n, note in enumerate(rows[i].get("notes", []))
    ]
    columns = list(zip(*notes, strict=True)) or [()] * len(ANNOTATIONS)
    annotations = pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, ANNOTATIONS, strict=True)], ANNOTATIONS
    )
    return Snapshot(table.select(SAMPLES.names).cast(SAMPLES), annotations, tuple(categories))


def changes(before: dict, after: dict) -> dict[str, list[str]]:
    rows = diff(snapshot(before), snapshot(after)).samples.to_pylist()
    return {row["id"]: kinds_of(row["kinds"]) for row in rows}


def test_every_way_to_change_and_several_at_once():
    cat, dog = {"notes": ["cat"]}, {"notes": ["dog"]}
    before = {"a": cat, "b": cat, "c": {}, "d": dog, "e": cat, "f": {"excluded": True}, "g": cat, "same": cat}
    after = {
        "a": dog | {"split": "test", "group": "g", "excluded": True},
        "b": {},
        "c": cat,
        "d": {"notes": []},
        "e": cat | {"group": "g"},
        "f": {},
        "new": dog,
        "same": cat,
    }
    assert changes(before, after) == {
        "a": ["excluded", "relabelled", "moved", "regrouped"],
        "b": ["unlabelled"],
        "c": ["labelled"],
        "d": ["relabelled"],
        "e": ["regrouped"],
        "f": ["restored"],
        "g": ["removed"],
        "new": ["added"],
    }
    found = diff(snapshot(before), snapshot(after))
    assert found.samples.schema == CHANGED
    assert sum(found.counts().values()) == 11
    assert found.flows("relabelled") == [
        {"before": "cat", "after": "dog", "count": 1},
        {"before": "dog", "after": "", "count": 1},
    ]
    removed = found.of("removed").to_pylist()[0]
    assert (removed["label_before"], removed["label_after"]) == ("cat", None)
    assert json.dumps(found.as_dict())


def test_a_box_that_moved_is_a_relabelling():
    was, now = ({"a": {"notes": [("cat", box), "dog"]}} for box in (BOX, [1.0, 2.0, 3.0, 5.0]))
    assert changes(was, was) == {}
    found = diff(snapshot(was), snapshot(now)).samples.to_pylist()[0]
    assert (found["label_before"], found["label_after"]) == ("1 cat, 1 dog", "1 cat, 1 dog")
    assert diff(snapshot(was), snapshot(now)).flows("relabelled") == []


def test_the_same_classes_in_another_order_are_no_change():
    rows = {"a": {"notes": ["cat"]}, "b": {"notes": ["dog"]}, "c": {"notes": []}}
    assert not diff(snapshot(rows), snapshot(rows, ("dog", "cat")))


sample = st.fixed_dictionaries(
    {"split": st.sampled_from(["train", "test"]), "excluded": st.booleans()},
    optional={"notes": st.lists(st.sampled_from(["cat", "dog"]), max_size=2), "group": st.sampled_from("gh")},
)
samples = st.dictionaries(st.sampled_from("abcdefgh"), sample)


@settings(deadline=None)
@given(samples, samples)
def test_it_says_what_a_plain_comparison_says(before, after):
    expected = {}
    for name in sorted({*before, *after}):
        a, b = before.get(name), after.get(name)
        if a is None or b is None:
            expected[name] = ["added" if a is None else "removed"]
            continue
        facts = {
            "excluded": b["excluded"] and not a["excluded"],
            "restored": a["excluded"] and not b["excluded"],
            "labelled": "notes" in b and "notes" not in a,
            "unlabelled": "notes" in a and "notes" not in b,
            "relabelled": "notes" in a and "notes" in b and a["notes"] != b["notes"],
            "moved": a["split"] != b["split"],
            "regrouped": a.get("group") != b.get("group"),
        }
        expected[name] = [kind for kind in KINDS if facts.get(kind)]
    assert changes(before, after) == {name: kinds for name, kinds in expected.items() if kinds}


def test_counts_and_shares_leave_the_excluded_out():
    before = snapshot(
        {"a": {"notes": ["cat"]}, "b": {"notes": ["dog"]}, "c": {"notes": ["dog"], "excluded": True}}
    )
    after = snapshot(
        {"a": {"notes": ["cat"]}, "b": {"notes": ["cat"]}, "c": {"notes": ["owl"], "split": "test"}, "d": {}},
        ("cat", "dog", "owl"),
    )
    assert spread(before).classes.tolist() == [[1, 1], [0, 0], [0, 0]]
    found = shift(before, after)
    assert found["splits"][0] == {"split": "train", "labelled": [2, 2], "unlabelled": [0, 1]}
    assert found["classes"][2] == {
        "category": "owl",
        "train": [0, 0],
        "val": [0, 0],
        "test": [0, 1],
        "all": [0, 1],
    }
    train = found["variation"]["train"]
    assert train["total"] == 0.5
    assert train["classes"] == [
        {"category": "cat", "shares": [0.5, 1.0]},
        {"category": "dog", "shares": [0.5, 0.0]},
    ]
    assert found["variation"]["test"] == {"total": None, "classes": []}, "nothing on one side"


@pytest.mark.parametrize(("a", "b", "tv"), [([1, 1], [2, 2], 0), ([1, 0], [0, 5], 1), ([3, 1], [1, 1], 0.25)])
def test_total_variation_is_the_share_that_changed_class(a, b, tv):
    assert total_variation(np.array(a), np.array(b)) == pytest.approx(tv)


def test_empty_snapshots_do_not_differ():
    assert not diff(snapshot({}), snapshot({}))
    assert changes({}, {"a": {}}) == {"a": ["added"]}
    assert changes({"a": {}}, {}) == {"a": ["removed"]}
