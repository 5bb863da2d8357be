"""Label Studio's results and tasks to annotations, and back. Its coordinates are percent of the image, assay's pixels.

| item of a `result`                  | becomes                                                                      |
|-------------------------------------|------------------------------------------------------------------------------|
| rectanglelabels                     | a box; a rotated one (clockwise about x, y, in *pixels*: percent would skew) |
|                                     | a polygon, unless rotated by a multiple of 90°                               |
| polygonlabels                       | a polygon                                                                    |
| brushlabels                         | run lengths (assay.formats._brush)                                           |
| rectangle, polygon, brush           | the same, with the class of the item `labels` of the same id                 |
| choices of the whole image          | a tag for each choice; metadata if the control is not in `controls`          |
| number, rating, textarea of it      | metadata                                                                     |
| these four, with the id of a region | its attribute, named after the control: `true` and `false` chosen are        |
|                                     | booleans, and `true` chosen of CROWD marks a crowd                           |
| keypoints, ellipses, videos, others | refused by name; relations are counted and left out                          |

A region without a class, with several, or drawn while the view was rotated (`image_rotation`), is refused. One beyond
its image is clipped or refused by `assay.data.annotations.fitted`. `original_width` and `original_height` tell whether
percents are of the upright or of the stored image; without them: of the upright one.

Of a task, `answers_of` gives the submitted annotations and `answer_of` the one that counts: that marked as ground
truth, otherwise the last updated. A skipped one (`was_cancelled`) is no answer, a draft is not submitted, a prediction
is no judgement. An answer with an empty `result` is one: nothing is on the image.

The inverse is in assay.formats._label_studio_written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.images.frames import Frame
from assay.data.records import Issue
from assay.formats import _brush
from assay.formats._objects import Sheet, sheet_of, size_in
from assay.formats._rotated import DIGITS, rotated
from assay.formats._shapes import without_crowd

Said = Mapping[str, Any]
Item = tuple[int, Said]
"""Place in the result, and item."""
LARGEST = 1e6
"""Percents above this, in absolute value, are refused."""


class Decoded(NamedTuple):
    """`annotations` is None if no object can be placed on the image; `metadata`: values of the whole image."""

    annotations: list[Annotation] | None
    issues: list[Issue]
    metadata: dict[str, str]


def annotations_of(
    result: Any, frame: Frame | None, where: str = "result", controls: Collection[str] = ()
) -> Decoded:
    """The annotations of a `result`, with the defects of its items.

    `frame`: of the image, None if it cannot be read. `controls`: the controls (`from_name`) whose choices are tags;
    empty: all.
    """
    if not isinstance(result, list) or not all(isinstance(item, dict) for item in result):
        return Decoded(None, [Issue(where, "result is no list of objects", "refused")], {})
    sizes = (size_in(item, "original_width", "original_height") for item in result)
    stated = next((size for size in sizes if size), None)
    held, metadata = sheet_of(frame, stated), dict[str, str]()
    for group in _by_id(result):
        regions = [(n, item) for n, item in group if _shape(item) in SHAPES]
        others = [(n, item) for n, item in group if _shape(item) not in SHAPES]
        for n, item in regions:
            _add_region(held, _place(where, n, item), item, [other for _, other in others])
        for n, item in others:
            place = _place(where, n, item)
            if not regions:
                _add_to_image(held, place, item, controls, metadata)
            elif item.get("type") not in (*VALUES, "labels"):
                held.issues.append(Issue(place, f"{item.get('type')} is not kept", "refused", 0))
    return Decoded(held.annotations, held.issues, metadata)


def _place(where: str, n: int, item: Said) -> str:
    return f"{where}, result[{n}] (id {item.get('id')})"


def _by_id(result: Sequence[Said]) -> Iterable[list[Item]]:
    """Items of one id; each without an id alone."""
    groups: dict[Any, list[Item]] = defaultdict(list)
    for n, item in enumerate(result):
        key = item.get("id")
        groups[str(key) if key else n].append((n, item))
    return groups.values()


def _shape(item: Said) -> str:
    kind = str(item.get("type", ""))
    return kind.removesuffix("labels") or kind


def _value(item: Said) -> Said:
    found = item.get("value")
    return found if isinstance(found, dict) else {}


def _add_region(held: Sheet, where: str, item: Said, others: Sequence[Said]) -> None:
    names = _names(item, others)
    if len(names) != 1:
        what = "has several classes: " + ", ".join(names) if names else "has no class"
        return held.refuse(where, f"{item['type']} {what}")
    if turn := item.get("image_rotation"):
        return held.refuse(
            where, f"drawn while the view was rotated by {turn}°: its coordinates are ambiguous"
        )
    try:
        fields = SHAPES[_shape(item)](_value(item), *held.pixels)
    except ValueError as error:
        return held.refuse(where, str(error))
    said = {str(one.get("from_name")): value for one in others if (value := _said(one)) is not None}
    return held.add(where, {"category": names[0]} | fields | without_crowd(said))


def _names(item: Said, others: Sequence[Said]) -> list[str]:
    lists = [_value(item).get(str(item["type"]))]
    lists += [_value(other).get("labels") for other in others if other.get("type") == "labels"]
    return [str(name).strip() for names in lists if isinstance(names, list) for name in names]


def _add_to_image(
    held: Sheet, where: str, item: Said, controls: Collection[str], metadata: dict[str, str]
) -> None:
    """Add an item of the whole image: tags, or metadata."""
    kind, control = str(item.get("type")), str(item.get("from_name"))
    if kind == "relation":
        held.issues.append(Issue(where, "relation is not kept", "refused", 0))
    elif kind not in VALUES:
        held.refuse(where, f"{kind} is none of {', '.join(map('{}labels'.format, SHAPES))}, choices")
    elif kind == "choices" and (not controls or control in controls):
        for name in _listed(item, "choices"):
            held.add(where, {"category": name})
    elif (value := _said(item)) is not None:
        metadata[control] = str(value)


def _listed(item: Said, key: str) -> list[str]:
    found = _value(item).get(key)
    return list(dict.fromkeys(map(str, found if isinstance(found, list) else [found] if found else [])))


def _chosen(item: Said) -> str | bool | None:
    names = _listed(item, "choices")
    return {"true": True, "false": False}.get(";".join(names), ";".join(names)) if names else None


def _text(item: Said) -> str | None:
    found = _value(item).get("text")
    return (
        "\n".join(map(str, found)) if isinstance(found, list) else found if isinstance(found, str) else None
    )


def _number(item: Said) -> float | None:
    found = _value(item).get(str(item["type"]))
    return found if isinstance(found, int | float) and abs(found) < float("inf") else None


VALUES: dict[str, Callable[[Said], str | bool | float | None]] = {
    "choices": _chosen,
    "textarea": _text,
    "number": _number,
    "rating": _number,
}
"""Type of an item -> its value, None without one."""


def _said(item: Said) -> str | bool | float | None:
    read = VALUES.get(str(item.get("type")))
    return read(item) if read else None


def _pixels(value: Any, side: int) -> float:
    """Percent of a side in pixels. ValueError for what is no number."""
    if type(value) not in (int, float) or not abs(value) <= LARGEST:
        raise ValueError(f"{value!r} is no percentage")
    return round(float(value) / 100 * side, DIGITS)


def _rectangle(value: Said, width: int, height: int) -> dict[str, Any]:
    x, w = (_pixels(value.get(key), width) for key in ("x", "width"))
    y, h = (_pixels(value.get(key), height) for key in ("y", "height"))
    turn = value.get("rotation") or 0
    if type(turn) not in (int, float) or not abs(turn) <= LARGEST:
        raise ValueError(f"rotation {turn!r} is no angle")
    return rotated((x, y, w, h), turn, (x, y))


def _polygon(value: Said, width: int, height: int) -> dict[str, Any]:
    points = value.get("points")
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in points
    ):
        raise ValueError("points are not pairs of percentages")
    return {"segmentation": [[_pixels(point[k], (width, height)[k]) for point in points for k in (0, 1)]]}


def _brush_mask(value: Said, width: int, height: int) -> dict[str, Any]:
    return {"segmentation": masks.encode(_brush.decoded(value.get("rle"), width, height))}


SHAPES: dict[str, Callable[[Said, int, int], dict[str, Any]]] = {
    "rectangle": _rectangle,
    "polygon": _polygon,
    "brush": _brush_mask,
}
"""Type of a region, without `labels` -> its fields in pixels, from its value and the size of the image."""


def answers_of(task: Said) -> list[Said]:
    """The submitted annotations of a task that are not skipped, the one that counts last."""
    given = task.get("annotations")
    listed = given if isinstance(given, list) else []
    held = [one for one in listed if isinstance(one, dict) and not one.get("was_cancelled")]
    return sorted(held, key=lambda one: (one.get("ground_truth") is True, _updated(one), str(one.get("id"))))


def answer_of(task: Said) -> Said | None:
    """The annotation of a task that counts; None if nobody has submitted one."""
    return next(reversed(answers_of(task)), None)


def _updated(one: Said) -> datetime:
    try:
        found = datetime.fromisoformat(str(one.get("updated_at") or one.get("created_at")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
