"""The options side by side: recommend one, or say that nobody can tell, and what would tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from assay.metrics import HIGHER_IS_BETTER

Kind = Literal["labels", "review", "model"]
TITLES: dict[Kind, str] = {"labels": "more labels", "review": "cleaner labels", "model": "the model"}
ALIKE = 100.0
"""Times as many images and seeds: when it takes more than this to tell two options apart, it does not matter."""


@dataclass(frozen=True)
class Gain:
    """Of the primary metric, more is better whatever the metric; with a 95 % interval."""

    value: float
    low: float
    high: float
    val_share: float = 0.5
    """Which part of its variance comes from the finite val set; the rest is the seeds'."""

    @property
    def rounded(self) -> dict[str, float]:
        return {name: round(getattr(self, name), 6) + 0.0 for name in ("value", "low", "high")}


@dataclass(frozen=True)
class Option:
    """Something to spend the time on: `amount` of `unit` in `hours`, and what is expected of it; or why nothing is."""

    kind: Kind
    gain: Gain | None
    amount: int
    unit: str
    hours: float
    next: str
    remarks: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    def as_dict(self, hours: float) -> dict[str, Any]:
        gain = self.gain and self.gain.rounded
        told = {key: value for key, value in asdict(self).items() if key != "gain"}
        rate = gain and {name: round(value / hours, 6) for name, value in gain.items()}
        return {**told, "title": self.title, "hours": round(self.hours, 4), "gain": gain, "per_hour": rate}


def judge(
    options: Sequence[Option], metric: str, hours: float, val: int, seeds: int, label_seconds: float
) -> dict[str, Any]:
    """{kind: recommend | can't tell, option, text, tell}.

    One is recommended only if even the lower end of its interval is above zero and above what is expected of any other.
    """
    ranked = sorted((o for o in options if o.gain), key=lambda o: -o.gain.value if o.gain else 0.0)
    if not ranked:
        return {"kind": "can't tell", "option": None, "text": "Nothing here could be measured.", "tell": ""}
    top, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    assert top.gain is not None
    rival = max(0.0, second.gain.value if second and second.gain else 0.0)
    time = f"the next {'hour' if hours == 1 else f'{hours:g} hours'}"
    said = f"{points(top.gain, metric)} for {top.amount:,} {top.unit}"
    if top.gain.low > rival:
        beaten = (
            f"; next best, {second.title}: {points(second.gain, metric)}" if second and second.gain else ""
        )
        text = f"Spend {time} on {top.title}: {said}{beaten}."
        return {"kind": "recommend", "option": top.kind, "text": text, "tell": ""}
    if top.gain.value <= 0:
        text = f"Can't tell where {time} should go: none of the options shows a gain."
    elif top.gain.low <= 0:
        text = (
            f"Can't tell where {time} should go: {top.title} leads with {said}, which may be nothing at all."
        )
    else:
        assert second is not None
        assert second.gain is not None
        text = (
            f"Can't tell where {time} should go: {top.title} leads with {said}, but {second.title} "
            f"({points(second.gain, metric)}) is not clearly behind."
        )
    return {
        "kind": "can't tell",
        "option": None,
        "text": text,
        "tell": would_tell(top, second, rival, val, seeds, label_seconds),
    }


def would_tell(
    top: Option, second: Option | None, rival: float, val: int, seeds: int, label_seconds: float
) -> str:
    """How many val images and seeds would make the lower end of the first reach the second."""
    assert top.gain is not None
    gap, half = top.gain.value - rival, top.gain.value - top.gain.low
    against = f"{top.title} from {second.title}" if rival > 0 and second else f"{top.title} from nothing"
    if gap <= 0 or (times := (half / gap) ** 2) > ALIKE:
        return f"No reasonable effort would tell {against}: take what is easier, and ask again after it."
    if top.kind == "model":
        return f"To tell {against}, play it out: `assay race` runs both tracks over several seeds."
    share = top.gain.val_share
    left = 1 / times - (1 - share)
    if share > 0.5 and left > share / ALIKE:
        images = _up(val * share / left)
        hours = (images - val) * label_seconds / 3600
        return f"{_images(images, val)} ({hours:.1f} h of labelling) would tell {against}."
    more = f"{max(seeds + 1, round(seeds * times))} seeds instead of {seeds} (advise.seeds, advise.minutes)"
    if share < 0.2:
        return f"About {more} would tell {against}."
    return f"{_images(_up(val * times), val)} and {more} would tell {against}."


def _images(images: int, val: int) -> str:
    return f"About {images:,} labelled val images instead of {val:,}"


def points(gain: Gain, metric: str) -> str:
    """`+2.1 [+0.8, +3.4] points of accuracy`; the log-loss as it is, turned so that plus is better."""
    value, low, high = (number(x, metric) for x in (gain.value, gain.low, gain.high))
    unit = "points of " if metric != "log_loss" else ""
    return f"{value} [{low}, {high}] {unit}{'' if HIGHER_IS_BETTER[metric] else 'less '}{metric.replace('_', ' ')}"


def number(value: float, metric: str) -> str:
    text = f"{value:+.3f}" if metric == "log_loss" else f"{100 * value:+.1f}"
    return text.replace("-", "−")


def _up(value: float) -> int:
    """To two digits, upwards: nobody needs 1,873."""
    digits = max(len(str(int(value))) - 2, 0)
    return int(-(-value // 10**digits) * 10**digits)
