"""Comparison of the options: a recommendation, or "can't tell" with the measurements that would decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.metrics.table import named

Kind = Literal["labels", "review", "model"]
TITLES: dict[Kind, str] = {"labels": "more labels", "review": "cleaner labels", "model": "the model"}
ALIKE = 100.0
"""Two options that only more than this multiple of images and seeds would distinguish count as equal."""


@dataclass(frozen=True)
class Gain:
    """Gain in the primary metric with a 95 % interval; positive is better for every metric."""

    value: float
    low: float
    high: float
    val_share: float = 0.5
    """Share of its variance due to the finite val set; the rest is due to the seeds."""

    @property
    def rounded(self) -> dict[str, float]:
        return {name: round(getattr(self, name), 6) + 0.0 for name in ("value", "low", "high")}


@dataclass(frozen=True)
class Option:
    """An option: `amount` of `unit` in `hours`, and the expected gain; None: not measured (see `remarks`)."""

    kind: Kind
    gain: Gain | None
    amount: int
    unit: str
    hours: float
    next: str
    remarks: list[str] = field(default_factory=list)
    early: Callable[[float], float] | None = None
    """Expected gain of fewer hours; None: in proportion to the time."""

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    def within(self, hours: float) -> float:
        """Expected gain of the first `hours` hours."""
        if self.gain is None:
            return 0.0
        if hours >= self.hours:
            return self.gain.value
        return self.early(hours) if self.early else self.gain.value * hours / self.hours

    @property
    def rate(self) -> float:
        """Expected gain an hour."""
        return self.gain.value / self.hours if self.gain and self.hours else 0.0

    def as_dict(self) -> dict[str, Any]:
        gain = self.gain and self.gain.rounded
        rates = gain and self.hours and {name: round(value / self.hours, 6) for name, value in gain.items()}
        return {
            **{name: getattr(self, name) for name in ("kind", "title", "amount", "unit", "next", "remarks")},
            "hours": round(self.hours, 4),
            "gain": gain,
            "per_hour": rates or None,
        }


def judge(
    options: Sequence[Option], metric: str, hours: float, val: int, seeds: int, label_seconds: float
) -> dict[str, Any]:
    """{kind: recommend | can't tell, option, text, tell}.

    An option is recommended if the lower end of its interval is above 0 and above the expected gain of every other
    option in the same time.
    """
    held = [option for option in options if option.gain]
    if not held:
        return {"kind": "can't tell", "option": None, "text": "Nothing here could be measured.", "tell": ""}
    time = f"the next {'hour' if hours == 1 else f'{hours:g} hours'}"
    order = ranked(held)
    for top in order:
        second, rival = _rival(top, held)
        if _gain(top).low > rival:
            return {
                "kind": "recommend",
                "option": top.kind,
                "text": _advice(top, second, metric, hours, time),
                "tell": "",
            }
    top = order[0]
    second, rival = _rival(top, held)
    said = f"{points(_gain(top), metric)} for {_bought(top, hours)}"
    text = f"Can't tell what to spend {time} on: "
    if _gain(top).value <= 0:
        text += "none of the options shows a gain."
    elif not _sure(top):
        text += f"{top.title} leads with {said}, but the interval contains 0."
    else:
        assert second is not None
        text += f"{top.title} leads with {said}, but {second.title} "
        text += f"({number(rival, metric)} expected in the same time) is not significantly behind."
    tell = would_tell(top, second, rival, val, seeds, label_seconds)
    return {"kind": "can't tell", "option": None, "text": text, "tell": tell}


def ranked(options: Sequence[Option]) -> list[Option]:
    """First the options with a significant gain, by gain an hour; then the others by gain; last those not measured."""

    def place(option: Option) -> tuple[int, float]:
        if option.gain is None:
            return 2, 0.0
        return (0, -option.rate) if _sure(option) else (1, -option.gain.value)

    return sorted(options, key=place)


def _gain(option: Option) -> Gain:
    assert option.gain is not None
    return option.gain


def _sure(option: Option) -> bool:
    return _gain(option).low > 0


def _rival(top: Option, held: Sequence[Option]) -> tuple[Option | None, float]:
    """The other option with the largest expected gain in the time of `top`, and that gain; 0 if it is a loss."""
    others = [option for option in held if option is not top]
    best = max(others, key=lambda option: option.within(top.hours), default=None)
    return best, max(0.0, best.within(top.hours)) if best else 0.0


def _advice(top: Option, second: Option | None, metric: str, hours: float, time: str) -> str:
    first = " first" if top.hours < 0.9 * hours else ""
    text = f"Spend {time}{first} on {top.title}: {points(_gain(top), metric)} for {_bought(top, hours)}"
    if second is None:
        return f"{text}."
    return f"{text}; next best, {second.title}: {number(second.within(top.hours), metric)} expected in the same time."


def _bought(option: Option, hours: float) -> str:
    short = f" ({takes(option.hours)})" if option.hours < 0.9 * hours else ""
    return f"{option.amount:,} {option.unit}{short}"


def takes(hours: float) -> str:
    """`1.5 h`, `12 min`."""
    return f"{hours:.1f} h" if hours >= 0.995 else f"{60 * hours:.0f} min"


def would_tell(
    top: Option, second: Option | None, rival: float, val: int, seeds: int, label_seconds: float
) -> str:
    """Numbers of val images and seeds for which the lower end of the first option would reach the second."""
    assert top.gain is not None
    gap, half = top.gain.value - rival, top.gain.value - top.gain.low
    against = f"{top.title} from {second.title}" if rival > 0 and second else f"{top.title} from no gain"
    if gap <= 0 or (times := (half / gap) ** 2) > ALIKE:
        return f"No reasonable effort would distinguish {against}: take the easier one, then ask again."
    if top.kind == "model":
        return f"To distinguish {against}: `assay race` runs both tracks over several seeds."
    share = top.gain.val_share
    left = 1 / times - (1 - share)
    if share > 0.5 and left > share / ALIKE:
        images = _up(val * share / left)
        hours = (images - val) * label_seconds / 3600
        return f"{_images(images, val)} ({hours:.1f} h of labelling) would distinguish {against}."
    more = f"{max(seeds + 1, round(seeds * times))} seeds instead of {seeds} (advise.seeds, advise.minutes)"
    if share < 0.2:
        return f"About {more} would distinguish {against}."
    return f"{_images(_up(val * times), val)} and {more} would distinguish {against}."


def _images(images: int, val: int) -> str:
    return f"About {images:,} labelled val images instead of {val:,}"


def points(gain: Gain, metric: str) -> str:
    """E.g. `+2.1 [+0.8, +3.4] points of accuracy`; a loss with the sign that makes plus better."""
    row = named(metric)
    value, low, high = (number(x, metric) for x in (gain.value, gain.low, gain.high))
    unit = "points of " if row.is_share else ""
    return f"{value} [{low}, {high}] {unit}{'' if row.higher_is_better else 'less '}{row.title}"


def number(value: float, metric: str) -> str:
    return named(metric).number(value, "+")


def _up(value: float) -> int:
    """Rounded up to two significant digits."""
    digits = max(len(str(int(value))) - 2, 0)
    return int(-(-value // 10**digits) * 10**digits)
