"""How images get in: one file a format, chosen in params.yaml by `ingest.sources[].format`.

A format has

    Options                                   a pydantic model of `source.options`, unknown keys refused
    read(source, root) -> Iterator[Record]    sorted by path, every path once; the same at every reading
    fingerprint(source) -> str                only where there are no files to look at: changes when the
                                              images would
    write(images, classes, folder) -> Written only where it writes too (`assay export`): Outgoing images, into an
                                              empty folder that `read` finds the same in, but for what it counts as lost

What is wrong with a source as a whole is a SourceError; what is wrong with one image is ingest's to find out. An entry
that is not to be read is a record as well, which says why in `skip`: so the books of ingest hold all that is there.
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
"""What a source may call a split, in lower case -> split."""
ABSENT = (
    "mount it, or mend ingest.sources[].path in params.yaml: relative to the project's root, ~ is the home folder, "
    "$NAME is not expanded"
)

O = TypeVar("O", bound=BaseModel)  # noqa: E741


def options_of(source: Source, model: type[O]) -> O:
    """The options of a source, checked. ParamsError names the source, the key and what is valid."""
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
    """Where a source is. ParamsError if it has no path, SourceError if nothing is there."""
    if source.path is None:
        raise ParamsError(
            f"source {source.name!r} has no path",
            hint="set ingest.sources[].path in params.yaml, relative to the project's root",
        )
    if not is_there(place := locate(root, source.path)):
        raise SourceError(f"source {source.name!r}: {place} is not there", hint=ABSENT)
    return place
