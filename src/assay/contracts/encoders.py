"""The contract of an encoder: see assay.encoders. It is loaded with its default options, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.contracts import Check, require
from assay.encoders import Encoder
from assay.errors import ParamsError

IMAGES = 6
RTOL, ATOL = 1e-3, 1e-4
"""Tolerance of a vector to the other images of its batch: kernels may sum in another order."""


def images(encoder: Encoder, n: int = IMAGES) -> NDArray[np.uint8]:
    """(n, size, size, 3 or 1) of noise."""
    shape = (n, encoder.size, encoder.size, 3 if encoder.color == "rgb" else 1)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def it_says_what_it_takes(plugin: ModuleType, options: dict[str, Any]) -> None:
    """load(options, device) gives an encoder with dim, size, color, fingerprint, machine and encode(images)."""
    require(plugin.__doc__, "it has no docstring: it tells users what the encoder computes")
    encoder = plugin.load(options, "cpu")
    for name in ("dim", "size"):
        value = getattr(encoder, name, None)
        require(isinstance(value, int) and value > 0, f"{name} is {value!r}, no positive int")
    require(getattr(encoder, "color", None) in ("rgb", "gray"), 'color is neither "rgb" nor "gray"')
    for name in ("fingerprint", "machine"):
        require(isinstance(getattr(encoder, name, None), dict), f"{name} is no dict")


def vectors_have_the_form(plugin: ModuleType, options: dict[str, Any]) -> None:
    """Vectors are float32 (n, dim), finite also for blank images, and different for different images."""
    encoder = plugin.load(options, "cpu")
    vectors = encoder.encode(images(encoder))
    wanted = (IMAGES, encoder.dim)
    require(vectors.shape == wanted, f"vectors are {vectors.shape}, not {wanted}")
    require(vectors.dtype == np.float32, f"vectors are {vectors.dtype}, not float32")
    require(np.isfinite(vectors).all(), "a vector is not finite")
    require(len(np.unique(vectors, axis=0)) == IMAGES, "different images have the same vector")
    blank = encoder.encode(np.zeros_like(images(encoder)))
    require(np.isfinite(blank).all(), "the vector of a blank image is not finite")


def the_same_images_give_the_same_bits(plugin: ModuleType, options: dict[str, Any]) -> None:
    """Loaded again, it gives bitwise the same vectors; it does not change the images."""
    first, second = (plugin.load(options, "cpu") for _ in range(2))
    batch = images(first)
    before = batch.copy()
    same = first.encode(batch).tobytes() == second.encode(batch).tobytes()
    require(same, "the second call gives other vectors for the same images")
    require(np.array_equal(batch, before), "encode() has changed the images")
    facts = [(encoder.fingerprint, encoder.machine) for encoder in (first, second)]
    require(facts[0] == facts[1], "fingerprint or machine differs after loading again")


def a_vector_is_of_its_image_alone(plugin: ModuleType, options: dict[str, Any]) -> None:
    """A vector does not depend on the other images of the batch."""
    encoder = plugin.load(options, "cpu")
    batch = images(encoder)
    together, alone = encoder.encode(batch)[2:3], encoder.encode(batch[2:3])
    require(
        np.allclose(together, alone, RTOL, ATOL),
        "the vector of an image depends on the other images of the batch",
    )


def it_refuses_misspelt_options(plugin: ModuleType, options: dict[str, Any]) -> None:
    """A misspelt option is refused with ParamsError, which names the key."""
    try:
        plugin.load({"no_such_option": 3}, "cpu")
    except ParamsError as error:
        require("no_such_option" in str(error), f"the refusal does not name the key: {error}")
        return
    require(False, "load accepts an unknown option: use options_of(NAME, Options, options)")


def _by_default(rule: Callable[[ModuleType, dict[str, Any]], None]) -> Check:
    def check(plugin: ModuleType) -> None:
        rule(plugin, {})

    check.__name__, check.__doc__ = rule.__name__, rule.__doc__
    return check


WITH_OPTIONS = (
    it_says_what_it_takes,
    vectors_have_the_form,
    the_same_images_give_the_same_bits,
    a_vector_is_of_its_image_alone,
    it_refuses_misspelt_options,
)
CHECKS: tuple[Check, ...] = tuple(map(_by_default, WITH_OPTIONS))
