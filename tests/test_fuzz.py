"""That fuzzing finds what it looks for, can be replayed, and finds nothing in its first inputs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import fuzz, fuzzed


@pytest.mark.parametrize("kind", fuzzed.KINDS)
def test_every_input_is_taken_or_refused(kind, tmp_path):
    summary = fuzz.Summary()
    many = {"params": 15, "written": 12}.get(kind, 60)
    for number in range(many):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = fuzzed.draw(kind, 1, number)
        assert data == fuzzed.draw(kind, 1, number)
        summary.add(fuzz._try_one(kind, data, number, folder))
    assert [failure.detail for failure in summary.failures] == []
    assert sum(summary.outcomes.values()) == many
    assert {outcome.split(":")[0] for outcome in summary.outcomes} == {"taken", "refused"}


def test_the_books_of_many_images_add_up(tmp_path):
    inputs = [fuzzed.draw("images", 2, number) for number in range(80)]
    fuzzed.ingest_together([*inputs, *inputs[:5], *fuzzed.pictures()[:3]], tmp_path)


def test_a_fault_is_told_from_a_refusal_and_kept_with_how_to_try_it_again(tmp_path, monkeypatch, capsys):
    def lose(_data: bytes, _folder: Path) -> str:
        raise fuzzed.Unbalanced("8 lines, 7 taken")

    monkeypatch.setitem(fuzzed.KINDS, "tables", fuzzed.Kind(fuzzed.make_table, lose, 1))
    result = fuzz._try_one("tables", b"", 7, tmp_path)
    assert (result.outcome, result.number) == (fuzz.FAILED, 7)
    fuzz._keep("tables", 3, result, tmp_path / "kept")
    assert "python -m benchmarks.fuzz tables --seed 3 --first 7 --count 1" in capsys.readouterr().out
    assert (tmp_path / "kept" / "tables-3-7.bin").read_bytes() == fuzzed.draw("tables", 3, 7)
    assert "8 lines, 7 taken" in (tmp_path / "kept" / "tables-3-7.txt").read_text()


def test_a_child_that_dies_is_a_fault_and_the_next_goes_on(monkeypatch):
    context = fuzz.get_context("fork")
    monkeypatch.setattr(fuzz, "get_context", lambda _: context)
    monkeypatch.setattr(fuzz, "_child", _dies_at_3)
    results = list(fuzz._try_block("images", 0, range(6)))
    assert [(r.number, r.outcome) for r in results if r.outcome == fuzz.FAILED] == [(3, "failed")]
    assert [r.number for r in results] == [0, 1, 2, 3, 4, 5]


def _dies_at_3(_kind, _seed, numbers, sender):
    import os

    for number in numbers:
        if number == 3:
            os._exit(9)
        sender.send(fuzz.Result(number, "taken: x"))
    os._exit(0)  # at once: a fork of a process with threads may crash in its own clearing up


def test_the_command_counts_what_came_of_each_input(tmp_path, capsys):
    assert fuzz.main(["params", "--first", "5", "--count", "4", "--failures", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert sum(int(n) for n in re.findall(r"params: +(\d+) (?:taken|refused)", said)) == 4
    assert "slowest" in said
