"""The kinds of fuzzed input: how an input is made from a seed and a number, what reads it, which counts are checked.

A kind has `make(rng) -> bytes` and `take(data, folder) -> str`, which returns the outcome and raises AssayError
if the input is refused. Any other exception is a failure, also `Unbalanced`: something was lost or counted twice.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from assay.data import ledger
from assay.data.edits import read_batch
from assay.data.images.decode import decode, decode_resized, inspect, thumbnail
from assay.data.images.orientation import Pixels
from assay.data.labelfile import Names, ValidLabels, read_rows
from assay.errors import BadImage
from assay.layout import Layout
from assay.params import load_params, parse_params
from assay.progress import silent
from assay.stages import ingest
from benchmarks import fuzzed_sources, mutations
from benchmarks.mutations import Rng

MAX_PIXELS = 100_000_000
"""The default of ingest.max_pixels, which bounds the size of decompression bombs."""
SMALL = 1_000_000
LUMA = np.array([0.299, 0.587, 0.114])
PROJECT = Path(__file__).parents[1]
MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"),
    "GIF": ("P",),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "JPEG2000": ("L", "RGB", "RGBA", "I;16"),
}


class Unbalanced(Exception):
    """The outputs do not add up to the inputs."""


@dataclass(frozen=True)
class Kind:
    make: Callable[[Rng], bytes]
    take: Callable[[bytes, Path], str]
    count: int
    """Number of inputs of `make fuzz`."""
    together: Callable[[list[bytes], Path], None] | None = None
    """Read many inputs at once and check the counts."""


def draw(kind: str, seed: int, number: int) -> bytes:
    """The input of this number; it does not depend on earlier draws."""
    return KINDS[kind].make(np.random.default_rng([seed, sorted(KINDS).index(kind), number]))


@cache
def pictures() -> list[bytes]:
    """Valid images of every supported format, mode and encoding."""
    rng = np.random.default_rng(0)
    found = []
    for kind, modes in MODES.items():
        for mode in modes:
            image = _picture(mode, rng)
            found += [
                _encoded(image, kind, **options)
                for options in OPTIONS.get(kind, ({},))
                if _fits(mode, options)
            ]
    animated = [_picture("RGB", rng), _picture("RGB", rng)]
    return found + [
        _encoded(animated[0], k, save_all=True, append_images=animated[1:]) for k in ("GIF", "TIFF", "PNG")
    ]


EXIF = Image.Exif()
EXIF[0x112] = 6
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "JPEG": ({}, {"progressive": True}, {"exif": EXIF}, {"subsampling": 2}),
    "PNG": ({}, {"exif": EXIF}, {"transparency": 0}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "jpeg"}),
}


def _fits(mode: str, options: dict[str, Any]) -> bool:
    if "transparency" in options:
        return mode in ("1", "L", "P", "I;16")
    return options.get("compression") != "jpeg" or mode in ("L", "RGB", "CMYK")


def _picture(mode: str, rng: Rng) -> Image.Image:
    size = {"I;16": 2, "CMYK": 4, "LAB": 3, "YCbCr": 3}.get(mode)
    if size:
        return Image.frombytes(mode, (33, 21), rng.bytes(33 * 21 * size))
    return Image.fromarray(rng.integers(0, 256, (21, 33, 3), dtype=np.uint8)).convert(mode)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def make_image(rng: Rng) -> bytes:
    sound = pictures()
    data = sound[int(rng.integers(len(sound)))]
    if rng.random() < 0.05:  # two files in one
        other = sound[int(rng.integers(len(sound)))]
        data = data[: len(data) // 2] + other[len(other) // 2 :]
    data = mutations.mutate(data, rng, mutations.PICTURES, most=2)
    return mutations.mend_checksums(data, rng) if rng.random() < 0.7 else data


def take_image(data: bytes, _folder: Path) -> str:
    """Inspect an image as ingest does; every later stage must be able to read an accepted image."""
    info = inspect(data, MAX_PIXELS)
    try:
        colour = decode(data)
        grey = decode_resized(data, 32, "gray")
        thumbnail(data, 48)
        if colour.shape != (info.height, info.width, 3) or grey.shape != (32, 32, 1):
            raise Unbalanced(f"{info} came as {colour.shape}, and in grey as {grey.shape}")
        if info.format != "JPEG" and colour.size < SMALL and not _is_luma(decode(data, "gray"), colour):
            raise Unbalanced("its grey is not that of its colours")
    except BadImage as error:
        raise Unbalanced(f"accepted by ingest, and then: {error}") from None
    return info.format


def _is_luma(grey: Pixels, colour: Pixels) -> bool:
    return bool(np.abs(grey[..., 0] - colour @ LUMA).max() <= 1)


def ingest_together(inputs: list[bytes], folder: Path) -> None:
    """Ingest all as one source: each is counted once, as a sample, a duplicate or quarantined with a reason."""
    raw = folder / "raw" / "any"
    raw.mkdir(parents=True)
    for number, data in enumerate(inputs):
        (raw / f"{number:06d}.png").write_bytes(data)
    book = _ingest({"format": "imagefolder", "path": "raw"}, folder)
    sound = {data for data in inputs if _is_sound(data)}
    expected = (len(inputs), len(sound), sum(data not in sound for data in inputs))
    if (found := (book["files"], book["samples"], book["quarantined"])) != expected:
        raise Unbalanced(f"files, samples and quarantined are {found}, not {expected}")


def _is_sound(data: bytes) -> bool:
    try:
        return bool(inspect(data, MAX_PIXELS))
    except BadImage:
        return False


def _ingest(source: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Counts of one source, ingested into an empty workspace."""
    params = parse_params({"ingest": {"sources": [{"name": "s", **source}]}})
    book: dict[str, Any] = ingest.run(params, Layout(folder), silent)["sources"]["s"]
    parts = book["samples"] + book["duplicates"] + book["quarantined"] + book.get("ignored", 0)
    if book["files"] != parts or sum(book["reasons"].values()) != book["quarantined"]:
        raise Unbalanced(f"the books do not add up: {book}")
    objects = book.get("objects", {})
    if objects.get("read", 0) != sum(objects.get(kind, 0) for kind in ("taken", "fixed", "refused")):
        raise Unbalanced(f"objects do not add up: {objects}")
    return book


