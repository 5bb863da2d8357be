"""YAML files that people write or DVC does: a mapping, or one line that says what is wrong and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from assay.data.text import read_text
from assay.errors import AssayError

MOST = 1_000_000
"""Values in one file: anchors that hold anchors make more of a few lines than there is memory for."""


def read_yaml(file: Path, failure: type[AssayError], loader: Any = yaml.SafeLoader) -> dict[Any, Any]:
    """The mapping in a file; {} if the file is empty. `failure` if it is no YAML, or another kind of value."""
    text = read_text(file, failure)
    try:
        value = yaml.load(text, Loader=loader)
        wrong = next(_wrong(value), None)
    except yaml.YAMLError as error:
        raise failure(f"{file} is not valid YAML: {error}") from None
    except RecursionError:
        raise failure(f"{file} is not valid YAML: nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:  # a date of month 13
        raise failure(f"{file} is not valid YAML: a value cannot be meant: {error}") from None
    if wrong is not None:
        raise failure(f"{file}: {wrong}")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise failure(f"{file}: the whole of it is {type(value).__name__}, not `key: value` lines")
    return value


def _wrong(value: Any) -> Iterator[str]:
    """What nobody can have meant: texts that no file or database takes, more values than there is room for."""
    for n, (key, text) in enumerate(_texts(value)):
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            yield f"{key} holds a character that no text may hold: {text[:60]!a}"
        if n > MOST:
            yield f"more than {MOST:,} values"


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(its dotted key, text) of every leaf of a value; what is no text is an empty one."""
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(one, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if isinstance(value, str) else ""
