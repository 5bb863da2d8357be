"""What `assay audit` says of outlines: each image of train and val, by a small segmenter that did not learn from it."""

from __future__ import annotations

from assay import tasks
from assay.experiments.segmented_out_of_fold import Segmented, segmented_out_of_fold
from assay.labels.masks.regions import Region, regions
from assay.labels.masks.suspicions import suspicions
from assay.labels.masks.table import Drawn, row, units
from assay.labels.objects.table import Row
from assay.layout import Layout
from assay.metrics.annotated import annotations_of
from assay.params import Params
from assay.progress import Progress, track


def judged(
    params: Params, layout: Layout, least: float, progress: Progress
) -> tuple[list[str], list[str], list[Row], int]:
    """Ids and splits of the images, rows of the suspicions from `least` on, and the segmenters trained by this call."""
    segmented = segmented_out_of_fold(params, layout, progress)
    apart = tasks.outlines(params.task) == "objects"
    drawn, found = looked_at(segmented, apart, progress)
    said = [one for one in suspicions(found, apart) if one.probability >= least]
    made = [row(one, drawn[one.region.image], segmented.categories) for one in said]
    return list(segmented.ids), list(segmented.splits), made, segmented.trained


def looked_at(segmented: Segmented, apart: bool, progress: Progress) -> tuple[list[Drawn], list[Region]]:
    """The labels of all images, and the regions of all of them."""
    place = {name: k for k, name in enumerate(segmented.categories)}
    drawn, found = [], []
    rows = enumerate(annotations_of(segmented.labels))
    for number, there in track(progress, rows, "masks", len(segmented.ids)):
        seen = segmented.seen(number)
        height, width = seen.shape[1:]
        split_up = units(there, place, height, width, apart)
        drawn.append(Drawn(segmented.ids[number], segmented.splits[number], there, split_up, height, width))
        found += regions(number, split_up, seen)
    return drawn, found
