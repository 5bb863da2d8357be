"""The one table of metrics, against what is computed and what is said."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay import plugins
from assay.commands import check_plugin
from assay.errors import ParamsError
from assay.metrics import detected, semantic_segmentation
from assay.metrics.classification import METRICS, Classified, per_class
from assay.metrics.judged import measure
from assay.metrics.table import OF_A_CLASS, OF_TASK, OVERALL, headline, named
from assay.params import parse_params

SOURCE = {"ingest": {"sources": [{"name": "s", "format": "demo"}]}}
ROW = {"value": 0.041, "low": -0.012, "high": 0.053}


def test_every_metric_that_is_measured_has_a_row():
    judged = Classified(np.array([[0.8, 0.2], [0.3, 0.7]], np.float32), np.array([0, 1]))
    assert tuple(measure(judged, 10, 0)) == METRICS == OF_TASK["classification"]
    assert {name for names in OF_TASK.values() for name in names} == set(OVERALL)
    assert set(plugins.names("tasks")) <= set(OF_TASK)
    assert all(names == plugins.load("metrics", task).METRICS for task, names in OF_TASK.items())
    of_a_class = {
        *per_class(judged, ["a", "b"])["a"],
        *detected.OF_A_CLASS,
        *semantic_segmentation.OF_A_CLASS,
    }
    assert of_a_class == set(OF_A_CLASS)


def test_better_and_worse_are_the_right_way_round():
    """A perfect model against a poor one: each metric moves to its better side."""
    targets = np.arange(40) % 2
    sure, poor = (np.where(np.eye(2)[targets] > 0, p, 1 - p).astype(np.float32) for p in (0.99, 0.3))
    good, bad = (measure(Classified(p, targets), 10, 0) for p in (sure, poor))
    for row in map(named, METRICS):
        gain = good[row.name]["value"] - bad[row.name]["value"]
        moved = {"value": gain, "low": gain - 1e-6, "high": gain + 1e-6}
        assert (row.is_better(moved), row.is_worse(moved)) == (True, False), row.name
    assert not any(row.is_better(ROW) or row.is_worse(ROW) for row in OVERALL.values())


def test_what_is_said_of_a_share_and_of_another_number():
    assert named("macro_f1").interval(ROW) == "4.1 % [−1.2, 5.3]"
    assert named("ece").change(ROW) == "+4.1 points [−1.2, +5.3]"
    assert named("log_loss").change(ROW) == "+0.041 [−0.012, +0.053]"
    assert named("accuracy").change(ROW, unit="") == "+4.1 [−1.2, +5.3]"
    assert named("accuracy").interval({"value": None}) == named("accuracy").change({}) == "–"
    assert [row.name for row in headline("ece")][:4] == ["ece", "accuracy", "map", "macro_f1"]


def test_an_unknown_primary_metric_is_refused_when_params_are_read():
    with pytest.raises(ParamsError, match=r"no metric 'auc'; valid: accuracy, .*log_loss"):
        parse_params({**SOURCE, "track": {"primary": "auc"}})
    with pytest.raises(ParamsError, match=r"accuracy is no metric of counting; valid: exact, mae"):
        parse_params({**SOURCE, "task": "counting"})


def test_no_other_module_says_which_way_a_metric_is_better():
    """Names in a tuple, set or comparison of their own were how `status` and `promote` came to disagree."""
    losses = {row.name for row in OVERALL.values() if not row.higher_is_better or not row.is_share}
    found = []
    for file in Path("src/assay").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare | ast.Tuple | ast.Set):
                inner = node.comparators if isinstance(node, ast.Compare) else node.elts
                names = {n.value for n in inner if isinstance(n, ast.Constant)}
                if names & losses:
                    found.append(f"{file}:{node.lineno}")
    allowed = {"table.py", "classification.py", "detected.py", "multilabel.py"}  # how each is computed
    assert [place for place in found if Path(place.split(":")[0]).name not in allowed] == []


def own_task(root: Path, rows: str) -> None:
    """Counting under another name, its metric `exact` under the name `hits`."""
    for kind in ("tasks", "metrics"):
        text = (plugins.PACKAGE / kind / "counting.py").read_text()
        text = text.replace('METRICS = OF_TASK["counting"]', rows).replace('"exact"', '"hits"')
        (root / "plugins" / kind).mkdir(parents=True, exist_ok=True)
        (root / "plugins" / kind / "mine.py").write_text(text)
    file = root / "plugins" / "tasks" / "mine.py"
    file.write_text(f'{file.read_text()}\nMODELS = ("cnn",)\n')


OWN_ROWS = (
    "from assay.metrics.table import Metric\nROWS = (Metric('hits', 'hits'),)\nMETRICS = ('hits', 'mae')"
)


@pytest.fixture
def own_table(monkeypatch):
    """The table, as it was before once the test is over."""
    monkeypatch.setitem(OF_TASK, "mine", ())
    monkeypatch.setitem(OVERALL, "hits", named("exact"))


@pytest.mark.usefixtures("own_table")
def test_a_task_of_a_project_brings_its_own_metrics(tmp_path):
    own_task(tmp_path, OWN_ROWS)
    params = parse_params({**SOURCE, "task": "mine", "track": {"primary": "hits"}}, root=tmp_path)
    counts = pa.table({"count": pa.array([1.0, 2.0, 4.0], pa.float32())})
    judged = plugins.load("metrics", params.task, tmp_path).judge(counts, [], ["1", "2", "3"], [])
    row = measure(judged, 100, 0)["hits"]
    assert named("hits").level(row) == "66.7 %"
    assert "hits" in [metric.name for metric in headline("mae")]
    assert check_plugin.run(tmp_path / "plugins" / "tasks" / "mine.py")["kept"]
    with pytest.raises(ParamsError, match="accuracy is no metric of mine; valid: hits, mae"):
        parse_params({**SOURCE, "task": "mine"}, root=tmp_path)


@pytest.mark.usefixtures("own_table")
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (OWN_ROWS.replace("'mae'", "'mse'"), "mse is in METRICS and has no row in ROWS"),
        (OWN_ROWS.replace("('hits', 'hits')", "('ap', 'hits')"), "ap is one of assay's"),
    ],
)
def test_own_metrics_that_cannot_be_are_refused(tmp_path, rows, said):
    own_task(tmp_path, rows)
    with pytest.raises(ParamsError, match=said):
        parse_params({**SOURCE, "task": "mine", "track": {"primary": "hits"}}, root=tmp_path)