def take_source(data: bytes, folder: Path) -> str:
    """Ingest a source with a damaged file of labels. No other images than those of the source are read."""
    source = fuzzed_sources.lay_out(data, folder)
    book = _ingest(source, folder)
    if book["samples"] > 3:
        raise Unbalanced(f"three images, {book['samples']} taken")
    return str(source["format"])


SAMPLES = [f"{k:064x}" for k in range(1, 9)]
SOURCE = "path,label,split,group,captured_at,camera\n" + "".join(
    f"{k}.png,{'cat' if k % 2 else 'dög'},{('train', 'val', 'test', '')[k % 4]},g{k},2024-05-0{k}T12:00:00,left\n"
    for k in range(1, 9)
)
LABELS = "id,path,label,exclude,split,why,by,seconds\n" + "".join(
    f"{sample},,{'cat' if k % 2 else 'dög'},,,“why, {k}”,ada,{k}.5\n" for k, sample in enumerate(SAMPLES)
)
EDITS = "".join(
    json.dumps(
        {
            "id": s,
            "op": "label",
            "annotations": [{"category": "dög"}],
            "by": "ada",
            "at": "2024-05-01T12:00:00",
        }
    )
    + "\n"
    for s in SAMPLES
)
LEDGER = "".join(
    json.dumps({"id": s, "split": "train", "reason": "why not", "judged": 0}) + "\n" for s in SAMPLES
)
TABLES = {"source.csv": SOURCE, "labels.csv": LABELS, "0001-ada.jsonl": EDITS, "ledger.jsonl": LEDGER}


