"""params.yaml as frozen, validated models: one section per stage, unknown keys refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from assay.errors import ParamsError
from assay.metrics.table import OF_TASK, overall
from assay.params.base import SPLITS as SPLITS
from assay.params.base import Split as Split
from assay.params.base import _plugin
from assay.params.bounds import (
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
from assay.params.race import TUNABLE as TUNABLE
from assay.params.race import Race as Race
from assay.params.race import Range as Range
from assay.params.race import Space as Space
from assay.params.yamlfile import read_yaml


class Source(Section):
    """One place images come from. `options` are the format's own and checked by it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
    """Of the source, in tables and messages: lower-case letters, digits, - and _."""
    format: Annotated[str, _plugin("formats")]
    """How it is read: a file of src/assay/formats/."""
    path: Annotated[str, Field(min_length=1)] | None = None
    """Folder or table, relative to the project's root; ~ and $NAME are expanded."""
    mirror: bool = False
    """True: an image that is in no file of the source any more is excluded from the snapshot."""
    options: dict[str, Any] = {}
    """The format's own: see its file."""


class Ingest(Section):
    sources: Annotated[list[Source], Field(min_length=1)]
    shard_images: Count = 10_000
    """Images of a shard at most: one tar, one object in DVC's cache."""
    shard_mb: Annotated[int, within(1, 1_000_000)] = 256
    """MiB of a shard at most."""
    max_pixels: Annotated[int, within(1, 2**32)] = 100_000_000
    """More than this is taken for a decompression bomb and quarantined."""
    max_mb: Annotated[int, within(1, 1_000_000)] = 512
    """A file of more MiB is quarantined unread."""

    @model_validator(mode="after")
    def _unique_names(self) -> Ingest:
        names = [source.name for source in self.sources]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two sources have the same name: {', '.join(sorted(twice))}")
        return self


class Embed(Section):
    encoder: Annotated[str, _plugin("encoders")] = "pixels"
    """What turns an image into a vector: a file of src/assay/encoders/."""
    batch: Rows = 256
    """Images encoded at once."""
    options: dict[str, Any] = {}
    """The encoder's own: see its docstring."""


class SplitFractions(Section):
    train: Fraction = 0.7
    """Share of the images that come without a split; by a hash of the id or group, so never reshuffled."""
    val: Fraction = 0.1
    """Likewise; of the training images, where a source has splits and no val."""
    test: Fraction = 0.2
    """Likewise."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> SplitFractions:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train + val + test must be 1, not {self.train + self.val + self.test:g}")
        return self


class Curate(Section):
    classes: Annotated[list[Name], Field(min_length=1), EACH_ONCE] | None = None
    """The declared classes, in the model's order; null: every class that a label names, sorted."""
    splits: SplitFractions = SplitFractions()
    split_seed: Seed = 0
    """Of that hash: another one deals the images anew."""
    near_duplicate: Annotated[float, within(0.5, 1, above=True)] = 0.99
    """Similarity of two thumbnails from which on they count as one picture: see src/assay/data/near_duplicates.py."""


class Audit(Section):
    checks: Annotated[list[Annotated[str, _plugin("checks")]], EACH_ONCE] = []
    """Which checks run; [] means all there are."""
    limits: dict[str, Annotated[float, within(0, 1_000_000_000)]] = {}
    """Thresholds of the checks, by name: see src/assay/checks/images.py, label_errors.py, outliers.py …"""


class Select(Section):
    strategy: Annotated[str, _plugin("strategies")] = "margin"
    """How the queue chooses images: a file of src/assay/strategies/."""
    options: dict[str, Any] = {}
    """The strategy's own: the keyword-only arguments of its `select`."""
    budget: Count = 100
    """Images, or what `cost` counts."""
    cost: str | None = None
    """A metadata column with what each image costs to label; null: every image costs 1."""
    balance: bool = False
    """Whether the classes, as predicted, are to have equally many labels: see src/assay/strategies/_batch.py."""
    diversity: Annotated[float, within(1, 1000)] = 1.0
    """How many times the budget is clustered, to ask about the best image of each cluster; 1: no clustering."""
    annotator: Annotated[str, _plugin("annotators")] | None = None
    """Who answers the queue; null: people, by `assay label FILE`."""
    annotator_options: dict[str, Any] = {}
    """The annotator's own: see its file."""
    ruler_halfwidth: Annotated[float, within(0.001, 0.5, below=True)] = 0.05
    """val and test are labelled first, until their 95 % intervals are at most this wide either way."""
    review_share: Fraction | Literal["auto"] = 0.0
    """How much of the budget looks again at labels that are probably wrong; auto: those worth more than a new label."""
    train_limit: Count | None = None
    """Learn from at most this many labelled images, drawn by seed; null: from all."""


