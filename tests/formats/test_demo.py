import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from assay.data.images.decode import decode, inspect
from assay.errors import BadImage, ParamsError
from assay.formats import demo
from assay.params import Source

TROUBLE = {
    "images": 600,
    "wrong_labels": 0.1,
    "hidden": 0.4,
    "exact_duplicates": 12,
    "near_duplicates": 8,
    "blurred": 10,
    "blank": 5,
    "corrupt": 6,
    "captured_at": True,
}


def source(**options):
    return Source(name="digits", format="demo", options=options)


def read(**options):
    return {record.path: record for record in demo.read(source(**options), Path())}


@pytest.fixture(scope="module")
def clean():
    return read(images=600)


@pytest.fixture(scope="module")
def troubled():
    return read(**TROUBLE)


def is_copy(path):
    return path.count("-") > 1


def test_all_the_digits_are_real_and_right():
    records = read()
    assert len(records) == len({record.data for record in records.values()}) == 5000
    assert all(record.annotations == record.truth for record in records.values())
    labels = [record.truth[0].category for record in records.values()]
    assert {labels.count(digit) for digit in "0123456789"} == {500}
    assert {record.metadata["ink"] for record in records.values()} == {"thin", "medium", "bold"}


def test_names_tell_nothing(clean):
    """Sorted by name, neighbours are as mixed as chance has it (the package sorts by class)."""
    labels = [record.truth[0].category for record in clean.values()]
    same = sum(a == b for a, b in pairwise(labels))
    assert same < 120
    assert all(re.fullmatch(r"digit-\d{5}\.png", path) for path in clean)


def test_the_seed_is_all_there_is_to_it(troubled):
    assert read(**TROUBLE) == troubled
    other = read(**TROUBLE, seed=1)
    assert {r.data for r in other.values()} != {r.data for r in troubled.values()}


def test_the_counts_are_kept(troubled):
    refused = [path for path, record in troubled.items() if not _is_sound(record)]
    assert len(troubled) == 600 + 12 + 8 + 6
    assert len(refused) == 6
    assert {len(troubled[path].data) == 0 for path in refused} == {True, False}
    assert sum(record.truth == [] for path, record in troubled.items() if not is_copy(path)) == 5
    assert sum("-copy" in path for path in troubled) == 12


def test_chances_are_about_kept(troubled):
    own = [r for path, r in troubled.items() if not is_copy(path) and r.truth]
    labelled = [r for r in own if r.annotations is not None]
    wrong = [r for r in labelled if r.annotations != r.truth]
    assert 0.5 < len(labelled) / len(own) < 0.7
    assert 0.05 < len(wrong) / len(labelled) < 0.16


def test_copies_are_copies(troubled):
    for path, record in troubled.items():
        original = troubled.get(re.sub(r"-(copy|again)\.(png|jpg)$", ".png", path))
        if "-copy" in path:
            assert record.data == original.data
            assert record.annotations == original.annotations
        elif "-again" in path:
            difference = np.abs(decode(record.data, "gray").astype(int) - decode(original.data, "gray"))
            assert record.data != original.data
            assert record.truth == original.truth
            assert 0 < difference.mean() < 25
    assert any(path.endswith(".jpg") for path in troubled)


def test_trouble_leaves_the_other_images_alone(clean, troubled):
    touched = sum(troubled[path].data != record.data for path, record in clean.items())
    assert touched == 10 + 5


def test_more_images_leave_those_that_were_there_as_they_were():
    few, many = read(images=100, wrong_labels=0.1, hidden=0.2), read(images=300, wrong_labels=0.1, hidden=0.2)
    assert all(many[path] == record for path, record in few.items())


def test_the_fingerprint_follows_the_options():
    assert demo.fingerprint(source(seed=1)) == demo.fingerprint(source(seed=1))
    assert demo.fingerprint(source(seed=1)) != demo.fingerprint(source(seed=2))


@pytest.mark.parametrize(
    "options", [{"images": 5001}, {"wrong_labels": 1.5}, {"images": 3, "blank": 4}, {"images": "all"}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ParamsError, match="source 'digits'"):
        read(**options)


def _is_sound(record):
    try:
        return bool(inspect(record.data, 10_000))
    except BadImage:
        return False