def make_table(rng: Rng) -> bytes:
    """A damaged table; its first line, the name of the table, is not mutated."""
    name = list(TABLES)[int(rng.integers(len(TABLES)))]
    return name.encode() + b"\n" + mutations.mutate(TABLES[name].encode(), rng, mutations.TEXTS)


def take_table(data: bytes, folder: Path) -> str:
    name, _, text = data.partition(b"\n")
    file = folder / name.decode()
    file.write_bytes(text)
    return {"source.csv": _take_source, "labels.csv": _take_labels}.get(file.name, _take_lines)(file)


def _take_source(file: Path) -> str:
    for k in range(1, 9):
        (file.parent / f"{k}.png").write_bytes(_grey(k))
    _ingest({"format": "csv", "path": file.name}, file.parent)
    return "CSV source"


@cache
def _grey(number: int) -> bytes:
    return _encoded(Image.new("L", (2, 2), number), "PNG")


def _take_labels(file: Path) -> str:
    """Every row of the file is accepted or listed as a problem."""
    names = Names(SAMPLES, {})
    read = read_rows(file, names, ValidLabels(frozenset({"cat", "dög"}), declared=True))
    text = io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")
    least = sum(any(row) for row in csv.reader(text)) - 1 if b'"' not in file.read_bytes() else 0
    found = len(read.rows) + len(read.problems) + read.unanswered
    if found < min(least, file.read_bytes().count(b"\n") - 1):
        raise Unbalanced(
            f"{least} rows; {len(read.rows)} taken, {len(read.problems)} named, {read.unanswered} open"
        )
    return "labels"


def _take_lines(file: Path) -> str:
    """Every line that is not empty is a judgement, or an image that was sent out."""
    lines = [line for line in file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    if file.name == "ledger.jsonl":
        folder = file.parent / "ledger"
        folder.mkdir()
        shutil.copy(file, folder / "0001-file-00000000.jsonl")
        found = sum(len(batch.rows) for batch in ledger.read(folder))
    else:
        found = len(read_batch(file))
    if found != len(lines):
        raise Unbalanced(f"{len(lines)} lines, {found} taken")
    return file.stem


ABSURD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 10**400, -(10**9), 1e-200, 1e308, float("nan"), float("inf"), ""),
    *(
        " 0",
        "~",
        "null",
        "/",
        "/dev/zero",
        "../..",
        "a" * 10_000,
        "\0",
        "\ud83d\ude00",
        [],
        [[]],
        ["2", "2"],
        [" 0"],
    ),
    *({}, {"": 1}, {"x": {"y": []}}, list(range(2000)), b"bytes", "=cmd|x", "2024-05-01"),
)


def make_params(rng: Rng) -> bytes:
    """The project's params.yaml with damaged text or absurd values."""
    text = (PROJECT / "params.yaml").read_bytes()
    if rng.random() < 0.5:
        return mutations.mutate(text, rng, mutations.TEXTS)
    content = yaml.safe_load(text)
    for _ in range(int(rng.integers(1, 4))):
        _replace_one(content, rng)
    return str(yaml.safe_dump(content, allow_unicode=True)).encode("utf-8", "surrogatepass")


def _replace_one(content: Any, rng: Rng) -> None:
    """Replace a value at a random place by an absurd one."""
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = keys[int(rng.integers(len(keys)))]
    if isinstance(content[key], (dict, list)) and content[key] and rng.random() < 0.8:
        _replace_one(content[key], rng)
    else:
        content[key] = ABSURD[int(rng.integers(len(ABSURD)))]


def take_params(data: bytes, folder: Path) -> str:
    file = folder / "params.yaml"
    file.write_bytes(data)
    load_params(file)
    return "params"


KINDS = {
    "images": Kind(make_image, take_image, 20_000, ingest_together),
    "tables": Kind(make_table, take_table, 5_000),
    "params": Kind(make_params, take_params, 5_000),
    "written": Kind(fuzzed_sources.make, take_source, 2_000),
}
