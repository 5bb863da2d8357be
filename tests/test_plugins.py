"""Plug-ins of a project: where they are looked for, and what is said when their code fails."""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from assay import plugins
from assay.commands.streams import DEBUG, in_one_line, reported
from assay.errors import AssayError, PluginError, PluginFailed, SourceError
from assay.training.build import _try
from assay.training.fit import Examples
from assay.training.inputs import Rows

WHERE = '"""A format."""\nROOT = {root!r}\n'
FAILS = """
def select(pool, budget, rng):
    return shared(pool)

def shared(pool):
    return pool / 0
"""


def write(root: Path, name: str, text: str) -> Path:
    file = root / "plugins" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def select(root: Path, value: int) -> None:
    plugins.load("strategies", "fails", root).select(value, 1, None)


def test_each_project_has_its_own_plugin_of_a_name(tmp_path: Path) -> None:
    for name in ("one", "two", "one"):
        root = tmp_path / name
        write(root, "formats/tree.py", WHERE.format(root=name))
        assert name == plugins.load("formats", "tree", root).ROOT
    assert plugins.load("formats", "tree", root) is plugins.load("formats", "tree", root)
    assert "tree" not in plugins.names("formats")
    with pytest.raises(PluginError, match="'tree' is not among the formats"):
        plugins.load("formats", "tree", tmp_path)


def test_an_error_of_a_plugin_names_file_line_and_function(tmp_path: Path) -> None:
    write(tmp_path, "strategies/fails.py", FAILS)
    with pytest.raises(ZeroDivisionError) as caught:
        select(tmp_path, 1)
    told = in_one_line(caught.value)
    assert isinstance(told, PluginFailed)
    assert str(told) == "plugins/strategies/fails.py:6, in shared: ZeroDivisionError: division by zero"
    assert "assay check-plugin plugins/strategies/fails.py" in str(told.hint)


def test_an_error_of_another_process_whose_traceback_is_text_is_told_likewise(tmp_path: Path) -> None:
    write(tmp_path, "strategies/fails.py", FAILS)
    with pytest.raises(ZeroDivisionError) as caught:
        select(tmp_path, 1)
    error = ZeroDivisionError("division by zero")
    error.__cause__ = RuntimeError(
        "".join(traceback.format_exception(caught.value))
    )  # as a process pool does
    assert str(in_one_line(error)).startswith("plugins/strategies/fails.py:6, in shared:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = = 1\n", "plugins/models/broken.py:1: SyntaxError: invalid syntax"),
        ("import nothing_there\n", "plugins/models/broken.py:1: ModuleNotFoundError: No module named 'nothing_there'"),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_imported_is_named_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    write(tmp_path, "models/broken.py", text)
    with pytest.raises(PluginFailed) as caught:
        plugins.load("models", "broken", tmp_path)
    assert str(caught.value) == said


def test_what_a_plugin_refuses_itself_and_errors_of_our_own_stay_as_they_are(tmp_path: Path) -> None:
    text = "from assay.errors import SourceError\ndef read():\n    raise SourceError('no images')\n"
    write(tmp_path, "formats/tree.py", text)
    with pytest.raises(SourceError) as caught:
        plugins.load("formats", "tree", tmp_path).read()
    assert in_one_line(caught.value) is caught.value
    assert in_one_line(ZeroDivisionError()) is None
    told = in_one_line(RuntimeError("CUDA out of memory"))
    assert isinstance(told, AssayError)


@pytest.mark.parametrize("debug", ["", "1"])
def test_the_traceback_is_shown_to_who_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: str
) -> None:
    write(tmp_path, "strategies/fails.py", FAILS)
    monkeypatch.setenv(DEBUG, debug)
    with pytest.raises(SystemExit) as ended, reported():
        select(tmp_path, 1)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "error: plugins/strategies/fails.py:6" in said
    assert ("Traceback" in said) == bool(debug)


def test_a_model_of_torch_layers_that_fails_is_named_though_no_frame_is_its(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(7, 2))
    examples = Examples(Rows(np.zeros((3, 4, 4, 1), np.uint8), np.arange(3)), np.zeros(3, np.int64))
    with pytest.raises(
        PluginFailed, match=r"plugins/models/mine.py: its model fails on a batch \(2, 1, 4, 4\)"
    ):
        _try(model, "mine", examples)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('TASKS = ("detection",)', ("detection",)),
        ('TASKS: tuple[str, ...] = ("detection",)', ("detection",)),
        ('TASKS = OTHER = ["detection"]', ["detection"]),
        ('TASKS = tuple(["detection"])', None),
        ("TASKS = (NAME,)", None),
        ("def build(:", None),
        ("", None),
    ],
)
def test_what_a_plugin_declares_is_read_without_an_import(tmp_path: Path, text: str, found: object) -> None:
    write(tmp_path, "models/mine.py", text)
    sources = plugins.Sources(own=tmp_path / "plugins")
    assert plugins.declared("models", "mine", "TASKS", sources) == found
    assert plugins.declared("models", "other", "TASKS", sources) is None
    assert plugins.serves("mine", "detection", tmp_path)
    assert plugins.serves("mine", "classification", tmp_path) == (found is None)
