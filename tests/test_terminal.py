from __future__ import annotations

import pytest

from assay.terminal import rate


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [
        (24_000, 20, "1,200 images/s"),
        (44, 10, "4.4 images/s"),
        (5, 105, "21 s each"),
        (0, 3, "0.0 images/s"),
        (0, 0, "0.0 images/s"),
    ],
)
def test_a_rate_is_told_in_what_can_be_read(done, seconds, said):
    assert rate(done, seconds, "images") == said
