"""The factors that differ between two sides, as players of a game, and the cell of each corner.

Players are the parts of a run's fingerprint that differ: *data* (the training set), *model* (the params), *code*,
*ruler* (the test set). The corner S takes the players in S from side B and everything else from side A. Changes of
curate, select and their params act through the tables they write, so they count as data or ruler.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa

from assay.data.edits import read_batch
from assay.data.pool import Pool
from assay.data.snapshot import Snapshot
from assay.data.training_set import TRAIN
from assay.errors import AssayError, MissingInput
from assay.experiments.cells import Cell, own_cell, training_table, with_seed
from assay.experiments.sides import Side, params_digest
from assay.layout import Layout
from assay.lineage.fingerprint import run_code

Corner = frozenset[str]
Row = tuple[str, str, str]
"""(split, label, annotations)"""
Division = Literal["none", "kind", "batch"]
DATA, MODEL, CODE, RULER, MODEL_AND_CODE = "data", "model", "code", "ruler", "model and code"
KINDS = ("added", "relabelled", "excluded", "split moves")
ELSEWHERE = "not by an edit batch"
"""Player for changes of the training set without an edit batch: imports, params of curate and select."""


@dataclass(frozen=True)
class SampleChange:
    """Row of one sample in the training set of A and of B; None: the sample is not in it."""

    sample: str
    before: Row | None
    after: Row | None


@dataclass(frozen=True)
class Factorial:
    """Players, and the cell of each corner. `groups`: the changes that each data player stands for."""

    a: Side
    b: Side
    players: tuple[str, ...]
    groups: dict[str, list[SampleChange]] = field(default_factory=dict)

    def cell(self, corner: Corner, seed: int) -> Cell:
        """The cell of a corner. The corners of A and B, with their own seed, are the runs of the sides themselves."""
        model = self._from(corner, MODEL, MODEL_AND_CODE)
        code = self._from(corner, CODE, MODEL_AND_CODE)
        ruler = self._own[self._from(corner, RULER)].ruler
        return Cell(code, with_seed(model.params, seed), self._training(corner), ruler)

    @cached_property
    def _own(self) -> dict[Side, Cell]:
        return {side: own_cell(side) for side in (self.a, self.b)}

    def _from(self, corner: Corner, *players: str) -> Side:
        """The side that a part is taken from: B if those of `players` that play are all in the corner, else A."""
        playing = [player for player in players if player in self.players]
        return self.b if playing and set(playing) <= corner else self.a

    def _training(self, corner: Corner) -> pa.Table:
        moved = [name for name in self.groups if name in corner]
        old, new = self._own[self.a].train, self._own[self.b].train
        if not moved:
            return old
        if len(moved) == len(self.groups):
            return new
        rows = _rows(old)
        for name in moved:
            for change in self.groups[name]:
                apply(change, rows)
        categories = _categories(new)
        table = pa.Table.from_pylist(
            [dict(zip(TRAIN.names, (sample, *row), strict=True)) for sample, row in rows.items()], TRAIN
        )
        return training_table(table, [*categories, *(c for c in _categories(old) if c not in categories)])


def apply(change: SampleChange, rows: dict[str, Row]) -> None:
    """Apply a change to `rows` in place; only the fields that differ, because another change may affect the others."""
    if change.after is None:
        rows.pop(change.sample, None)
    elif change.before is None or change.sample not in rows:
        rows[change.sample] = change.after
    else:
        there = rows[change.sample]
        kept = [
            now if was != now else held
            for was, now, held in zip(change.before, change.after, there, strict=True)
        ]
        rows[change.sample] = (kept[0], kept[1], kept[2])


def factorial(a: Side, b: Side, division: Division = "none") -> Factorial:
    """The game between two sides. AssayError if no input of the result differs."""
    players: list[str] = []
    groups: dict[str, list[SampleChange]] = {}
    before, after = own_cell(a), own_cell(b)
    if before.fingerprint.selection != after.fingerprint.selection:
        groups = _divided(a, b, before.train, after.train, division)
        players += groups
    if params_digest(a.params.model_copy(update={"seed": 0})) != params_digest(
        b.params.model_copy(update={"seed": 0})
    ):
        players.append(MODEL)
    if (code := _code(a, b)) == "inseparable":
        players = [*(p for p in players if p != MODEL), MODEL_AND_CODE]
    elif code == "differs":
        players.append(CODE)
    if before.fingerprint.ruler != after.fingerprint.ruler:
        players.append(RULER)
    if not players:
        raise AssayError(
            f"{a.label} and {b.label} differ in the seed at most: there is nothing to attribute",
            hint="`assay diff` shows what else differs; every attribution includes the noise of seeds",
        )
    return Factorial(a, b, tuple(players), groups)


def check_pool(cells: Iterable[Cell], layout: Layout) -> None:
    """MissingInput if the workspace's pool lacks images that the runs need."""
    there = set(Pool.open(layout.pool).ids)
    needed = {
        sample for cell in cells for table in (cell.train, cell.ruler) for sample in table["id"].to_pylist()
    }
    if lost := sorted(needed - there):
        raise MissingInput(
            f"{len(lost)} images that these runs need are not in {layout.pool}: {lost[0][:12]} …",
            hint="`dvc pull data/pool`, or check out the newer of the two sides: the pool is append-only",
        )


