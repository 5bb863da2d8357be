"""params.yaml as frozen, validated models: one section for each stage; unknown keys are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, ValidationInfo, model_validator

from assay import plugins
from assay.errors import ParamsError
from assay.metrics.table import OF_TASK, extend, overall
from assay.params.base import SPLITS as SPLITS
from assay.params.base import Split as Split
from assay.params.base import _plugin
from assay.params.bounds import (
    DOCUMENTED,
    EACH_ONCE,
    Count,
    Hours,
    Name,
    Repeats,
    Rounds,
    Rows,
    Seconds,
    complaints,
    within,
)
from assay.params.bounds import Fraction as Fraction
from assay.params.bounds import Section as Section
from assay.params.bounds import Seed as Seed
from assay.params.cost import ObjectCost as ObjectCost
from assay.params.effort import Effort as Effort
from assay.params.iterate import Iterate as Iterate
from assay.params.race import TUNABLE as TUNABLE
from assay.params.race import Race as Race
from assay.params.race import Range as Range
from assay.params.race import Space as Space
from assay.params.yamlfile import read_yaml


class Source(Section):
    """A source of images."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
    """Name of the source in tables and messages: lower-case letters, digits, - and _."""
    format: Annotated[str, _plugin("formats")]
    """Format of the source: a file of src/assay/formats/."""
    path: Annotated[str, Field(min_length=1)] | None = None
    """Folder or table, relative to the root of the project; ~ is expanded, $NAME is not."""
    mirror: bool = False
    """True: exclude images from the snapshot whose files are no longer in the source."""
    options: dict[str, Any] = {}
    """Options of the format: see its file."""


class Ingest(Section):
    sources: Annotated[list[Source], Field(min_length=1)]
    shard_images: Count = 10_000
    """Most images in a shard: one tar, one object in DVC's cache."""
    shard_mb: Annotated[int, within(1, 1_000_000)] = 256
    """Largest size of a shard in MiB."""
    max_pixels: Annotated[int, within(1, 2**32)] = 100_000_000
    """Images with more pixels are quarantined as decompression bombs."""
    max_mb: Annotated[int, within(1, 1_000_000)] = 512
    """Files with more MiB are quarantined unread."""

    @model_validator(mode="after")
    def _unique_names(self) -> Ingest:
        names = [source.name for source in self.sources]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two sources have the same name: {', '.join(sorted(twice))}")
        return self


class Embed(Section):
    encoder: Annotated[str, _plugin("encoders")] = "pixels"
    """Encoder of images as vectors: a file of src/assay/encoders/."""
    batch: Rows = 256
    """Images in a batch."""
    options: dict[str, Any] = {}
    """Options of the encoder: see its file."""


class SplitFractions(Section):
    train: Fraction = 0.7
    """Share of the images that come without a split; assigned by a hash of id or group, never reshuffled."""
    val: Fraction = 0.1
    """Likewise; if a source has splits and no val, the share of its training images."""
    test: Fraction = 0.2
    """Likewise."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> SplitFractions:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train + val + test must be 1, not {self.train + self.val + self.test:g}")
        return self


class Curate(Section):
    classes: Annotated[list[Name], Field(min_length=1), EACH_ONCE] | None = None
    """The declared classes in the order of the model's outputs; null: all classes of the labels, sorted."""
    splits: SplitFractions = SplitFractions()
    split_seed: Seed = 0
    """Seed of that hash: another value assigns all images anew."""
    near_duplicate: Annotated[float, within(0.5, 1, above=True)] = 0.99
    """Least similarity of near-duplicates: see src/assay/data/near_duplicates.py."""


class Audit(Section):
    checks: Annotated[list[Annotated[str, _plugin("checks")]], EACH_ONCE] = []
    """Checks to run; []: all."""
    limits: dict[str, Annotated[float, within(0, 1_000_000_000)]] = {}
    """Thresholds of the checks, by name: see src/assay/checks/images.py, label_errors.py, outliers.py …"""