class Train(Section):
    model: Annotated[str, _plugin("models")] = "cnn"
    """What is trained: a file of src/assay/models/."""
    options: dict[str, Any] = {}
    """The model's own: see its docstring."""
    image_size: Annotated[int, within(1, 4096)] | Literal["auto"] = "auto"
    """px, each side; auto: what the model was made for, or the training images' own. A probe sees no pixels."""
    color: Literal["rgb", "gray", "auto"] = "auto"
    """auto: in colour if the model was made for that, or any training image is."""
    epochs: Rounds = 10
    """Passes over the training images at most."""
    batch: Rows = 64
    """Images of an optimiser step."""
    lr: Annotated[float, within(0, 1_000_000, above=True)] = 1e-3
    """Highest learning rate of the schedule."""
    weight_decay: Annotated[float, within(0, 1000)] = 1e-2
    """Of AdamW."""
    label_smoothing: Annotated[float, within(0, 1, below=True)] = 0.0
    """Share of a target that is spread over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: each class weighs as much in the loss, however many images it has."""
    augment: Literal["none", "light", "flips", "strong"] = "light"
    """How training images are varied: see src/assay/training/augmentation.py."""
    patience: Rounds = 5
    """Epochs without a better val loss after which training stops."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if there is one."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the computations; weights are float32."""
    threads: Annotated[int, within(1, 512)] = 2
    """CPU threads: part of the params because another number gives other last bits."""


class Evaluate(Section):
    bootstrap: Annotated[int, within(100, 100_000)] = 1000
    """Replicates of the bootstrap behind the intervals."""
    batch: Rows = 512
    """Images predicted at once."""
    slices: Annotated[list[str], EACH_ONCE] = []
    """Metadata columns to break the metrics down by."""


class Track(Section):
    experiment: Name = "assay"
    """Name of the experiment in MLflow."""
    primary: Annotated[str, AfterValidator(overall)] = "accuracy"
    """The metric that promotion and the summaries look at."""
    diff: bool = True
    """Attach to a run what changed since the run before, as `assay diff` says it: some seconds."""


class Advise(Section):
    """`assay advise`: what an hour costs and how much may be tried; no stage of dvc.yaml either."""

    hours: Hours = 1.0
    """How much of somebody's time is to be spent well."""
    seconds_per_label: Seconds = 10.0
    """Of a person, to label one new image."""
    seconds_per_review: Seconds = 5.0
    """Of a person, to look again at one label, with the suggested one beside it."""
    seconds_per_training_minute: Seconds = 60.0
    """What a minute of training is worth in seconds of a person: 60 if somebody waits for it, 6 for a tenth of that."""
    minutes: Hours = 5.0
    """Of this machine, for the trainings behind the advice; too few for the model: a probe stands in."""
    seeds: Repeats = 3
    """Trainings of everything that is compared; fewer if `minutes` asks for it."""
    trials: Annotated[int, within(2, 8)] = 6
    """Settings of the model that are tried; fewer likewise."""
    learner: Literal["auto", "model", "probe"] = "auto"
    """`model`: that of `train`, whatever it costs; `probe`: logistic regression on the embeddings; `auto`: by cost."""


