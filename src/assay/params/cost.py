"""`select.cost` of images with objects."""

from __future__ import annotations

from typing import Annotated

from assay.params.bounds import Section, within


class ObjectCost(Section):
    """Seconds of labelling an image with objects; by default those of boxes by extreme clicking (Papadopoulos 2017)."""

    image: Annotated[float, within(0, 1_000_000, above=True)] = 10.0
    """Seconds of an image, whatever is on it."""
    object: Annotated[float, within(0, 1_000_000)] = 7.0
    """Seconds of each object; how many there are is expected from the champion's predictions."""
