"""Edit batches: judgements of people, one JSON object per line, one file per batch; files are never changed."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from assay.data.annotations import Annotation, reason
from assay.data.files import write_numbered
from assay.data.text import files_in, json_lines, read_text
from assay.errors import EditError

Split = Literal["train", "val", "test"]
Op = Literal["label", "exclude", "include", "split", "group"]

ANSWERS: tuple[Op, ...] = ("label", "exclude")
"""Ops that answer what is on an image; `split`, `group` and `include` don't."""
CONSENSUS = "consensus"
"""`by` of a judgement that `assay agreement --apply consensus` derived from those of people."""
AUDIT = " (assay audit)"
"""End of `by` of a judgement that `assay audit --apply` derived from a model's predictions."""
SETTLES = "settles"
"""Beginning of `why` of a judgement by a person who saw the votes of the others."""
CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")
NAME = re.compile(r"^(\d{4,})-([a-z0-9][a-z0-9_.-]*)\.jsonl$")


class Judgement(BaseModel):
    """One decision about one sample: a line of a batch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    op: Op
    annotations: list[Annotation] | None = None
    split: Split | None = None
    group: str | None = None
    by: str
    at: str
    why: str = ""
    seconds: float | None = None

    @model_validator(mode="after")
    def _has_its_payload(self) -> Judgement:
        needs = {"label": self.annotations, "split": self.split, "group": self.group}
        if self.op in needs and needs[self.op] is None:
            field = "annotations" if self.op == "label" else self.op
            raise ValueError(f"op {self.op!r} needs {field!r}")
        return self


Batches = Sequence[tuple[str, Sequence[Judgement]]]
"""Edit batches with their names, in the order they fold."""


def batch_files(edits: Path) -> list[Path]:
    """The batches of a folder in the order they fold. EditError for a file whose name has no number."""
    files = files_in(edits, (".jsonl",), EditError)
    for file in files:
        if not NAME.match(file.name):
            raise EditError(f"{file}: not the name of an edit batch", hint="name it NNNN-source.jsonl")
    return sorted(files, key=lambda f: (int(f.name.split("-", 1)[0]), f.name))


def read_batches(edits: Path) -> list[tuple[str, list[Judgement]]]:
    """Every batch with its name, in fold order. EditError names the file and the line."""
    return [(file.stem, read_batch(file)) for file in batch_files(edits)]


def read_batch(file: Path) -> list[Judgement]:
    """The judgements of one batch, in their order. EditError names the line."""
    return [_parse(line, f"{file}, line {n}") for n, line in json_lines(read_text(file, EditError))]


def _parse(line: str, where: str) -> Judgement:
    if line.startswith(CONFLICT):
        raise EditError(
            f"{where}: a conflict that git left",
            hint="keep both sides, each as a batch of its own: `git show :2:FILE`, `git show :3:FILE`",
        )
    try:
        return Judgement.model_validate_json(line)
    except ValidationError as error:
        raise EditError(f"{where}: {reason(error)}") from None


def answers_to(batches: Batches, ops: Sequence[Op] = ANSWERS) -> Counter[str]:
    """Number of judgements of each image with one of `ops`."""
    return Counter(judgement.id for _, batch in batches for judgement in batch if judgement.op in ops)


def is_of_person(by: str) -> bool:
    """Whether `by` names a person, or an annotator that stands for one; not a program that derives labels."""
    return by != CONSENSUS and not by.endswith(AUDIT)


def judges(batches: Batches) -> dict[str, list[str]]:
    """{image: `by` of each of its answers, in the order of the fold}."""
    found: dict[str, list[str]] = {}
    for _, batch in batches:
        for judgement in batch:
            if judgement.op in ANSWERS:
                found.setdefault(judgement.id, []).append(judgement.by)
    return found


def with_hash(source: str, judgements: Sequence[Judgement]) -> str:
    """A source with a hash of the judgements: batches that two clones write at the same time differ in their names."""
    text = "\n".join(judgement.model_dump_json() for judgement in judgements)
    return f"{source}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def write_batch(edits: Path, source: str, judgements: Iterable[Judgement]) -> Path:
    """Write the next batch and return its path. Existing batches stay untouched; each gets its own number.

    Two people who write batches in two clones at the same time may use the same number. Their files differ in the
    source part of the name, so that git sees no conflict, and fold in the order of their names.
    """
    rows = [j.model_dump_json(exclude_none=True, exclude_defaults=True) for j in judgements]
    if not rows:
        raise EditError("an edit batch without judgements is not written")
    slug = re.sub(r"[^a-z0-9_.-]+", "-", source.lower()).strip("-.") or "edits"
    return write_numbered(edits, lambda: batch_files(edits), slug, ("\n".join(rows) + "\n").encode())
