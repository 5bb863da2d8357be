"""Reads YAML files of users and DVC: a mapping, or an error in one line with file and place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from assay.data.text import read_text
from assay.errors import AssayError

MOST = 1_000_000
"""Most values in a file: nested anchors can expand a few lines beyond the memory."""


def read_yaml(file: Path, failure: type[AssayError], loader: Any = yaml.SafeLoader) -> dict[Any, Any]:
    """The mapping in a file; {} if the file is empty. Raises `failure` if it is not YAML, or not a mapping."""
    text = read_text(file, failure)
    try:
        value = yaml.load(text, Loader=loader)
        wrong = next(_wrong(value), None)
    except yaml.YAMLError as error:
        raise failure(f"{file} is not valid YAML: {error}") from None
    except RecursionError:
        raise failure(f"{file} is not valid YAML: nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:  # a date of month 13
        raise failure(f"{file} is not valid YAML: a value is impossible: {error}") from None
    if wrong is not None:
        raise failure(f"{file}: {wrong}")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise failure(f"{file}: it is a {type(value).__name__}, not a mapping (`key: value` lines)")
    return value


def _wrong(value: Any) -> Iterator[str]:
    """Errors of a value: characters that files and databases refuse, or more than MOST values."""
    for n, (key, text) in enumerate(_texts(value)):
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            yield f"{key} has an invalid character: {text[:60]!a}"
        if n > MOST:
            yield f"more than {MOST:,} values"


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, text) of every leaf of a value; the text is empty for other types."""
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(one, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if isinstance(value, str) else ""
