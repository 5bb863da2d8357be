"""The contract of a format: see assay.formats. Checks that need images run on a source of the project."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from assay.contracts import Check, require
from assay.data.records import Record
from assay.errors import ParamsError
from assay.params import Source


def it_has_options(plugin: ModuleType) -> None:
    """Options is a pydantic model that refuses unknown keys, and there is read(source, root)."""
    require(plugin.__doc__, "it has no docstring: it tells users what the format reads")
    require(isinstance(getattr(plugin, "Options", None), type), "there is no class Options")
    require(issubclass(plugin.Options, BaseModel), "Options is no pydantic model")
    require(
        plugin.Options.model_config.get("extra") == "forbid",
        "Options takes unknown keys: derive it from Section",
    )
    require(callable(getattr(plugin, "read", None)), "there is no read(source, root)")


def records_are_in_order(plugin: ModuleType, source: Source, root: Path) -> None:
    """Records are sorted by path; paths are unique and relative; each record has either a file or bytes."""
    records = list(plugin.read(source, root))
    require(records, "it reads nothing")
    require(all(isinstance(record, Record) for record in records), "it yields something that is no Record")
    out_of = next((after.path for before, after in pairwise(records) if before.path >= after.path), None)
    require(out_of is None, f"{out_of!r} is out of order: sort by path, each path once")
    for record in records:
        require(
            (record.file is None) != (record.data is None), f"{record.path}: neither or both of file and data"
        )
        require(not record.path.startswith("/"), f"{record.path} is not relative")


def it_reads_the_same_again(plugin: ModuleType, source: Source, root: Path) -> None:
    """A second reading gives the same records."""
    require(
        list(plugin.read(source, root)) == list(plugin.read(source, root)),
        "the second reading gives other records",
    )


def it_refuses_misspelt_options(plugin: ModuleType, source: Source, root: Path) -> None:
    """A misspelt option is refused with ParamsError, which names the source and the key."""
    wrong = source.model_copy(update={"options": {"imagez": 3}})
    try:
        list(plugin.read(wrong, root))
    except ParamsError as error:
        named = f"source {source.name!r}" in str(error) and "options.imagez" in str(error)
        require(named, f"the refusal does not name the source and the key: {error}")
        return
    require(False, "it accepts an unknown option: use options_of(source, Options)")


CHECKS: tuple[Check, ...] = (it_has_options,)
ON_A_SOURCE = (records_are_in_order, it_reads_the_same_again, it_refuses_misspelt_options)
