"""Views, filters and the bytes that go to the browser."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.journal import Event
from assay.errors import MissingInput, UsageError
from assay.web.listing import CHUNK, within
from assay.web.review import Review
from tests.web.reviewing import KINDS, make_project

TYPES = {"int8": "<i1", "uint8": "<u1", "int32": "<i4", "float32": "<f4"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("listing"), 60)


@pytest.fixture
def review(project):
    made = Review(project.params(), project.layout)
    made.journal.file.unlink(missing_ok=True)
    return Review(project.params(), project.layout)


def unpacked(data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """What `rows.js` makes of a chunk."""
    length = int.from_bytes(data[:4], "little")
    head, at, columns = json.loads(data[4 : 4 + length]), 4 + length, {}
    for name, kind in head["columns"]:
        n = head["n"] * (32 if name == "id" else 1)
        columns[name] = np.frombuffer(data, TYPES[kind], n, at)
        assert at % 8 == 0
        at += -(-columns[name].nbytes // 8) * 8
    assert at == len(data)
    return head, columns


def ids(review: Review, **query: str) -> list[str]:
    made = review.listing(query)
    return made.ids(0, len(made))


def judge(review: Review, samples: Sequence[str], act: str, by: str = "Ada", name: str = "circle") -> None:
    start = len(review.journal.answers.changed)
    notes = [{"category": name}] if act == "label" else None
    review.journal.append(
        [
            Event(
                event=f"event-{start + n:06d}-{by}",
                id=s,
                act=act,
                annotations=notes,
                by=by,
                at="2026-01-01T00:00:00Z",
            )
            for n, s in enumerate(samples)
        ]
    )


def test_a_chunk_has_the_rows_in_order(review, project):
    made = review.listing({"view": "all"})
    head, columns = unpacked(made.chunk(7, 20, review.shown))
    assert head["n"] == 20
    assert [bytes(row).hex() for row in columns["id"].reshape(-1, 32)] == made.ids(7, 20)
    labels = [None if code < 0 else head["words"][code] for code in columns["label"]]
    known = {row["id"]: row["annotations"] for row in project.pool.imports.to_pylist()}
    for sample, label in zip(made.ids(7, 20), labels, strict=True):
        assert (label is None) == (known[sample] is None)
        assert label is None or f'"{label}"' in known[sample]
    assert unpacked(made.chunk(55, CHUNK, review.shown))[0]["n"] == 5
    assert unpacked(made.chunk(1000, 5, review.shown))[0]["n"] == 0


def test_ids_are_found_in_any_order_and_others_are_not(review):
    every = ids(review, view="all")
    some = [every[5], "0" * 64, every[0], "f" * 64, every[-1], every[5]]
    assert review.catalog.ids.rows(some).tolist() == [5, -1, 0, -1, 59, 5]
    assert review.catalog.ids.rows(["", "x", every[1].upper(), every[1]]).tolist() == [-1, -1, -1, 1]
    assert review.catalog.ids.rows([]).tolist() == []


def test_filters_and_their_counts_agree(review):
    every = review.listing({"view": "all"})
    for name, held in every.facets.items():
        for value, n in held:
            if name == "state" and value != "open":
                continue
            assert len(ids(review, view="all", **{name: value})) == n, (name, value)
    assert sum(n for _, n in every.facets["split"]) == len(every) == 60
    both = review.listing({"view": "all", "split": "train", "class": "circle"})
    assert dict(both.facets["class"])["circle"] == len(both)
    assert dict(both.facets["split"])["train"] == len(both)
    assert {value for value, _ in both.facets["class"]} >= set(KINDS), (
        "a filter does not hide its other values"
    )


def test_texts_scores_and_orders(review):
    assert len(ids(review, view="all", text="s:1")) == len(ids(review, view="all", text="S:1")) == 11
    one = ids(review, view="all")[3]
    assert ids(review, view="all", text=one[:10]) == [one]
    queue = review.listing({"view": "queue"})
    assert len(ids(review, view="queue", min="1000000")) == 0
    assert len(ids(review, view="queue", max="1000000")) == len(queue)
    names = [
        review.catalog.names[int(r)].as_py()
        for r in review.catalog.ids.rows(ids(review, view="all", sort="name"))
    ]
    assert names == sorted(names)
    assert (
        sorted(ids(review, view="all", sort="random"))
        == ids(review, view="all")
        != ids(review, view="all", sort="random")
    )


def test_states_follow_the_journal(review):
    a, b, c, d = ids(review, view="queue")[:4]
    judge(review, [a, b], "label")
    judge(review, [b], "label", "Bo", "square")
    judge(review, [c], "skip")
    judge(review, [d], "exclude")
    judge(review, [d], "clear")
    assert set(ids(review, view="queue", state="judged")) == {a, b}
    assert ids(review, view="queue", state="conflict") == [b]
    assert ids(review, view="queue", state="skipped") == [c]
    assert d in ids(review, view="queue", state="open")
    head, _ = unpacked(review.listing({"view": "queue"}).chunk(0, 4, review.shown))
    assert [one["by"] for one in head["answers"]["1"]] == ["Ada", "Bo"]


def test_test_images_are_not_judged_where_a_model_chose(review):
    (sample,) = ids(review, view="all", split="test", text="s:9.")
    event = {"event": "event-guarded", "id": sample, "act": "exclude", "view": "suspects"}
    assert "bias" in review.judge([event], "Ada")["refused"][0]["why"]
    assert review.judge([event | {"view": "all"}], "Ada")["saved"] == ["event-guarded"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"view": "nothing"}, "valid: queue, "),
        ({"view": "all", "sort": "size"}, "valid: view, "),
        ({"view": "all", "state": "x"}, "valid: open, "),
        ({"view": "all", "min": "x"}, "a number"),
        ({"view": "all", "strategy": "x"}, "valid: class, "),
        ({"view": "all", "meta.colour": "x"}, "meta.camera"),
        ({"view": "all", "inside": "1,2,3"}, "three corners"),
    ],
)
def test_a_wrong_address_says_what_is_valid(review, query, said):
    with pytest.raises(UsageError) as error:
        review.listing(query)
    assert said in error.value.hint


def test_a_view_without_its_input_says_what_to_run(review):
    for name in ("suspects", "mistakes", "duplicates"):
        with pytest.raises(MissingInput) as error:
            review.listing({"view": name})
        assert "assay" in error.value.hint
    assert "not there" in str(review.counts()["suspects"])


def test_new_edits_are_seen_without_a_new_server(review, project):
    sample = ids(review, view="queue")[0]
    assert ids(review, view="all", **{"class": "hexagon"}) == []
    project.judge(sample, label="hexagon")
    project.judge(sample, "exclude")
    assert (
        ids(review, view="all", **{"class": "hexagon"})
        == ids(review, view="all", status="excluded")
        == [sample]
    )
    assert sample not in ids(review, view="queue")
    (about,) = review.about(review.listing({"view": "all", "class": "hexagon"}), 0, 1)
    assert [one["op"] for one in about["history"]] == ["label", "exclude"]
    assert about["annotations"] == [{"category": "hexagon"}]


def test_a_dropped_list_is_made_again_with_the_same_key(review):
    first = review.listing({"view": "all"})
    for n in range(20):
        review.listing({"view": "all", "text": str(n)})
    assert review.find(first.key) is None
    assert review.listing({"view": "all"}).key == first.key


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)), min_size=1, max_size=20))
def test_a_region_is_what_is_inside_its_edges(points):
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]], np.float32)
    x, y = np.array(points, np.float32).T
    strictly = (abs(x) < 0.5) & (abs(y) < 0.5)
    loosely = (abs(x) <= 0.5) & (abs(y) <= 0.5)
    found = within(np.array(points, np.float32), corners)
    assert (strictly <= found).all()
    assert (found <= loosely).all()
