"""What MLflow's pages show of an experiment: its tags, the columns of its runs, and the links that lead there.

MLflow 3 opens on its GenAI overview, with no column that decides anything. A view that was shared is a tag of the
experiment, `mlflow.sharedViewState.<key>`, which a link can name: so the columns are ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assay.data.champion import Champion
from assay.metrics.table import named
from assay.params import Params
from assay.reports.markdown import code

NAME = "assay"
"""Key of the shared view."""
VIEW, NOTE = f"mlflow.sharedViewState.{NAME}", "mlflow.note.content"
RESULT, CHANGED, AGAINST, CHAMPION, SNAPSHOT = (
    f"assay.{name}" for name in ("result", "changed", "vs_champion", "champion", "snapshot")
)
"""Tags of a run that are columns: text, since a metric of MLflow has no interval."""
WIDTHS = {RESULT: 235, CHANGED: 115, AGAINST: 200, CHAMPION: 155, SNAPSHOT: 130}
TRAINING = "workflowType=machine_learning"


def experiment_tags(params: Params) -> dict[str, str]:
    """Tags of the experiment: model training, the primary metric and which way it is better, the columns."""
    primary = named(params.track.primary)
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": f"{primary.name}/test",
        "mlflow.experiment.primaryMetric.greaterIsBetter": str(primary.higher_is_better).lower(),
        VIEW: json.dumps(_view()),
        NOTE: "One run per fingerprint: same training set, ruler, params, code: same run. Intervals are 95 %; all of "
        f"them, with n, classes and slices, are in a run's {code('metrics.csv')} and {code('metrics.json')}.",
    }


def _view() -> dict[str, Any]:
    columns = {f"tags.`{tag}`": width for tag, width in WIDTHS.items()}
    return {
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": [*columns, "attributes.`Models`"],
        "columnOrder": list(columns),
        "columnWidths": columns,
    }


def to_bring_up_to_date(there: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The tags that an experiment lacks or holds otherwise; what people wrote about it stays."""
    return {k: v for k, v in wanted.items() if there.get(k) != v and not (k == NOTE and k in there)}


def since(champion: Champion) -> str:
    """The tag of the champion's run."""
    return f"since {champion.promoted_at[:10]}"


def runs_link(server: str, experiment_id: str) -> str:
    """The experiment's runs, with the columns of the view."""
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs?{TRAINING}&viewStateShareKey={NAME}"


def run_link(server: str, experiment_id: str, run_id: str) -> str:
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}?{TRAINING}"
