"""MLflow's view of the experiment: its tags, the columns of the runs table, and links to it.

MLflow 3 opens with its GenAI overview, without columns for metrics. A shared view is stored as a tag of the experiment,
`mlflow.sharedViewState.<key>`, which a link can select; it sets the columns.
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
"""Tags shown as columns; they are text, since MLflow metrics have no interval."""
WIDTHS = {RESULT: 235, CHANGED: 115, AGAINST: 200, CHAMPION: 155, SNAPSHOT: 130}
TRAINING = "workflowType=machine_learning"


def experiment_tags(params: Params) -> dict[str, str]:
    """Tags of the experiment: kind, primary metric and its direction, columns, note."""
    primary = named(params.track.primary)
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": f"{primary.name}/test",
        "mlflow.experiment.primaryMetric.greaterIsBetter": str(primary.higher_is_better).lower(),
        VIEW: json.dumps(_view()),
        NOTE: "One run per fingerprint of training set, test set, params and code. Intervals are 95 %; all of "
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
    """The tags to set: those that the experiment lacks or has with another value; a note by people is kept."""
    return {k: v for k, v in wanted.items() if there.get(k) != v and not (k == NOTE and k in there)}


def since(champion: Champion) -> str:
    """Value of the champion tag."""
    return f"since {champion.promoted_at[:10]}"


def runs_link(server: str, experiment_id: str) -> str:
    """Link to the runs table with the columns of the view."""
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs?{TRAINING}&viewStateShareKey={NAME}"


def run_link(server: str, experiment_id: str, run_id: str) -> str:
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}?{TRAINING}"
