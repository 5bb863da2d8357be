"""YAML files that people write or DVC does: a mapping, or one line that says what is wrong and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from assay.data.text import read_text
from assay.errors import AssayError


def read_yaml(file: Path, failure: type[AssayError], loader: Any = yaml.SafeLoader) -> dict[Any, Any]:
    """The mapping in a file; {} if the file is empty. `failure` if it is no YAML, or another kind of value."""
    text = read_text(file, failure)
    try:
        value = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise failure(f"{file} is not valid YAML: {error}") from None
    except RecursionError:
        raise failure(f"{file} is not valid YAML: nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:  # a date of month 13
        raise failure(f"{file} is not valid YAML: a value cannot be meant: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise failure(f"{file}: the whole of it is {type(value).__name__}, not `key: value` lines")
    return value
