"""What a value may be: ranges, texts, and what is said of one that is outside.

Every number has both ends: without an upper one a slip of the finger (`10**9`, `1e-200`) is a hang or a traceback
hours later. The ends are far from anything that makes sense, so they are no advice.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from assay.errors import ParamsError

SHOWN = 60
"""Characters of a wrong value that are shown."""
GIVEN = " (given: "
KIND = re.compile(r"[\[(]|^(int|float|str|bool|none)$")
N = TypeVar("N", int, float)
S = TypeVar("S", bound=BaseModel)


def within(low: float, high: float, above: bool = False, below: bool = False) -> AfterValidator:
    """From `low` to `high`; `above`, `below`: without that end."""
    first = f"above {low:,}" if above else f"from {low:,}"
    valid = f"{first} {'and below' if below else 'to'} {high:,}"

    def check(value: N) -> N:
        if low < value < high or (value == low and not above) or (value == high and not below):
            return value
        raise ValueError(f"valid: {valid}")

    return AfterValidator(check)


def _each_once(values: list[Any]) -> list[Any]:
    if twice := [value for n, value in enumerate(values) if value in values[:n]]:
        raise ValueError(f"{twice[0]!r} is there twice")
    return values


def _trimmed(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError("spaces at its ends and control characters are no part of a name")
    return text


EACH_ONCE = AfterValidator(_each_once)
Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_trimmed)]
Fraction = Annotated[float, within(0, 1)]
Seed = Annotated[int, within(0, 2**32 - 1)]
Count = Annotated[int, within(1, 1_000_000_000)]
"""Images, labels."""
Rounds = Annotated[int, within(1, 100_000)]
"""Repetitions that somebody waits for: epochs, steps, rounds."""
Repeats = Annotated[int, within(2, 1000)]
"""Independent repetitions of which each is a computation of its own: seeds."""
Rows = Annotated[int, within(1, 65_536)]
"""Of a batch, which is in memory at once."""
Hours = Annotated[float, within(0, 100_000, above=True)]
Seconds = Annotated[float, within(0, 1_000_000_000, above=True)]


class Section(BaseModel):
    """Frozen and strict: a misspelt key, or `1e-3` (a string to YAML), is an error and not a surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def explain(error: Any) -> str:
    """What is wrong with one value, from an entry of `ValidationError.errors()`."""
    given = error["input"]
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["type"] == "float_type" and isinstance(given, str):
        return f"{given!r} is text to YAML: write 1.0e-3, not 1e-3"
    if error["type"] == "string_type" and isinstance(given, int | float):
        return f'{given!r} is no text to YAML: write "{given}"'
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "valid:")
    return said if isinstance(given, dict | list) else f"{said}{GIVEN}{shortened(given)})"


def shortened(value: object) -> str:
    """A value as an error shows it."""
    if isinstance(value, int) and abs(value) >= 10**SHOWN:  # Python refuses to write the longest
        return f"a number of more than {SHOWN} digits"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def complaints(error: ValidationError, prefix: str = "") -> list[str]:
    """One line for each value that is wrong: its key, and what is valid."""
    said: dict[str, list[str]] = {}
    for one in error.errors(include_url=False):
        # pydantic's name for one of several kinds of value is no part of the key: `int`, `literal['auto']`
        loc = [part for part in one["loc"] if not KIND.search(str(part))]
        said.setdefault(".".join(map(str, loc)) or "(the whole)", []).append(explain(one))
    return [f"{prefix}{key}: {_either(reasons)}" for key, reasons in said.items()]


def _either(reasons: list[str]) -> str:
    """What every kind of value that is allowed has against one; what was given is said once."""
    return "; or ".join([*(reason.partition(GIVEN)[0] for reason in reasons[:-1]), reasons[-1]])


def with_changes(section: S, name: str, changed: Any) -> S:
    """A section of params with what the command line says otherwise; None is as it was. ParamsError names the key."""
    given = {key: value for key, value in changed.items() if value is not None}
    try:
        return type(section).model_validate({**section.model_dump(), **given})
    except ValidationError as error:
        raise ParamsError(
            "; ".join(complaints(error, f"{name}.")), hint="the keys are explained in params.yaml"
        ) from None