class Select(Section):
    strategy: Annotated[str, _plugin("strategies")] = "margin"
    """Strategy that chooses the queue: a file of src/assay/strategies/."""
    options: dict[str, Any] = {}
    """Options of the strategy: the keyword-only arguments of its `select`."""
    budget: Count = 100
    """Size of the queue in images, or in the unit of `cost`."""
    cost: str | ObjectCost | None = None
    """Metadata column with the labelling cost of each image, or {image, object} in seconds; null: each costs 1."""
    overlap: Annotated[int, within(1, 100)] = 1
    """Number of different people (`by`) who are to judge each image of the queue: see docs/how-to/agreement.md."""
    balance: bool = False
    """True: choose images so that classes get equal numbers of labels, as the champion predicts them; of tasks with
    objects, equal numbers of objects."""
    diversity: Annotated[float, within(1, 1000)] = 1.0
    """Multiple of the budget that is clustered, to take the best image of each cluster; 1: no clustering."""
    annotator: Annotated[str, _plugin("annotators")] | None = None
    """Annotator that answers the queue; null: people, by `assay label FILE`."""
    annotator_options: dict[str, Any] = {}
    """Options of the annotator: see its file."""
    ruler_halfwidth: Annotated[float, within(0.001, 0.5, below=True)] = 0.05
    """val and test are queued first, until their 95 % intervals are within ± this."""
    review_share: Fraction | Literal["auto"] = 0.0
    """Share of the budget for reviews of labels that are probably wrong; auto: those worth more than a new label."""
    train_limit: Count | None = None
    """Most labelled training images, drawn by seed; null: all."""


def _rising(scale: list[float]) -> list[float]:
    if not scale[0] < scale[1]:
        raise ValueError("valid: a smaller number, then a larger one")
    return scale


Scales = Annotated[
    list[Annotated[float, within(0.25, 4)]], Field(min_length=2, max_length=2), AfterValidator(_rising)
]


class Train(Section):
    model: Annotated[str, _plugin("models")] = "cnn"
    """Model to train: a file of src/assay/models/."""
    options: dict[str, Any] = {}
    """Options of the model: see its file."""
    image_size: Annotated[int, within(1, 4096)] | Literal["auto"] = "auto"
    """Side of the input in px; auto: that of the model, or of the training images. Not used by a probe."""
    color: Literal["rgb", "gray", "auto"] = "auto"
    """auto: rgb if the model was made for it, or any training image has colour."""
    epochs: Rounds = 10
    """Most passes over the training images."""
    batch: Rows = 64
    """Images in an optimiser step."""
    lr: Annotated[float, within(0, 1_000_000, above=True)] = 1e-3
    """Highest learning rate of the schedule."""
    weight_decay: Annotated[float, within(0, 1000)] = 1e-2
    """Weight decay of AdamW."""
    label_smoothing: Annotated[float, within(0, 1, below=True)] = 0.0
    """Share of a target that is distributed over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: each class has the same weight in the loss, whatever its number of images."""
    augment: Literal["none", "light", "flips", "strong"] = "light"
    """Augmentation of training images: see src/assay/training/augmentation.py."""
    scale: Scales | None = None
    """Least and largest size of training batches, relative to that of the inputs: each batch is resized to a size drawn
    between them, in steps of 32 px; null: no resizing."""
    patience: Rounds = 5
    """Epochs without a better val loss after which training stops."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if available."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the computations; weights are float32."""
    threads: Annotated[int, within(1, 512)] = 2
    """CPU threads; a param because it changes the rounding of results."""


class Evaluate(Section):
    bootstrap: Annotated[int, within(100, 100_000)] = 1000
    """Number of bootstrap replicates for the intervals."""
    batch: Rows = 512
    """Images in a batch."""
    slices: Annotated[list[str], EACH_ONCE] = []
    """Metadata columns by whose values the metrics are reported separately."""


class Track(Section):
    experiment: Name = "assay"
    """Name of the experiment in MLflow."""
    primary: Annotated[str, AfterValidator(overall)] = "accuracy"
    """The metric of promotion and summaries."""
    diff: bool = True
    """Attach the result of `assay diff` with the previous run to each run; takes some seconds."""


class Advise(Section):
    """`assay advise`: what an hour costs and how much may be tried; no stage of dvc.yaml either."""

    hours: Hours = 1.0
    """Time of people to be spent, in hours."""
    seconds_per_label: Seconds = 10.0
    """Time to label one new image, in seconds."""
    seconds_per_review: Seconds = 5.0
    """Time to review one label with a suggestion, in seconds."""
    measured: bool = True
    """Instead of these two, take the medians of the recorded `seconds` of people, from 30 judgements on."""
    seconds_per_training_minute: Seconds = 60.0
    """Cost of a minute of training in seconds of people's time: 60 if someone waits for it, 6 for a tenth of that."""
    minutes: Hours = 5.0
    """Time limit of the trainings on this machine, in minutes; if it is too short for the model, a probe is used."""
    seeds: Repeats = 3
    """Trainings of each condition; fewer if `minutes` requires it."""
    trials: Annotated[int, within(2, 8)] = 6
    """Settings of the model to try; fewer likewise."""
    learner: Literal["auto", "model", "probe"] = "auto"
    """`model`: that of `train`, without time limit; `probe`: logistic regression on the embeddings; `auto`: by time."""


