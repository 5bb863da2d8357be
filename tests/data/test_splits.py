from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay.data.splits import follow_oldest, hashed

FRACTIONS = {"train": 0.6, "val": 0.15, "test": 0.25}
keys = st.lists(st.text(min_size=1), min_size=1, max_size=50, unique=True)


@given(keys, keys, st.integers(0, 5))
def test_new_data_never_moves_old_data(old, new, seed):
    alone = hashed(old, FRACTIONS, seed)
    assert (hashed([*new, *old], FRACTIONS, seed)[len(new) :] == alone).all()


def test_shares_are_those_asked_for_and_another_seed_draws_anew():
    ids = [f"{n:064x}" for n in range(20_000)]
    split = hashed(ids, FRACTIONS, 0)
    for name, share in FRACTIONS.items():
        assert abs((split == name).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(ids))
    assert (split != hashed(ids, FRACTIONS, 1)).mean() > 0.4


def test_an_empty_split_gets_nothing():
    assert set(hashed([str(n) for n in range(1000)], {"train": 1.0, "val": 0.0, "test": 0.0}, 0)) == {"train"}


def test_newcomers_follow_the_oldest_they_duplicate_along_chains():
    split = np.array(["test", "train", "val", "train"], object)
    age = np.array([0, 1, 2, 3])
    pairs = np.array([[1, 0], [2, 1], [3, 2]])
    free = np.zeros(4, bool)
    assert follow_oldest(split, age, pairs, free).tolist() == ["test"] * 4
    assert follow_oldest(split, age, pairs[:, ::-1], free).tolist() == ["test"] * 4
    decided = np.array([False, False, True, False])
    assert follow_oldest(split, age, pairs, decided).tolist() == ["test", "test", "val", "val"]


@given(st.integers(2, 30), st.integers(0, 2**31))
def test_older_samples_never_move_when_a_newcomer_arrives(n, seed):
    rng = np.random.default_rng(seed)
    split = rng.choice(["train", "val", "test"], n).astype(object)
    pairs = rng.integers(0, n, (n, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    age = rng.permutation(n)
    newest = int(age.argmax())
    without = pairs[(pairs != newest).all(axis=1)]
    free = np.zeros(n, bool)
    others = np.arange(n) != newest
    assert (follow_oldest(split, age, pairs, free) == follow_oldest(split, age, without, free))[others].all()