class Simulate(Section):
    """`assay simulate`: a replay on the labels there are; no stage of dvc.yaml either."""

    strategies: Annotated[list[Annotated[str, _plugin("strategies")]], EACH_ONCE] = []
    """Which are replayed; [] means all there are. `random` always is."""
    options: dict[str, dict[str, Any]] = {}
    """Of some strategies, by name: the keyword-only arguments of their `select`."""
    budgets: Annotated[list[Count], Field(min_length=2, max_length=1000)] | None = None
    """Labels after each step; null: 10, 20, 50, 100, 200, 500 … up to half of what a seed replays on."""
    seeds: Repeats = 5
    """Each replays on another random half of the labelled train images."""
    most: Count = 20_000
    """Images that a seed replays on at most."""
    learner: Literal["probe", "model"] = "probe"
    """Who is measured: logistic regression on the embeddings (seconds), or the model of `train`, a DVC run each."""
    to_accuracy: Annotated[float, within(0, 1, above=True, below=True)] | None = None
    """How many labels does it take to get there; null: where `random` ends."""

    @model_validator(mode="after")
    def _ascending(self) -> Simulate:
        if self.budgets and self.budgets != sorted(set(self.budgets)):
            raise ValueError(f"budgets have to ascend, each once: {self.budgets}")
        return self


class Iterate(Section):
    """`assay iterate`: no stage either."""

    rounds: Rounds = 3
    """In all; a branch that has had so many is over."""
    budget: Count | None = None
    """Answers in all; the last queue is cut to what is left. null: as many as the rounds ask for."""
    target: float | None = None
    """Stop once the whole 95 % interval of track.primary on test is at least this (log_loss, ece: at most)."""
    plateau_rounds: Rounds = 2
    """How many rounds a plateau is judged by."""
    plateau_gain: Annotated[float, within(0, 1000, above=True)] | None = 0.005
    """Stop if the last `plateau_rounds` gained less, their whole paired 95 % interval below it; null: never."""
    random_wins: bool = True
    """Stop if strategy `auto` finds its random control arm ahead of the strategy."""
    promote: bool = True
    """The model of a round, unless worse beyond the noise, chooses in the next one."""
    enough: Annotated[float, within(0, 1, above=True)] = 1.0
    """Share of the images sent that people have to answer before a round goes on; the others stay out."""


MOVED = ("checks", "limits")
"""Keys of `audit` that were `curate`'s: an older revision is compared with, hence read."""


class Params(Section):
    task: Annotated[str, _plugin("tasks")] = "classification"
    """What the labels mean and the model learns: a file of src/assay/tasks/."""
    seed: Seed = 0
    """Of training, and of everything drawn at random."""
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
    iterate: Iterate = Iterate()

    @model_validator(mode="after")
    def _primary_is_of_the_task(self) -> Params:
        if (valid := OF_TASK.get(self.task)) and self.track.primary not in valid:
            raise ValueError(
                f"track.primary: {self.track.primary} is no metric of {self.task}; valid: {', '.join(valid)}"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _of_older_revisions(cls, raw: Any) -> Any:
        curate = raw.get("curate") if isinstance(raw, dict) else None
        if not isinstance(curate, dict) or not (moved := {k: v for k, v in curate.items() if k in MOVED}):
            return raw
        kept = {key: value for key, value in curate.items() if key not in MOVED}
        return {**raw, "curate": kept, "audit": {**moved, **(raw.get("audit") or {})}}


def load_params(path: Path) -> Params:
    """Read and check params.yaml. ParamsError names the file, the key, what is wrong and what is valid."""
    if not path.exists():
        raise ParamsError(f"{path} is not there", hint="run assay in a project's root, where dvc.yaml is")
    return parse_params(read_yaml(path, ParamsError), where=str(path), root=path.parent)


def parse_params(raw: object, where: str = "params", root: Path = Path()) -> Params:
    """Check parsed params of the project in `root`. ParamsError lists every key that is wrong, one a line."""
    try:
        return Params.model_validate(raw, context={"root": root})
    except ValidationError as error:
        raise ParamsError(
            "\n".join([f"{where} is not valid:", *complaints(error, "  ")]),
            hint="every key is documented in params.yaml",
        ) from None


def flatten(section: BaseModel | dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"train.lr": 0.001, …}`: nested params as one flat dictionary, lists kept whole."""
    items = section.model_dump(mode="json") if isinstance(section, BaseModel) else section
    flat: dict[str, Any] = {}
    for key, value in items.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