class Simulate(Section):
    """`assay simulate`: a replay on existing labels; no stage of dvc.yaml."""

    strategies: Annotated[list[Annotated[str, _plugin("strategies")]], EACH_ONCE] = []
    """Strategies to replay; []: all. `random` is always included."""
    options: dict[str, dict[str, Any]] = {}
    """{strategy: options}: the keyword-only arguments of its `select`."""
    budgets: Annotated[list[Count], Field(min_length=2, max_length=1000)] | None = None
    """Labels after each step; null: 10, 20, 50, 100, 200, 500 … up to half of the images of a seed."""
    seeds: Repeats = 5
    """Number of seeds; each uses another random half of the labelled train images."""
    most: Count = 20_000
    """Most images of a seed."""
    learner: Literal["probe", "model"] = "probe"
    """What is trained at each step: logistic regression on the embeddings (seconds), or the model of `train`."""
    to_accuracy: Annotated[float, within(0, 1, above=True, below=True)] | None = None
    """Accuracy for which the labels needed are reported; null: the last one of `random`."""

    @model_validator(mode="after")
    def _ascending(self) -> Simulate:
        if self.budgets and self.budgets != sorted(set(self.budgets)):
            raise ValueError(f"budgets must increase: {self.budgets}")
        return self


MOVED = ("checks", "limits")
"""Keys of `audit` that belonged to `curate` in older revisions, which must be readable for comparisons."""


class Params(Section):
    task: Annotated[str, _plugin("tasks")] = "classification"
    """Task of the labels and the model: a file of src/assay/tasks/."""
    seed: Seed = 0
    """Seed of training and of all random draws."""
    ingest: Ingest
    embed: Embed = Embed()
    curate: Curate = Curate()
    audit: Audit = Audit()
    select: Select = Select()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    track: Track = Track()
    race: Race = Race()
    advise: Advise = Advise()
    simulate: Simulate = Simulate()
    effort: Effort = Effort()
    iterate: Iterate = Iterate()

    @model_validator(mode="after")
    def _primary_is_of_the_task(self) -> Params:
        if (valid := OF_TASK.get(self.task)) and self.track.primary not in valid:
            raise ValueError(
                f"track.primary: {self.track.primary} is no metric of {self.task}; valid: {', '.join(valid)}"
            )
        return self

    @model_validator(mode="after")
    def _model_serves_the_task(self, info: ValidationInfo) -> Params:
        root = (info.context or {}).get("root", Path())
        if not plugins.serves(self.train.model, self.task, root):
            raise ValueError(
                f"train.model: {self.train.model} cannot learn the task {self.task}; "
                f"valid: {', '.join(plugins.serving(self.task, root)) or 'none'}"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _own_metrics(cls, raw: Any, info: ValidationInfo) -> Any:
        task, root = (
            raw.get("task") if isinstance(raw, dict) else None,
            (info.context or {}).get("root", Path()),
        )
        if isinstance(task, str) and plugins.is_own("tasks", task) and task in plugins.names("metrics", root):
            metrics = plugins.load("metrics", task, root)
            extend(task, metrics.METRICS, getattr(metrics, "ROWS", ()))
        return raw

    @model_validator(mode="before")
    @classmethod
    def _of_older_revisions(cls, raw: Any) -> Any:
        curate = raw.get("curate") if isinstance(raw, dict) else None
        if not isinstance(curate, dict) or not (moved := {k: v for k, v in curate.items() if k in MOVED}):
            return raw
        kept = {key: value for key, value in curate.items() if key not in MOVED}
        return {**raw, "curate": kept, "audit": {**moved, **(raw.get("audit") or {})}}


def load_params(path: Path) -> Params:
    """Read and validate params.yaml. ParamsError names the file, the key, what is wrong and what is valid."""
    if not path.exists():
        raise ParamsError(
            f"{path} is not there", hint="run assay in the root of a project, where dvc.yaml is"
        )
    return parse_params(read_yaml(path, ParamsError), where=str(path), root=path.parent)


def parse_params(raw: object, where: str = "params", root: Path = Path()) -> Params:
    """Validate parsed params of the project in `root`. ParamsError lists every wrong key, one on a line."""
    try:
        return Params.model_validate(raw, context={"root": root})
    except ValidationError as error:
        raise ParamsError(
            "\n".join([f"{where} is not valid:", *complaints(error, "  ")]),
            hint=DOCUMENTED,
        ) from None


def flatten(section: BaseModel | dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params as a flat dictionary {"train.lr": 0.001, …}; lists are values."""
    items = section.model_dump(mode="json") if isinstance(section, BaseModel) else section
    flat: dict[str, Any] = {}
    for key, value in items.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
