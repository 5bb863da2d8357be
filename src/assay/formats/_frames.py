"""Tracks of CVAT's video XML as shapes of frames, and the images of frames."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from assay.data.records import Issue
from assay.errors import SourceError
from assay.formats._cvat import Node, whole

LAST = 1_000_000
"""Largest number of a frame: nine hours of video. Tracks are read frame by frame."""
SIDES = ("xtl", "ytl", "xbr", "ybr")


class Placed(NamedTuple):
    """A shape on a frame; `wrong`: why it cannot be read."""

    frame: int
    where: str
    node: Node
    wrong: str = ""


def step_of(root: Node) -> int:
    """The frame step of a task, 1 if the XML states none."""
    found = re.search(r"step\s*=\s*(\d+)", root.findtext(".//frame_filter") or "")
    return max(1, whole(found[1]) or 1) if found else 1


def shapes_of(root: Node, name: str) -> Iterator[Placed]:
    """The visible shapes of all tracks, with those between keyframes. `name`: of the XML."""
    step = step_of(root)
    for n, track in enumerate(root.iterfind("track")):
        where = f"{name}, track {track.get('id', f'[{n}]')}"
        listed = sorted(_listed(track, where), key=lambda placed: placed.frame)
        for placed, after in pairwise([*listed, None]):
            if placed is None or placed.node.get("outside") == "1":
                continue
            yield placed
            if after is not None:
                yield from _between(placed, after, step)


def _listed(track: Node, where: str) -> Iterator[Placed]:
    """The shapes of a track, with its label. SourceError for one without a frame."""
    for node in track:
        number = node.get("frame")
        if number is None:  # an attribute of the track
            continue
        if (frame := whole(number)) is None or frame > LAST:
            raise SourceError(f"{where}: frame {number[:20]!r} is no number up to {LAST:,}")
        node.set("label", track.get("label") or "")
        yield Placed(frame, f"{where}, frame {number}", node)


def _between(one: Placed, after: Placed, step: int) -> Iterator[Placed]:
    """The shapes on the frames between two: boxes move linearly, others cannot be read."""
    for frame in range(one.frame + step, after.frame, step):
        where = f"{one.where.rpartition(' ')[0]} {frame}"
        share = (frame - one.frame) / (after.frame - one.frame)
        moved = (
            _moved(one.node, after.node, share) if after.node.get("outside") != "1" else deepcopy(one.node)
        )
        if moved is None:
            yield Placed(frame, where, one.node, f"{one.node.tag} between keyframes: it is not in the XML")
        else:
            yield Placed(frame, where, moved)


def _moved(one: Node, after: Node, share: float) -> Node | None:
    """A box that has moved a share of the way to another; None unless both are boxes with numbers."""
    if {one.tag, after.tag} != {"box"} or one.get("rotation") or after.get("rotation"):
        return None
    moved = deepcopy(one)
    try:
        for side in SIDES:
            start, end = float(one.get(side) or ""), float(after.get(side) or "")
            moved.set(side, repr(start + share * (end - start)))
    except ValueError:
        return None
    return moved


def images_of_frames(files: Iterable[Path], frames: Iterable[int], root: Node) -> dict[int, Path]:
    """Frame -> image. A number at the end of a name is the frame; or its place, if more of `frames` then have an image.

    SourceError if two images have the same number.
    """
    numbered = [(int(found[1]), file) for file in files if (found := re.search(r"(\d+)$", file.stem))]
    by_number: dict[int, Path] = {}
    for number, file in numbered:
        if (first := by_number.setdefault(number, file)) != file:
            raise SourceError(f"two images of frame {number}: {first} and {file}")
    start, step, wanted = whole(root.findtext(".//start_frame")) or 0, step_of(root), set(frames)
    places = {start + number * step: file for number, file in by_number.items()}
    return max(by_number, places, key=lambda held: len(wanted & held.keys()))


def by_frame(shapes: Iterable[Placed]) -> Mapping[int, list[Placed]]:
    """The shapes of each frame."""
    found = defaultdict[int, list[Placed]](list)
    for placed in shapes:
        found[placed.frame].append(placed)
    return found


def without_image(frames: Mapping[int, list[Placed]]) -> list[Issue]:
    """The objects on frames without an image."""
    return [
        Issue(placed.where, "its frame has no image", "refused")
        for held in frames.values()
        for placed in held
    ]
