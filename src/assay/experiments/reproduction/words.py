"""Text of two values, as short as shows their difference."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

LONG = 60
"""Most characters of a value."""
DIGITS = range(3, 18)
"""Significant digits of a number: the fewest for which the two differ."""


def pair(old: Any, new: Any) -> str:
    """E.g. `0.52 recorded, 0.48 now`."""
    numbers = [value for value in (old, new) if isinstance(value, float | np.floating)]
    if len(numbers) == 2:
        for digits in DIGITS:
            a, b = (f"{float(value):.{digits}g}" for value in (old, new))
            if a != b:
                return f"{a} recorded, {b} now"
    return f"{short(old)} recorded, {short(new)} now"


def short(value: Any) -> str:
    """A value as JSON; the middle of a long one is left out."""
    if isinstance(value, np.generic):
        value = value.item()
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONG else f"{text[: LONG // 2]}…{text[-LONG // 3 :]}"


def count(n: int, noun: str) -> str:
    """E.g. `1 entry`, `12 entries`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"
