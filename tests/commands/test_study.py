from __future__ import annotations

import pytest

from assay.commands.study import numbers
from assay.errors import UsageError


def test_numbers_of_an_option():
    assert numbers("--budgets", "10,30,100", int, "10,30,100") == [10, 30, 100]
    assert numbers("--hours", "1,4.5", float, "1,4,16") == [1.0, 4.5]
    assert numbers("--hours", None, float, "1,4,16") is None


@pytest.mark.parametrize(
    ("option", "text", "of", "words"),
    [
        ("--budgets", "10,4.5", int, "--budgets 10,4.5: not whole numbers"),
        ("--hours", "1;4", float, "--hours 1;4: not numbers"),
    ],
)
def test_other_text_is_refused_with_an_example(option, text, of, words):
    with pytest.raises(UsageError, match=words) as error:
        numbers(option, text, of, "1,4")
    assert error.value.hint == f"{option} 1,4"
