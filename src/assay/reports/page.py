"""Self-contained HTML pages from the Jinja templates in this folder: style, data and script inline, no network.

A page extends `base.html.j2` and fills its blocks `content`, `style` and `script`. Values are escaped; data for a
script goes through the filter `data`:

    {{ rows | data("rows") }}       ->  <script type="application/json" id="rows">[…]</script>
    JSON.parse(document.getElementById("rows").textContent)

Other filters: `count` (12,345), `signed` (+0.041), `estimate` (0.942 [0.928, 0.955]), `share` (4.1 %), `short`
(an id), `p` (0.042, <0.001). `named("log_loss")` is its row of `assay.metrics.table`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.metrics.table import named

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent
DASH = "–"


def render(template: str, **context: Any) -> str:
    """The page as text. `template`: a file of this folder, e.g. `diff.html.j2`; an undefined name is an error."""
    return _environment().get_template(template).render(context)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": count,
        "data": data,
        "estimate": estimate,
        "p": p_value,
        "share": share,
        "short": short,
        "signed": signed,
    }
    made.globals["named"] = named
    return made


def data(value: Any, name: str) -> Markup:
    """A JSON-able value as an inert script element; `<` is escaped, so that no text can end the element."""
    from markupsafe import Markup, escape

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup('<script type="application/json" id="{}">{}</script>').format(
        escape(name), Markup(text.replace("<", "\\u003c"))
    )


def count(value: float | None) -> str:
    return DASH if value is None else f"{value:,}"


def signed(value: float | None, digits: int = 3) -> str:
    """E.g. `+0.041`, `−0.2`; a dash for None."""
    return DASH if value is None else f"{value:+.{digits}f}".replace("-", "−")


def share(value: float | None, digits: int = 1) -> str:
    """A proportion in per cent."""
    return DASH if value is None else f"{100 * value:.{digits}f} %"


def estimate(row: Mapping[str, Any] | None, digits: int = 3, sign: bool = False) -> str:
    """E.g. `0.942 [0.928, 0.955]` from {"value", "low", "high"}; a dash for None."""
    if row is None or row.get("value") is None:
        return DASH
    shape = f"{'+' if sign else ''}.{digits}f"
    value, low, high = (f"{row[key]:{shape}}".replace("-", "−") for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def short(text: str | None, length: int = 10) -> str:
    return (text or DASH)[:length]


def p_value(value: float | None) -> str:
    """Three decimals; `<0.001` for smaller values."""
    if value is None:
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"