def _code(a: Side, b: Side) -> Literal["same", "differs", "inseparable"]:
    """Whether the code differs under the same params; running another file because of the params is no change of code.

    inseparable: the params of one side name a file that the other side does not have.
    """
    try:
        pairs = [(run_code(p, a.sources), run_code(p, b.sources)) for p in (a.params, b.params)]
    except (OSError, AssayError):
        return "inseparable"
    return "differs" if any(old != new for old, new in pairs) else "same"


def _divided(
    a: Side, b: Side, old: pa.Table, new: pa.Table, division: Division
) -> dict[str, list[SampleChange]]:
    """{data player: its changes}, without players that have no changes."""
    rows, now = _rows(old), _rows(new)
    changes = [
        SampleChange(sample, rows.get(sample), now.get(sample))
        for sample in sorted(rows.keys() | now.keys())
        if rows.get(sample) != now.get(sample)
    ]
    if division == "none" or not changes:
        return {DATA: changes}
    return _by_kind(changes, a, b) if division == "kind" else _by_batch(changes, a, b)


def _by_kind(changes: Sequence[SampleChange], a: Side, b: Side) -> dict[str, list[SampleChange]]:
    tests = [_tests(side) for side in (a, b)]
    groups: dict[str, list[SampleChange]] = {kind: [] for kind in KINDS}
    for change in changes:
        if change.before is None:
            groups["split moves" if change.sample in tests[0] else "added"].append(change)
        elif change.after is None:
            groups["split moves" if change.sample in tests[1] else "excluded"].append(change)
        else:
            split, label = change.before[0], change.before[1:]
            if change.after[1:] != label:
                groups["relabelled"].append(
                    SampleChange(change.sample, change.before, (split, *change.after[1:]))
                )
            if change.after[0] != split:
                groups["split moves"].append(
                    SampleChange(change.sample, change.before, (change.after[0], *label))
                )
    return {kind: found for kind, found in groups.items() if found}


def _tests(side: Side) -> set[str]:
    samples = Snapshot.load(side.path("data/snapshot")).samples
    rows = zip(*(samples[name].to_pylist() for name in ("id", "split", "excluded")), strict=True)
    return {sample for sample, split, excluded in rows if split == "test" and not excluded}


def _by_batch(changes: Sequence[SampleChange], a: Side, b: Side) -> dict[str, list[SampleChange]]:
    """Changes by edit batch: the last batch with a judgement on the sample, among those that only one side has."""
    names = [{file.name for file in side.layout.edits.glob("*.jsonl")} for side in (a, b)]
    last: dict[str, str] = {}
    for side, own in ((a, names[0] - names[1]), (b, names[1] - names[0])):
        for name in sorted(own):
            last |= dict.fromkeys(_judged(side.layout.edits / name), Path(name).stem)
    groups: dict[str, list[SampleChange]] = {}
    for change in changes:
        groups.setdefault(last.get(change.sample, ELSEWHERE), []).append(change)
    return dict(sorted(groups.items()))


def _judged(batch: Path) -> list[str]:
    return [judgement.id for judgement in read_batch(batch)]


def _rows(table: pa.Table) -> dict[str, Row]:
    columns = (table[name].to_pylist() for name in ("id", "split", "label", "annotations"))
    return {sample: (split, label, notes) for sample, split, label, notes in zip(*columns, strict=True)}


def _categories(table: pa.Table) -> list[str]:
    return list(json.loads(table.schema.metadata[b"categories"]))
