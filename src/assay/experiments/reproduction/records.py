"""Comparison of the records of a stage in dvc.lock: original, and after the stage was run again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from assay.experiments.reproduction.words import pair, short
from assay.params import flatten

Stage = Mapping[str, Any]
"""One entry of `stages` in dvc.lock."""


@dataclass(frozen=True)
class Output:
    """One output of a stage with its recorded and its present hash."""

    path: str
    recorded: str | None
    now: str | None

    @property
    def same(self) -> bool:
        return self.recorded is not None and self.recorded == self.now


def outputs(recorded: Stage, now: Stage) -> list[Output]:
    """Outputs of a stage in the recorded order, including those that only one of the records has."""
    old, new = _hashes(recorded, "outs"), _hashes(now, "outs")
    return [Output(path, old.get(path), new.get(path)) for path in {**old, **new}]


def changed_inputs(
    recorded: Stage, now: Stage, made: Collection[str], inside: Mapping[str, list[str]] | None = None
) -> list[str]:
    """Inputs that differ from the record, one line each: command, params, code, files in git.

    `made`: outputs of the stages that are run again; they are reported with their own stage. `inside`: {manifest: files
    of it that differ}.
    """
    found: list[str] = []
    if recorded.get("cmd") != now.get("cmd"):
        found.append(f"cmd: {pair(recorded.get('cmd'), now.get('cmd'))}")
    found += _changed_params(recorded, now)
    old, new = _hashes(recorded, "deps"), _hashes(now, "deps")
    for path in {**old, **new}:
        if any(path == out or path.startswith(f"{out}/") for out in made):
            continue
        if path not in new:
            found.append(f"{path}: recorded as input, not read now")
        elif path not in old:
            found.append(f"{path}: not recorded as input, read now")
        elif old[path] != new[path]:
            names = (inside or {}).get(path) or [path]
            found += [f"{name}: differs from the record" for name in names]
    return found


def _changed_params(recorded: Stage, now: Stage) -> list[str]:
    old, new = (_flat(stage.get("params") or {}) for stage in (recorded, now))
    return [
        f"{key}: {short(old[key]) if key in old else 'nothing'} recorded, "
        f"{short(new[key]) if key in new else 'nothing'} now"
        for key in {**old, **new}
        if key not in old or key not in new or old[key] != new[key]
    ]


def _flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """{dotted key: value} of the params of all files, whether recorded as `train` or as `train.lr`."""
    return {key: value for values in params.values() for key, value in flatten(dict(values)).items()}


def _hashes(stage: Stage, kind: str) -> dict[str, str | None]:
    return {entry["path"]: entry.get("md5") for entry in stage.get(kind) or []}
