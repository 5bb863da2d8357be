"""Remarks on the classes of a source: probable mistakes that are not errors, as they may be intended."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from assay.data.records import Record
from assay.data.spreadsheet import as_number
from assay.formats import SPLIT_NAMES

SPLIT_LIKE = frozenset(SPLIT_NAMES) | {
    "training", "testing", "dev", "devel", "development", "eval", "evaluation", "holdout", "hold-out", "validate",
    "train_set", "test_set", "val_set", "trainset", "testset", "valset", "trainval", "train2017", "val2017", "test2017",
}  # fmt: skip


class ClassRemarks:
    """Collects the classes in the labels of a source, record by record."""

    def __init__(self) -> None:
        self.named: set[str] = set()
        self.over_splits: dict[str, set[str]] = defaultdict(set)
        """Class -> folders directly below its own that are named like splits."""

    def meet(self, record: Record) -> None:
        for note in record.annotations or ():
            self.named.add(note.category)
            top, _, rest = record.path.partition("/")
            below = rest.partition("/")[0]
            if top == note.category and below != rest and below.lower() in SPLIT_LIKE:
                self.over_splits[top].add(below)

    def remarks(self, options: dict[str, Any]) -> list[str]:
        """One line per probable mistake; `options` of the source may state that one is intended."""
        found = [
            f"folder {top!r} was read as a class, but contains {_listed(below)}: add it to the end of the source's path"
            for top, below in sorted(self.over_splits.items())
        ]
        like = {name for name in self.named - set(self.over_splits) if name.lower() in SPLIT_LIKE}
        if like and options.get("splits", True):
            classes = "classes" if len(like) > 1 else "class"
            found.append(f"{classes} {_listed(like)} may be meant as splits: those are train, val, test")
        return found + [f"classes {_listed(names)} may be one" for names in self._alike()]

    def _alike(self) -> list[list[str]]:
        groups: dict[object, list[str]] = defaultdict(list)
        for name in sorted(self.named):
            number = as_number(name)
            groups[" ".join(name.split()).casefold() if number is None else number].append(name)
        return [names for names in groups.values() if len(names) > 1]


def _listed(names: Any) -> str:
    shown = [repr(name) for name in sorted(names)]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
