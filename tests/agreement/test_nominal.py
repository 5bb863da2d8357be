"""Krippendorff's alpha and Cohen's kappa, against published numbers and other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from assay.agreement.nominal import alpha, by_class, kappa_of, pairs
from assay.agreement.votes import from_rows

KRIPPENDORFF = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}
"""Section C of Krippendorff, Computing Krippendorff's alpha-reliability (2011): four observers, twelve units."""


def rows_of(table):
    return [
        (f"{unit:02d}", person, str(value))
        for person, values in table.items()
        for unit, value in enumerate(values)
        if value is not None
    ]


def by_coincidences(table) -> float:
    """Alpha as the paper computes it: by the matrix of coincidences, value by value."""
    values = sorted({v for column in table.values() for v in column if v is not None})
    seen = np.zeros((len(values), len(values)))
    for unit in zip(*table.values(), strict=True):
        votes = [values.index(v) for v in unit if v is not None]
        for a in range(len(votes)):
            for b in range(len(votes)):
                if a != b:
                    seen[votes[a], votes[b]] += 1 / (len(votes) - 1)
    n, totals = seen.sum(), seen.sum(0)
    expected = sum(totals[a] * totals[b] for a in range(len(totals)) for b in range(len(totals)) if a != b)
    return 1 - (n - 1) * (n - np.trace(seen)) / expected


def test_alpha_of_the_published_example():
    found = alpha(from_rows(rows_of(KRIPPENDORFF)))
    assert found["value"] == pytest.approx(0.743, abs=5e-4)
    assert found["n"] == 11
    assert found["low"] < found["value"] < found["high"]


votes = st.dictionaries(
    st.tuples(st.integers(0, 7), st.sampled_from("ABCD")), st.sampled_from("xyz"), min_size=4
)


@given(votes)
def test_alpha_is_that_of_the_matrix_of_coincidences_and_1_where_all_agree_only(said):
    table = {p: [said.get((unit, p)) for unit in range(8)] for p in "ABCD"}
    units = [[v for v in unit if v is not None] for unit in zip(*table.values(), strict=True)]
    paired = [unit for unit in units if len(unit) > 1]
    found = alpha(from_rows(rows_of(table)))
    if len({v for unit in paired for v in unit}) < 2:
        assert found["value"] is None
        return
    assert found["value"] == pytest.approx(by_coincidences(table), abs=1e-6)
    assert (found["value"] == 1) == all(len(set(unit)) == 1 for unit in paired)


@given(votes, st.permutations("ABCD"))
def test_names_of_people_do_not_matter(said, names):
    renamed = dict(zip("ABCD", names, strict=True))
    rows = [(str(unit), person, label) for (unit, person), label in said.items()]
    moved = [(unit, renamed[person], label) for unit, person, label in rows]
    assert alpha(from_rows(rows)) == alpha(from_rows(moved))


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 300)
    b = np.where(rng.random(300) < 0.6, a, rng.integers(0, 4, 300))
    kappa, agree = kappa_of(a, b, 4)
    assert kappa["value"] == pytest.approx(cohen_kappa_score(a, b), abs=1e-6)
    assert agree["value"] == pytest.approx((a == b).mean(), abs=1e-6)
    assert kappa["n"] == 300
    assert kappa["high"] - kappa["low"] == pytest.approx(0.14, abs=0.03)


def test_pairs_are_compared_on_their_common_images_and_classes_against_the_rest():
    rows = rows_of({"A": ["x", "y", "x", None], "B": ["x", "y", "y", "x"], "C": [None, None, None, "x"]})
    found = from_rows(rows)
    assert [(row["people"], row["kappa"]["n"]) for row in pairs(found)] == [(["A", "B"], 3)]
    assert by_class(found)["x"]["n"] == 3


def test_the_interval_of_alpha_holds_the_alpha_of_many_units():
    rng = np.random.default_rng(1)

    def drawn(n: int):
        right = rng.integers(0, 3, n)
        said = [np.where(rng.random(n) < 0.8, right, rng.integers(0, 3, n)) for _ in range(3)]
        return from_rows(
            [(f"{i:05d}", "ABC"[p], str(v)) for p, one in enumerate(said) for i, v in enumerate(one)]
        )

    truth = alpha(drawn(20_000))["value"]
    held = [alpha(drawn(100)) for _ in range(60)]
    assert 50 <= sum(one["low"] <= truth <= one["high"] for one in held) <= 60
