"""`assay check-plugin`: each kind that a project may add has a contract, which assay's own plug-ins keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay import contracts, plugins
from assay.commands import check_plugin


@pytest.mark.parametrize(
    ("kind", "ours"), [("annotators", "file"), ("checks", "imbalance"), ("encoders", "pixels")]
)
def test_a_copy_of_one_of_ours_keeps_the_contract(tmp_path: Path, kind: str, ours: str) -> None:
    file = tmp_path / "plugins" / kind / "mine.py"
    file.parent.mkdir(parents=True)
    file.write_text((plugins.PACKAGE / kind / f"{ours}.py").read_text())
    result = check_plugin.run(file)
    assert [one["wrong"] for one in result["checks"]] == [None] * len(result["checks"])
    assert result["kept"]


@pytest.mark.parametrize(
    ("kind", "ours", "right", "wrong", "said"),
    [
        ("annotators", "file", "WAITS = True", "WAITS = 1", "WAITS is neither True nor False"),
        ("annotators", "file", "def send(", "def hand_over(", "there is no send(batch, context)"),
        (
            "encoders",
            "pixels",
            "astype(np.float32)",
            "astype(np.float64)",
            "vectors are float64, not float32",
        ),
        ("checks", "imbalance", "\ndef check(", "\ndef look(", "there is no check(context)"),
    ],
)
def test_what_is_broken_is_said(
    tmp_path: Path, kind: str, ours: str, right: str, wrong: str, said: str
) -> None:
    text = (plugins.PACKAGE / kind / f"{ours}.py").read_text()
    assert right in text
    file = tmp_path / "plugins" / kind / "mine.py"
    file.parent.mkdir(parents=True)
    file.write_text(text.replace(right, wrong, 1))
    plugin = plugins.load(kind, "mine", tmp_path)
    found = [contracts.outcome(check, plugin) for check in contracts.of_kind(kind)]
    assert any(said in text for text in found if text)
