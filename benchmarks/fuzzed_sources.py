"""Sources of every format, as `assay export` writes them, with one damaged file of labels.

An input is the name of the format, that of the damaged file, and its bytes.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from assay import plugins
from assay.commands.export import writers
from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.images.png import encode_png
from assay.data.records import Outgoing
from benchmarks import mutations
from benchmarks.mutations import Rng

WIDTH, HEIGHT = 24, 16
CLASSES = ("cat", "dög & co")
IMAGES = (".png",)
WITH_LABELS = set(writers()) - {"imagefolder", "masks"}
"""The formats with files of labels: others have folders and images only."""


def notes() -> list[list[Annotation]]:
    """Objects of every kind, on three images: tags on the last one."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[2:9, 3:12] = True
    mask[4:6, 5:7] = False
    box = Annotation(
        category="cat", bbox=(1, 2, 3.5, 4), attributes={"difficult": True, "n": 2, "pose": "Left"}
    )
    ring = Annotation(category=CLASSES[1], segmentation=(((1, 1, 9, 1, 9, 8),),))
    parts = Annotation(category="cat", segmentation=(((0, 0, 4, 0, 4, 4),), ((8, 8, 12, 8, 12, 12),)))
    crowd = Annotation(category="cat", segmentation=masks.encode(mask), iscrowd=True)
    run_lengths = Annotation(category="cat", segmentation=masks.encode(mask))
    return [[box, ring, parts], [crowd, run_lengths], [Annotation(category=name) for name in CLASSES[:1]]]


@cache
def written() -> dict[str, tuple[dict[str, Any], dict[str, bytes]]]:
    """{format: (its source, {path: bytes})} of every format that is written."""
    return {name: _written(name) for name in writers()}


