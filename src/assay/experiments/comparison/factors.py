"""Differences of two sides besides the data: params, code, environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.data.text import read_text
from assay.errors import AssayError, NotKept, ParamsError, RevisionError
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.lineage.closure import stage_closure
from assay.lineage.commits import commits_between, patched
from assay.lineage.fingerprint import SECTIONS
from assay.lineage.manifests import VERSION, parse, stages
from assay.params import Params, flatten
from assay.params.yamlfile import read_yaml

Found = dict[str, Any]
SEED = "seed"
SOURCES = "ingest.sources"
DATA_SECTIONS = ("ingest", "curate", "audit", "select")
"""Sections of params.yaml that act through the data."""
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def params_part(a: Side, b: Side) -> Found:
    """`differ`: rows of key, part, a, b; `same`: {key: value}. A value that one side lacks is None.

    `part`: what the param acts through: "model" (part of the fingerprint of a run), "seed", "data", or "other".
    """
    sides = flat_params(a), flat_params(b)
    keys = list(dict.fromkeys([*sides[0], *sides[1]]))
    differ = [key for key in keys if sides[0].get(key) != sides[1].get(key)]
    rows = [{"key": k, "part": acts_through(k), "a": sides[0].get(k), "b": sides[1].get(k)} for k in differ]
    return {"differ": rows, "same": {key: sides[0].get(key) for key in keys if key not in differ}}


def flat_params(side: Side) -> dict[str, Any]:
    """Params with defaults filled in; as written, if this version does not accept them. Sources by their names."""
    try:
        return by_source(flatten(side.params))
    except ParamsError:
        return by_source(flatten(_yaml(side.layout.params)))


def by_source(flat: Found) -> Found:
    """`ingest.sources`, a list, as keys such as `ingest.sources.NAME.options.masks`: what differs in it is a param."""
    sources = flat.get(SOURCES)
    if not isinstance(sources, list) or not all(isinstance(one, dict) and "name" in one for one in sources):
        return flat
    named = {str(one["name"]): {key: value for key, value in one.items() if key != "name"} for one in sources}
    return {key: value for key, value in flat.items() if key != SOURCES} | flatten(named, f"{SOURCES}.")


def _yaml(file: Path) -> Found:
    """The mapping in a file; empty if there is no file or no mapping."""
    try:
        return read_yaml(file, RevisionError)
    except RevisionError:
        return {}


def acts_through(key: str) -> str:
    section = key.split(".")[0]
    if section == SEED:
        return SEED
    if section in SECTIONS:
        return "model"
    return "data" if section in DATA_SECTIONS else "other"


def code_part(a: Side, b: Side) -> Found:
    """Stages that run other code, the files, and the commits between the sides that touch these files.

    Compared under the params of each side in turn: choosing another model is no change of code.
    """
    try:
        chosen = (a.params, b.params)
    except ParamsError as error:
        return {"missing": f"this version does not accept the params of one side: {error}"}
    if any(side.foreign(_stages(b)) for side in (a, b)):
        return _by_manifests(a, b)
    same = _sources(a) == _sources(b)
    rows: list[Found] = [
        {"stage": stage, "files": [] if same else _files(stage, chosen, a, b)} for stage in _stages(b)
    ]
    differ = [row for row in rows if row["files"]]
    files = sorted({file["file"] for row in differ for file in row["files"]})
    commits = commits_between(a.commit, b.commit, files, b.root) if a.commit and b.commit else []
    return {
        "stages": differ,
        "same": [row["stage"] for row in rows if not row["files"]],
        "commits": [asdict(commit) for commit in commits],
        "uncommitted": {
            name: sorted(set(files) & set(patched(side.patch))) for name, side in (("a", a), ("b", b))
        },
    }


def _by_manifests(a: Side, b: Side) -> Found:
    """The same by data/code, for sides that ran different installed versions of assay.

    A file that only one side ran is left out: the manifests do not show whether code or params added it.
    """
    try:
        texts = a.manifests, b.manifests
    except NotKept as error:
        return {"missing": str(error)}
    rows: list[Found] = []
    for stage in _stages(b):
        old, new = (parse(one.get(stage, "")) for one in texts)
        shown = [b.sources.shown(n, b.root) for n in sorted(old.keys() & new.keys()) if old[n] != new[n]]
        rows.append({"stage": stage, "files": [{"file": file, "change": "changed"} for file in shown]})
    return {
        "stages": [row for row in rows if row["files"]],
        "same": [row["stage"] for row in rows if not row["files"]],
        "commits": [],
        "uncommitted": {"a": [], "b": []},
        "versions": {name: one[VERSION].strip() for name, one in zip("ab", texts, strict=True)},
    }


def _stages(side: Side) -> list[str]:
    """In the order of dvc.yaml."""
    there = stages(side.sources)
    return [stage for stage in _yaml(side.root / "dvc.yaml").get("stages") or {} if stage in there]


def _sources(side: Side) -> dict[str, bytes]:
    """All code of a side; if it is equal on both, no import closure is computed."""
    files = [file for folder in side.sources.folders for file in folder.rglob("*.py")]
    return {side.sources.name(file): file.read_bytes() for file in files}


def _files(stage: str, chosen: tuple[Params, ...], a: Side, b: Side) -> list[Found]:
    """The files of the stage that differ between the sides, or that only one side has."""
    found: dict[str, str] = {}
    for params in chosen:
        old, new = (_closure(stage, params, side) for side in (a, b))
        for name in old.keys() | new.keys():
            if old.get(name) != new.get(name):
                found[name] = (
                    "changed" if name in old and name in new else "added" if name in new else "removed"
                )
    return [{"file": b.sources.shown(name, b.root), "change": found[name]} for name in sorted(found)]


def _closure(stage: str, params: Params, side: Side) -> dict[str, bytes]:
    """{name: content} of the files that a stage runs (`Sources.name`); {} if the side has no such stage."""
    try:
        files = stage_closure(stage, params, side.sources)
    except (KeyError, OSError, SyntaxError):
        return {}
    return {side.sources.name(file): file.read_bytes() for file in files}


def environment_part(a: Side, b: Side, recorded: tuple[Found | None, Found | None] = (None, None)) -> Found:
    """Packages with different versions and, if both sides recorded an environment, other differences of the machines.

    `differ`: rows of name, a, b. `source`: "recorded" (environments of the trainings) or "pinned" (requirements.lock);
    `missing` instead if a side has neither.
    """
    if recorded[0] and recorded[1]:
        return {"source": "recorded", "differ": differing(_flat(recorded[0]), _flat(recorded[1]))}
    pins = pinned(a.root), pinned(b.root)
    if pins[0] is None or pins[1] is None:
        without = a if pins[0] is None else b
        return {"missing": f"{without.label} has no requirements.lock"}
    return {"source": "pinned", "differ": differing(pins[0], pins[1])}


def pinned(root: Path) -> dict[str, str] | None:
    """{package: version} of requirements.lock; versions for different systems are joined. None without the file."""
    file = root / "requirements.lock"
    if not file.exists():
        return None
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(read_text(file, RevisionError)):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(version)
    return {name: " | ".join(sorted(versions)) for name, versions in found.items()}


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Found]:
    """Rows of name, a, b for names with different values; None where a side has no value."""
    return [
        {"name": name, "a": a.get(name), "b": b.get(name)}
        for name in sorted(a.keys() | b.keys())
        if a.get(name) != b.get(name)
    ]


def _flat(environment: Found) -> dict[str, Any]:
    """Keys such as `machine.cores`, and packages by name."""
    packages = environment.get("packages") or {}
    return flatten({k: v for k, v in environment.items() if k != "packages"}) | packages


def recorded_environments(
    a: Side, b: Side, params: Params, layout: Layout
) -> tuple[Found | None, Found | None]:
    """Environments recorded by the MLflow runs among the sides, and by the last training of the workspace.

    None for a side without a record, and for both if neither is a run: a query to MLflow takes seconds.
    """
    if "run" not in (a.kind, b.kind):
        return None, None
    return _recorded(a, params, layout), _recorded(b, params, layout)


def _recorded(side: Side, params: Params, layout: Layout) -> Found | None:
    from assay.tracking import environment, recorded

    try:
        if side.run_id:
            return recorded.environment_of(side.run_id, params, layout)
        training = environment.noted(side.layout, side.fingerprint) if side.kind == "workspace" else None
        return training.environment if training else None
    except (AssayError, OSError):
        return None
