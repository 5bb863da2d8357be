"""Formats of sources, one file each, chosen in params.yaml by `ingest.sources[].format`.

A format has

    Options                                   a pydantic model of `source.options`, unknown keys refused
    read(source, root) -> Iterator[Record]    sorted by path, each path once; deterministic
    fingerprint(source) -> str                only for formats without files: changes when the images would
    write(images, classes, folder) -> Written only for formats of `assay export`: writes Outgoing images into an
                                              empty folder; `read` returns the same, apart from what is counted as lost

`read` raises SourceError for defects of the whole source; ingest finds the defects of single images. An entry that is
not read is also a record, with the reason in `skip`, so that the counts of ingest cover all entries.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from assay.errors import ParamsError, SourceError
from assay.layout import is_there, locate
from assay.params import Source
from assay.params.bounds import complaints

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Name of a split in sources, in lower case -> split."""
ABSENT = (
    "mount it, or correct ingest.sources[].path in params.yaml: relative to the project's root, ~ is the home folder, "
    "$NAME is not expanded"
)

O = TypeVar("O", bound=BaseModel)  # noqa: E741


def options_of(source: Source, model: type[O]) -> O:
    """The options of a source, validated. ParamsError names the source, the key and the valid options."""
    try:
        return model.model_validate(source.options)
    except ValidationError as error:
        raise ParamsError(
            "\n".join(
                [f"source {source.name!r} ({source.format}) is not valid:", *complaints(error, "  options.")]
            ),
            hint=f"valid options: {', '.join(model.model_fields)}; see src/assay/formats/{source.format}.py",
        ) from None


def place_of(source: Source, root: Path) -> Path:
    """The path of a source. ParamsError if it has none, SourceError if it does not exist."""
    if source.path is None:
        raise ParamsError(
            f"source {source.name!r} has no path",
            hint="set ingest.sources[].path in params.yaml, relative to the project's root",
        )
    if not is_there(place := locate(root, source.path)):
        raise SourceError(f"source {source.name!r}: {place} is not there", hint=ABSENT)
    return place
