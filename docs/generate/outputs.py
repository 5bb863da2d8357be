"""Descriptions of the columns and keys of every file that a stage writes. Types come from the schemas of the code.

A column that only the schema or only this table has is an error when the page is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from assay.data.embeddings import PAIRS
from assay.data.findings import FINDINGS
from assay.data.images.traits import NAMES
from assay.data.pool import IMPORTS, QUARANTINE, TRUTH
from assay.data.queued import QUEUE
from assay.data.shards import INDEX
from assay.data.snapshot import ANNOTATIONS, SAMPLES
from assay.data.training_set import TRAIN
from assay.labels.table import RANKED
from assay.stages.evaluate import PREDICTIONS
from assay.tasks.classification import to_table


@dataclass(frozen=True)
class Parquet:
    """A table: path, description of a row, schema, descriptions of the columns."""

    path: str
    row: str
    schema: pa.Schema
    columns: Mapping[str, str]

    def __post_init__(self) -> None:
        if odd := set(self.schema.names) ^ set(self.columns):
            raise ValueError(f"{self.path}: schema and description differ in {', '.join(sorted(odd))}")


@dataclass(frozen=True)
class Text:
    """A JSON or CSV file: path, description, descriptions of keys or columns."""

    path: str
    about: str
    keys: Mapping[str, str]


ID = "content id of the image: SHA-256 of its bytes, 64 hex digits"
SPLIT = "`train`, `val` or `test`"
NOTES = (
    "JSON list of `{category, bbox, segmentation, iscrowd, attributes}`; null: the image is not labelled; "
    "`[]`: labelled as having no object"
)
PROBABILITY = "0 to 1"
TRAITS = pa.schema({"id": pa.string(), **dict.fromkeys(NAMES, pa.float32())})
RULER = pa.schema({"id": pa.string(), "label": pa.string(), "metadata": pa.string()})
AUDIT = pa.schema([pa.field("check", pa.string()), *FINDINGS])

STAGES: dict[str, tuple[Parquet | Text, ...]] = {
    "ingest": (
        Parquet(
            "data/pool/shards/NNNNN.parquet",
            "one image of the shard NNNNN.tar, in order of arrival",
            INDEX,
            {
                "id": ID,
                "offset": "start of the image in the tar, bytes",
                "size": "length of the encoded image, bytes",
                "width": "of the upright image, px",
                "height": "of the upright image, px",
                "mode": "Pillow's name of the channels as stored: `L`, `RGB`, `CMYK` …",
                "format": "`JPEG`, `PNG` …",
            },
        ),
        Parquet(
            "data/pool/imports/NNNNN.parquet",
            "one image of a source, with labels and metadata, at one run of ingest; later rows override earlier ones",
            IMPORTS,
            {
                "id": ID,
                "source": "name of the source in `ingest.sources`",
                "path": "of the file, relative to the source",
                "annotations": NOTES,
                "split": f"{SPLIT}, or null if the source has none",
                "group": "images of one group (patient, part, video) are never in two splits; null: none",
                "captured_at": "ISO 8601; null if unknown",
                "metadata": "JSON object of text: the other columns of the source",
                "gone": "true: the image is no longer at that path",
            },
        ),
        Parquet(
            "data/pool/quarantine/NNNNN.parquet",
            "one file that was refused",
            QUARANTINE,
            {
                "source": "name of the source",
                "path": "of the file, relative to the source",
                "sha256": "of the bytes; empty if they were not read",
                "size": "bytes",
                "reason": "`truncated`, `not an image`, `too large: …` …",
            },
        ),
        Parquet(
            "data/pool/truth/NNNNN.parquet",
            "hidden truth of the demo, read by the annotator `oracle` and by benchmarks only",
            TRUTH,
            {"id": ID, "annotations": NOTES},
        ),
        Text(
            "data/code/<stage>",
            "the code that a stage runs, a dependency of the stage; data/code/assay has the version",
            {"<digest>  <file>": "a line per file of the stage's imports, as sha256sum writes it"},
        ),
        Text(
            "data/pool/report.json",
            "files = samples + duplicates + quarantined + ignored, for each source",
            {
                "sources": "{name: {files, samples, duplicates, quarantined, ignored}}, numbers of files; with "
                "`objects` {read, taken, fixed, refused} and `object_issues`, a line for each, where there are boxes "
                "or outlines"
            },
        ),
    ),
    "embed": (
        Parquet(
            "data/embeddings/NNNNN.parquet",
            "statistics of one image of shard NNNNN, of its luma (Rec. 601)",
            TRAITS,
            {
                "id": ID,
                "brightness": "mean, 0 to 1",
                "contrast": "standard deviation, 0 to 1",
                "percentile_5": "5 % of the pixels are at most this bright, 0 to 1",
                "percentile_99": "99 % of the pixels are at most this bright, 0 to 1",
                "entropy": "of the histogram, bits, 0 to 8",
                "sharpness": "deviation of the Laplacian over that of the image; sharp: 0.3 to 3",
            },
        ),
        Parquet(
            "data/embeddings/NNNNN.pairs.parquet",
            "one pair of near-duplicates",
            PAIRS,
            {
                "id": "the newer image",
                "other": "the older image",
                "similarity": "of their thumbnails, 0 to 1",
            },
        ),
        Text(
            "data/embeddings/embeddings.json",
            "the encoder; the vectors are in NNNNN.npy, (n, dim) float32, in the order of the shard",
            {
                "encoder": "name",
                "options": "of the encoder",
                "dim": "length of a vector",
                "shards": "{name: number of images}",
            },
        ),
    ),
    "curate": (
        Parquet(
            "data/snapshot/samples.parquet",
            "one image of the dataset version, sorted by id",
            SAMPLES,
            {
                "id": ID,
                "width": "px",
                "height": "px",
                "mode": "as in the pool",
                "format": "as in the pool",
                "origins": "`source:path` of every file with this content",
                "group": "or null",
                "captured_at": "ISO 8601, or null",
                "metadata": "JSON object of text",
                "split": SPLIT,
                "labelled": "true: the image has a judgement, possibly without objects",
                "excluded": "true: excluded by an edit batch, or no longer in a source with `mirror: true`",
            },
        ),
        Parquet(
            "data/snapshot/annotations.parquet",
            "one annotation, sorted by id and index",
            ANNOTATIONS,
            {
                "id": ID,
                "index": "0 for the first annotation of the image",
                "category": "class",
                "bbox": "x, y, width, height, px of the upright image; null for a label of the whole image",
                "segmentation": "JSON: polygons `[[x, y, …], …]`, a part with holes as a list of rings, the outer one "
                "first; or COCO's compressed run lengths `{size, counts}`; null",
                "iscrowd": "true: several objects in one annotation",
                "attributes": "JSON object of text, numbers and truths; null: none",
            },
        ),
        Parquet(
            "data/snapshot/ruler.parquet",
            "one image of the test set: test, labelled with one class, not excluded",
            RULER,
            {"id": ID, "label": "class", "metadata": "JSON object of text, for slices"},
        ),
        Text(
            "data/snapshot/snapshot.json",
            "digest and counts of the version",
            {
                "digest": "SHA-256 of the content, 64 hex digits; identifies the dataset version",
                "categories": "classes in the order of the model's outputs",
                "counts": "samples, excluded, labelled and unlabelled of each split, labelled of each class",
            },
        ),
    ),
    "audit": (
        Parquet(
            "data/audit/audit.parquet",
            "one finding of a check",
            AUDIT,
            {
                "check": "name of the check",
                "id": "of the image; empty for a class or a split",
                "score": "0 (worst) to 1 (fine)",
                "is_issue": "true: beyond the limit of the check",
                "reason": "text",
                "related": "id of the other image of a pair, or null",
            },
        ),
        Parquet(
            "data/audit/label_errors.parquet",
            "one judged label of train or val, the most probably wrong first; the schema's metadata has the share of "
            "wrong labels with its interval",
            RANKED,
            {
                "id": ID,
                "split": "`train` or `val`",
                "given": "the label it has",
                "suggested": "the likeliest other class",
                "score": "belief in the suggested class minus belief in the given one, −1 to 1",
                "probability": "that the given label is wrong, 0 to 1",
                "outlier": "outlier score of the image, 0 to 1; no probability",
                "flagged": "true: confident learning (cleanlab) flags the label as wrong too",
                "looks": "number of labels of the image, by sources and edit batches",
                "judgements": "number of edit batches with a judgement on the image",
                "reason": "text",
            },
        ),
        Text(
            "data/audit/audit.json",
            "a summary of each check",
            {"<check>": "{issues, samples: numbers of findings and images; worst: the first findings}"},
        ),
    ),
    "select": (
        Parquet(
            "data/selection/train.parquet",
            "one labelled image of train or val, sorted by id; the schema's metadata has digest and categories",
            TRAIN,
            {"id": ID, "split": "`train` or `val`", "label": "class", "annotations": NOTES},
        ),
        Parquet(
            "data/selection/queue.parquet",
            "one image to label next, best first",
            QUEUE,
            {
                "rank": "0 for the first",
                "id": ID,
                "score": "of the strategy; comparable within one queue and strategy only",
                "strategy": "that chose it; `ruler`: to enlarge val or test; `review`: to review its label",
                "reason": "text",
                "predicted": "class by the champion; null without one",
                "confidence": f"of that prediction, {PROBABILITY}",
                "split": SPLIT,
            },
        ),
        Text(
            "data/selection/selection.json",
            "summary of the selection",
            {
                "digest": "of train.parquet, 64 hex digits",
                "categories": "classes in the model's order",
                "counts": "labelled images of each split and class",
                "left_out": "number of images not trained on, by reason",
                "queue": "{strategy: number of images}",
                "cost": "of the queue, in the unit of `select.cost`",
                "objects_per_expected": "objects on val images per object expected, by the other half of them; "
                "n and 95 % interval; null unless `select.cost` is by objects and there is a champion",
                "strategy": "strategy of params.yaml",
                "used": "strategy that chose",
                "why": "reason if another one chose; else null",
                "evidence": "evidence of strategy `auto`; else null",
                "champion": "fingerprint of the model that scored; null without one",
            },
        ),
    ),
    "train": (
        Text(
            "outputs/model/model.json",
            "description of the weights in model.pt",
            {
                "task": "`classification`",
                "model": "name of the file in models/",
                "options": "of the model, defaults included",
                "categories": "classes, in the order of the outputs",
                "image_size": "px",
                "color": "`rgb` or `gray`",
                "embedding_dim": "length of an input vector; 0 for a model of pixels",
                "inputs": "kind, and the encoder of the vectors",
                "seed": "of the training",
                "train": "section `train` of the params",
                "selection": "digest of the training set",
                "best_epoch": "epoch of the weights",
                "epochs_run": "number of epochs",
            },
        ),
        Text(
            "outputs/history.csv",
            "one row per epoch",
            {
                "epoch": "from 1",
                "lr": "learning rate at the end of the epoch",
                "train_loss": "mean cross-entropy, nats",
                "val_loss": "mean cross-entropy, nats",
                "val_accuracy": PROBABILITY,
            },
        ),
    ),
    "evaluate": (
        Parquet(
            "outputs/predictions.parquet",
            "one image of test or val",
            pa.schema([*PREDICTIONS, *to_table(np.zeros((0, 2), np.float32), ["a", "b"]).schema]),
            {
                "id": ID,
                "split": "`val` or `test`",
                "label": "class",
                "quality": "how right, 0…1: of a classifier 1 where predicted = label, else 0",
                "predicted": "class with the largest probability",
                "confidence": f"largest probability, {PROBABILITY}",
                "probabilities": "of each class, in the model's order, sum 1",
            },
        ),
        Text(
            "outputs/metrics.json",
            "estimates {value, low, high, n}: low to high is the 95 % interval, n the number of images",
            {
                "test": "metric by metric; `per_class` and `slices` below; value null where it is not defined; of a "
                "detector `details`: the score that gives the best F1, AP by size, what each kind of error costs",
                "val": "likewise",
                "primary": "name of the metric in `track.primary`",
                "champion": "paired difference to the champion on the same test images; null without one",
            },
        ),
        Text(
            "outputs/plots/confusion.csv",
            "one row per test image, for `dvc plots show`",
            {"actual": "class", "predicted": "class"},
        ),
    ),
    "track": (
        Text(
            "outputs/tracked.json",
            "which run of MLflow this is",
            {"fingerprint": "SHA-256 of data, params, code and test set, 64 hex digits"},
        ),
    ),
}
"""Every file that the stages leave, by stage."""
