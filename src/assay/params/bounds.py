"""Ranges and types of values, and messages for invalid ones.

Every number has a lower and an upper limit: without, a typing error (`10**9`, `1e-200`) could hang, or fail hours
later. The limits are far outside sensible values and are no recommendation.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from assay.errors import ParamsError

SHOWN = 60
"""Most characters shown of a wrong value."""
GIVEN = " (given: "
KIND = re.compile(r"[\[(]|^(int|float|str|bool|none)$")
N = TypeVar("N", int, float)
S = TypeVar("S", bound=BaseModel)


def within(low: float, high: float, above: bool = False, below: bool = False) -> AfterValidator:
    """Validator of low ≤ value ≤ high; `above`: value > low, `below`: value < high."""
    first = f"above {low:,}" if above else f"from {low:,}"
    valid = f"{first} {'and below' if below else 'to'} {high:,}"

    def check(value: N) -> N:
        if low < value < high or (value == low and not above) or (value == high and not below):
            return value
        raise ValueError(f"valid: {valid}")

    return AfterValidator(check)


def _each_once(values: list[Any]) -> list[Any]:
    if twice := [value for n, value in enumerate(values) if value in values[:n]]:
        raise ValueError(f"{twice[0]!r} occurs twice")
    return values


def _trimmed(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError("a name must not have control characters, or spaces at its ends")
    return text


EACH_ONCE = AfterValidator(_each_once)
Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_trimmed)]
Fraction = Annotated[float, within(0, 1)]
Seed = Annotated[int, within(0, 2**32 - 1)]
Count = Annotated[int, within(1, 1_000_000_000)]
"""Images, labels."""
Rounds = Annotated[int, within(1, 100_000)]
"""Repetitions: epochs, steps, rounds."""
Repeats = Annotated[int, within(2, 1000)]
"""Independent repetitions: seeds."""
Rows = Annotated[int, within(1, 65_536)]
"""Rows of a batch, which is in memory at once."""
Hours = Annotated[float, within(0, 100_000, above=True)]
Seconds = Annotated[float, within(0, 1_000_000_000, above=True)]


class Section(BaseModel):
    """Frozen and strict: a misspelt key, or `1e-3` (a string in YAML), is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def explain(error: Any) -> str:
    """Message for one wrong value, from an entry of `ValidationError.errors()`."""
    given = error["input"]
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["type"] == "float_type" and isinstance(given, str):
        return f"{given!r} is text in YAML: write 1.0e-3, not 1e-3"
    if error["type"] == "string_type" and isinstance(given, int | float):
        return f'{given!r} is not text in YAML: write "{given}"'
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "valid:")
    return said if isinstance(given, dict | list) else f"{said}{GIVEN}{shortened(given)})"


def shortened(value: object) -> str:
    """A value as shown in an error."""
    if isinstance(value, int) and abs(value) >= 10**SHOWN:  # Python refuses to write the longest
        return f"a number of more than {SHOWN} digits"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


DOCUMENTED = (
    "every key is documented in the params.yaml of assay's repository, and in its reference (`make docs`)"
)


def complaints(error: ValidationError, prefix: str = "") -> list[str]:
    """One line for each wrong value: its key, and what is valid."""
    said: dict[str, list[str]] = {}
    for one in error.errors(include_url=False):
        # pydantic's names of the members of a union, `int`, `literal['auto']`, are not part of the key
        loc = [part for part in one["loc"] if not KIND.search(str(part))]
        key = ".".join(map(str, loc))
        said.setdefault(key and f"{key}: ", []).append(explain(one))
    return [f"{prefix}{key}{_either(reasons)}" for key, reasons in said.items()]


def _either(reasons: list[str]) -> str:
    """The complaints of all types that a union allows, with the given value once."""
    return "; or ".join([*(reason.partition(GIVEN)[0] for reason in reasons[:-1]), reasons[-1]])


def with_changes(section: S, name: str, changed: Any) -> S:
    """A section with overrides of the command line; None: no override. ParamsError names the key."""
    given = {key: value for key, value in changed.items() if value is not None}
    try:
        return type(section).model_validate({**section.model_dump(), **given})
    except ValidationError as error:
        raise ParamsError("; ".join(complaints(error, f"{name}.")), hint=DOCUMENTED) from None