def _written(name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    data = [encode_png(np.full((HEIGHT, WIDTH), 40 * n, np.uint8)) for n in range(3)]
    held = (
        [[one for one in some if one.is_tag] for some in notes()]
        if name in ("csv", "imagefolder")
        else notes()
    )
    images = [
        Outgoing(f"a/{n}.png", partial(data.__getitem__, n), WIDTH, HEIGHT, some, ("train", "val")[n % 2])
        for n, some in enumerate(held)
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = plugins.load("formats", name).write(images, CLASSES, Path(folder))
        files = {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in sorted(Path(folder).rglob("*"))
            if file.is_file()
        }
    return {"format": made.format or name, "path": made.path, "options": made.options}, files


def make(rng: Rng) -> bytes:
    name = _pick(sorted(WITH_LABELS), rng)
    _, files = written()[name]
    path = _pick([path for path in files if not path.endswith(IMAGES)], rng)
    ways = (_bytewise, _absurd, _hostile)
    damaged = ways[int(rng.choice(3, p=(0.4, 0.5, 0.1)))](path, files[path], rng)
    return f"{name}\n{path}\n".encode() + damaged


def _bytewise(path: str, data: bytes, rng: Rng) -> bytes:
    return mutations.mutate(data, rng, mutations.TEXTS)


NUMBERS: tuple[Any, ...] = (
    -1,
    0,
    1,
    255,
    2**31,
    10**400,
    -(10**9),
    1e-200,
    1e308,
    float("nan"),
    float("inf"),
)
NAMES = ("", "..", "/", "/dev/zero", "../../../../etc/hostname", "a" * 5_000, "\0", "\x01\x1b[31m", "a\r\nb",
         "\ud800", "\U0001f600", "%00", "%2e%2e/x", "\u202egnp.1", "-1", "0x10", "1e5", "\u0663", "1_0", "null",
         "[]", "~")  # fmt: skip
NESTED: tuple[Any, ...] = (None, True, [], [[]], {}, {"": {}}, [[[1, [2]]]], list(range(2_000)))
ABSURD: tuple[Any, ...] = NUMBERS + NAMES + NESTED


def _absurd(path: str, data: bytes, rng: Rng) -> bytes:
    """Replace one to three values by absurd ones, in a text that stays valid."""
    change = _in_json if path.endswith(".json") else _in_text
    for _ in range(int(rng.integers(1, 4))):
        data = change(path, data, rng)
    return data


def _pick(values: Sequence[Any], rng: Rng) -> Any:
    return values[int(rng.integers(len(values)))]


def _in_json(path: str, data: bytes, rng: Rng) -> bytes:
    content = json.loads(data)
    _replace_one(content, rng)
    return json.dumps(content).encode()


def _replace_one(content: Any, rng: Rng) -> None:
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    if not keys:
        return
    key = _pick(keys, rng)
    if isinstance(content[key], dict | list) and content[key] and rng.random() < 0.9:
        _replace_one(content[key], rng)
    elif rng.random() < 0.2:
        del content[key]
    else:
        content[key] = _pick(ABSURD, rng)


VALUE = re.compile(rb'(?<=")[^"<>]*(?=")|(?<=>)[^<>\s][^<>]*(?=<)|(?<=[\s:,])[^\s:,<>"]+')
"""A value of XML, YAML, CSV, or a text of YOLO."""


def _in_text(path: str, data: bytes, rng: Rng) -> bytes:
    found = list(VALUE.finditer(data))
    if not found:
        return data
    at = _pick(found, rng)
    said = str(_pick(ABSURD, rng)).encode("utf-8", "surrogatepass")
    if path.endswith(".xml"):
        said = escape(said.decode("utf-8", "replace"), {'"': "&quot;"}).encode()
    return data[: at.start()] + said + data[at.end() :]


def _laughs(data: bytes) -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    head = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{entities}]>'.encode()
    return head + re.sub(rb"(<(?:name|annotations|annotation|meta)>)", rb"\1&l11;", _bare(data), count=1)


def _external(data: bytes) -> bytes:
    head = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    return head + re.sub(rb"(<(?:name|annotations|annotation|meta)>)", rb"\1&e;", _bare(data), count=1)


def _bare(data: bytes) -> bytes:
    return re.sub(rb"<\?xml.*?\?>\s*", b"", data)


def _yaml_laughs(data: bytes) -> bytes:
    anchors = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10))
    return f"l0: &l0 lol\n{anchors}names: *l9\ntrain: *l9\n".encode()


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], ...]] = {
    ".xml": (
        _laughs,
        _external,
        lambda data: b"<a>" * 100_000,
        lambda data: _bare(data).decode().encode("utf-16"),
    ),
    ".json": (
        lambda data: b"[" * 100_000,
        lambda data: b'{"a":' * 100_000,
        lambda data: b'{"images": ' + b"9" * 10_000 + b"}",
        lambda data: data[:1] + data[1:-1] * 2 + data[-1:],
        lambda data: data.decode().encode("utf-16"),
    ),
    ".yaml": (_yaml_laughs, lambda data: b"[" * 1_500, lambda data: b"train: 2024-13-45\n" + data),
}
ANY: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b"\xef\xbb\xbf" + data,
    lambda data: data.replace(b"\n", b"\r\n"),
    lambda data: data.replace(b"\n", b"\r"),
    lambda data: b"",
    lambda data: b"\0" * 100,
)


def _hostile(path: str, data: bytes, rng: Rng) -> bytes:
    made: bytes = _pick([*HOSTILE.get(Path(path).suffix, ()), *ANY], rng)(data)
    return made


def lay_out(data: bytes, folder: Path) -> dict[str, Any]:
    """Write the files of an input to a folder; the source."""
    name, path, damaged = data.split(b"\n", 2)
    source, files = written()[name.decode()]
    for file, content in (files | {path.decode(): damaged}).items():
        (folder / "s" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "s" / file).write_bytes(content)
    return source | {"path": f"s/{source['path']}"}
