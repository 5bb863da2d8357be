from __future__ import annotations

import pytest

from assay.commands import terminal
from assay.commands.terminal import WIDEST, Terminal, fail, rate
from assay.errors import AssayError


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


def test_a_value_that_an_error_quotes_does_not_fill_the_screen(capsys):
    assert fail(AssayError(f"bad:\n  line 2: {'9' * 100_000}\n  line 3: else")) == 1
    said = capsys.readouterr().err
    assert "line 2: 999" in said
    assert "line 3: else" in said
    assert len(said) < WIDEST + 200


def test_a_log_shows_how_far_long_work_has_come(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "EVERY", 0.0)
    with Terminal().bar("training", 600) as advance:
        advance(205)
    assert "training: 205 of 600 images" in capsys.readouterr().err
