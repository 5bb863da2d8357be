"""Set-up of a training from params and a table of labels: the model, its inputs, its examples."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn

from assay import plugins, tasks
from assay.data.embeddings import Embeddings
from assay.data.images.decode import GREY_MODES
from assay.data.images.placement import Canvas
from assay.data.pool import Pool
from assay.errors import ParamsError, PluginFailed
from assay.layout import Layout
from assay.models import ModelSpec, Pictures, parse_options
from assay.params import Params, Train
from assay.progress import Progress
from assay.training.augmentation import canvases
from assay.training.fit import Examples, derive
from assay.training.inputs import InputSpec, open_inputs, placement_of, to_device

STEP = 4
"""px: image sizes derived from the training images are multiples of this."""
GRID = 32
"""px: sides of a letterbox's canvas are multiples of this, as the coarsest feature maps of most networks are 1/32."""
NO_PICTURES = Pictures(0, "rgb")
"""Of a model on embeddings."""


def specify(
    params: Params, categories: list[str], layout: Layout, ids: pa.ChunkedArray
) -> tuple[ModelSpec, InputSpec]:
    """Specification of the model, and of its inputs; `ids`: of the training images."""
    model, settings = plugins.load("models", params.train.model), params.train
    if settings.scale and not getattr(model, "ANY_SIZE", False):
        valid = [name for name in plugins.names("models") if plugins.declared("models", name, "ANY_SIZE")]
        raise ParamsError(
            f"train.scale: {settings.model} takes images of one size, or resizes them itself",
            hint=f"null, or a model with ANY_SIZE: {', '.join(valid)}",
        )
    embedded = model.INPUT == "embeddings"
    fed = NO_PICTURES if embedded else pictures(settings, layout, ids)
    inputs = InputSpec(
        model.INPUT,
        fed.size,
        fed.color,
        params.embed.encoder if embedded else None,
        params.embed.options if embedded else {},
        fed.fit,
        canvas(Pool.open(layout.pool).index, ids, fed.size) if fed.fit == "letterbox" else None,
    )
    if settings.scale:
        canvases(inputs.shape, settings.scale)  # refuses a range without two sizes, before images are decoded
    dim = Embeddings.open(layout.embeddings).dim if embedded else 0
    outputs = tasks.load(params.task).outputs(categories)
    # with all defaults written out: a saved model is built with these, even if the defaults change
    options = parse_options(model.Options, settings.options, settings.model).model_dump(mode="json")
    return ModelSpec(outputs, fed.size, fed.color, dim, options), inputs


def pictures(settings: Train, layout: Layout, ids: pa.ChunkedArray) -> Pictures:
    """Size, colour and fit of the inputs: as in params; `auto` depends on the model and the training images."""
    of_images = training_pictures(Pool.open(layout.pool).index, ids)
    suited: Pictures = plugins.load("models", settings.model).suited(settings.options, of_images)
    return Pictures(
        suited.size if settings.image_size == "auto" else settings.image_size,
        suited.color if settings.color == "auto" else settings.color,
        suited.fit,
    )


def training_pictures(index: pa.Table, ids: pa.ChunkedArray) -> Pictures:
    """The median of the longer sides in a pool's `index`, as a multiple of STEP; grey if all images are grey."""
    rows = index.filter(pc.is_in(index["id"], value_set=ids.combine_chunks()))
    longer = pc.max_element_wise(rows["width"], rows["height"]).to_numpy()
    # the lower median, an integer, rounded, so that a round of labels rarely changes the model's size
    median = int(np.sort(longer)[(len(longer) - 1) // 2])
    grey = pc.all(pc.is_in(rows["mode"], value_set=pa.array(GREY_MODES))).as_py()
    return Pictures(max(STEP, STEP * round(median / STEP)), "gray" if grey else "rgb")


def canvas(index: pa.Table, ids: pa.ChunkedArray, size: int) -> Canvas:
    """Height and width of the median shape of the images, the longer one `size`, both rounded up to GRID."""
    rows = index.filter(pc.is_in(index["id"], value_set=ids.combine_chunks()))
    shapes = np.sort(pc.divide(pc.cast(rows["height"], pa.float64()), rows["width"]).to_numpy())
    shape = float(shapes[(len(shapes) - 1) // 2])
    height, width = (GRID * ceil(side * size / GRID) for side in (min(shape, 1.0), min(1 / shape, 1.0)))
    return height, width


def examples(
    table: pa.Table,
    split: str,
    categories: list[str],
    inputs: InputSpec,
    layout: Layout,
    progress: Progress,
    task: Any,
) -> Examples | None:
    """The labelled images of a split; None if there are none."""
    rows = table.filter(pc.equal(table["split"], split)).sort_by("id")
    if not len(rows):
        return None
    wanted, ids = task.targets(rows["label"].to_pylist(), categories), rows["id"].to_pylist()
    return Examples(open_inputs(inputs, ids, layout, progress), wanted, placement_of(inputs, ids, layout))


def build(params: Params, spec: ModelSpec, train: Examples) -> nn.Module:
    """The untrained model; its function `prepare`, if any, gets all training inputs once."""
    plugin = plugins.load("models", params.train.model)
    torch.manual_seed(derive(params.seed, "init"))
    model: nn.Module = plugin.build(spec)
    if hasattr(plugin, "prepare"):
        rows = np.arange(len(train))
        cuts = range(0, len(train), 4096)
        plugin.prepare(
            model, (to_device(train.inputs.batch(rows[c : c + 4096]), torch.device("cpu")) for c in cuts)
        )
    if plugins.is_own("models", params.train.model):
        _try(model, params.train.model, train)
    return model


def _try(model: nn.Module, name: str, train: Examples) -> None:
    """Run a plug-in model on two inputs. PluginFailed if it raises: errors of torch's layers don't name the file."""
    batch = to_device(train.inputs.batch(np.arange(min(2, len(train)))), torch.device("cpu"))
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            model.eval()(batch)
    except Exception as error:
        raise plugins.at_fault(error) or PluginFailed(
            f"plugins/models/{name}.py: its model fails on a batch {tuple(batch.shape)}: {error}",
            hint=f"`assay check-plugin plugins/models/{name}.py` checks it alone; ASSAY_DEBUG=1 shows the traceback",
        ) from error
    model.train()
