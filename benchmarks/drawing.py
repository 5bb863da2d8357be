"""The drawing editor: outlines from boxes compared with masks of people, and frames on a crowded image.

`--masks DIR` names a folder with `images` and `after`, maps of numbers, such as `dsb2018-dev`. Boxes are those of the
masks, and the same with each side off by up to OFF of it, uniformly. Every third image was used to choose the constants
of `inside.js`, and is left out. All runs in headless Chromium, which rasterizes in software.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import assay.web
from assay.data import masks
from assay.data.annotations import Box
from assay.data.outlines import RLE
from benchmarks.browser import Tab, tab
from benchmarks.figures import Figure
from benchmarks.subjects import Measured, Setting

STATIC = Path(assay.web.__file__).parent / "static"
OFF = 0.1
TUNED = 3
"""Every so many-th image served to choose constants."""
RESAMPLES = 2000
WIDTH, HEIGHT, POLYGONS, MASKS = 2000, 1500, 300, 50
MOVES = 120
SLOW = 50.0
"""ms of a frame that a person sees as a jerk."""

Gray = NDArray[np.uint8]
Row = dict[str, Any]


def measure(setting: Setting) -> Measured:
    with tab(setting.folder / "browser") as page, served(STATIC) as address:
        page.ask("Page.navigate", url=f"{address}/draw/")  # a list of files: a page without scripts
        page.until("document.readyState === 'complete' && location.pathname === '/draw/'")
        speed = list(frames(page, setting))
        rows = [] if setting.masks is None else outlines(page, setting.masks, setting)
    return [*speed, *figures(rows)], {"outlined": rows}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


# --- outlines from boxes

OUTLINE = """(async () => {
  const {inside} = await import("/draw/inside.js"), bitmap = await createImageBitmap(await (await fetch(%s)).blob());
  const {width, height} = bitmap, times = [];
  const rles = %s.map(box => {
    const start = performance.now(), found = inside(bitmap, box, width, height);
    times.push(performance.now() - start);
    return found?.toRLE(height, width) ?? null;
  });
  return [rles, times];
})()"""


def outlines(page: Tab, home: Path, setting: Setting) -> list[Row]:
    """A row for each way to an outline and kind of box: mean IoU with the masks, over nuclei, and its interval."""
    names = sorted(file.name for file in (home / "after").glob("*.png"))
    names = [name for n, name in enumerate(names) if n % TUNED][: 3 if setting.quick else None]
    rng, found, times = np.random.default_rng(0), [], []
    for name in names:
        image = Image.open(home / "images" / name).convert("RGB")
        truth = list(masks.by_number(np.array(Image.open(home / "after" / name)).astype(np.int64)).values())
        for kind in ("exact", "off"):
            boxes = [_moved(masks.box_of_mask(one), image.size, rng, kind) for one in truth]
            rles, took = page.run(OUTLINE % (json.dumps(_url(image)), json.dumps(boxes)))
            times += took
            gray = np.array(image.convert("L"))
            for box, one, rle in zip(boxes, truth, rles, strict=True):
                ways = {
                    "inside": rle and RLE.model_validate(rle),
                    "ellipse": ellipse(box, gray),
                    "Otsu": otsu(box, gray),
                }
                found += [(name, kind, way, _iou(said, one)) for way, said in ways.items()]
    milliseconds = [round(float(np.percentile(times, q)), 2) for q in (50, 95)]
    return [
        {"box": kind, "way": way, "milliseconds": milliseconds if way == "inside" else None}
        | _summary([row for row in found if row[1:3] == (kind, way)])
        for kind in ("exact", "off")
        for way in ("inside", "ellipse", "Otsu")
    ]


def _url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _moved(box: Box, size: tuple[int, int], rng: np.random.Generator, kind: str) -> list[float]:
    x, y, w, h = box
    if kind == "exact":
        return [x, y, w, h]
    left, right = x + rng.uniform(-OFF, OFF) * w, x + w + rng.uniform(-OFF, OFF) * w
    top, bottom = y + rng.uniform(-OFF, OFF) * h, y + h + rng.uniform(-OFF, OFF) * h
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    return [left, top, right - left, bottom - top]


def _iou(said: RLE | None, truth: RLE) -> float:
    return 0.0 if said is None else float(masks.iou([said], [truth])[0, 0])


def ellipse(box: Sequence[float], gray: Gray) -> RLE | None:
    """The ellipse in a box."""
    x, y, w, h = box
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring = np.stack([x + w / 2 * (1 + np.cos(turn)), y + h / 2 * (1 + np.sin(turn))], 1).ravel()
    return _encoded(masks.rasterized(((tuple(ring.tolist()),),), *gray.shape))


def otsu(box: Sequence[float], gray: Gray) -> RLE | None:
    """Otsu's threshold in a box: of the side that has less of the border the largest part, with its holes filled."""
    x, y, w, h = box
    place = slice(max(int(y), 0), int(np.ceil(y + h))), slice(max(int(x), 0), int(np.ceil(x + w)))
    crop = gray[place]
    counts = np.bincount(crop.ravel(), minlength=256).astype(float)
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    with np.errstate(all="ignore"):
        apart = below * (below[-1] - below) * (sums / below - (sums[-1] - sums) / (below[-1] - below)) ** 2
    above = crop > int(np.nan_to_num(apart).argmax())
    if np.concatenate([above[0], above[-1], above[:, 0], above[:, -1]]).mean() > 0.5:
        above = ~above
    parts, n = ndimage.label(above)
    if not n:
        return None
    whole = np.zeros(gray.shape, bool)
    whole[place] = ndimage.binary_fill_holes(parts == np.bincount(parts.ravel())[1:].argmax() + 1)
    return _encoded(whole)


def _encoded(mask: NDArray[np.bool_]) -> RLE | None:
    return masks.encode(mask) if mask.any() else None


def _summary(found: Sequence[tuple[str, str, str, float]]) -> Row:
    """Mean IoU over nuclei, and the 95 % interval of a bootstrap over images."""
    names = sorted({row[0] for row in found})
    groups = [np.array([row[3] for row in found if row[0] == name]) for name in names]
    sums, counts = np.array([one.sum() for one in groups]), np.array([len(one) for one in groups])
    drawn = np.random.default_rng(1).integers(0, len(names), (RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    values = np.concatenate(groups)
    return {
        "images": len(names),
        "objects": len(values),
        "iou": float(values.mean()),
        "interval": [float(bound) for bound in np.percentile(means, (2.5, 97.5))],
        "below_half": float((values < 0.5).mean()),
    }


def figures(rows: Sequence[Row]) -> list[Figure]:
    of = {(row["box"], row["way"]): row["iou"] for row in rows}
    ahead = {kind: of[kind, "inside"] - of[kind, "ellipse"] for kind in ("exact", "off") if of}
    return [
        Figure(
            f"outline from a box, {kind}: mean IoU over that of the ellipse in it", by, "at least", 0.0, ""
        )
        for kind, by in ahead.items()
    ]


# --- frames

START = """(async () => {
  const {Editor} = await import("/draw/editor.js"), host = document.body;
  host.replaceChildren();
  Object.assign(host.style, {margin: 0, height: "100vh"});
  const bitmap = await createImageBitmap(await (await fetch(%s)).blob());
  const editor = window.editor = new Editor(host, {classes: ["a", "b", "c"]});
  editor.load({bitmap, width: bitmap.width, height: bitmap.height, annotations: %s});
  editor.stage.setPointerCapture = () => {}; // of a pointer that is none
  await new Promise(done => setTimeout(done, 1000));
  const next = () => new Promise(done => requestAnimationFrame(done));
  window.timed = async (n, move) => {
    const took = [];
    for (let k = 0; k < n; k++) {
      const start = performance.now();
      move(k);
      await next(); // painted in this frame, and the next one begins when it is shown
      await next();
      took.push((performance.now() - start) / 2);
    }
    return took;
  };
  window.pointer = (what, x, y, button = 0) => editor.stage.dispatchEvent(
    new PointerEvent(what, {clientX: x, clientY: y, button, pointerId: 1, bubbles: true}));
  window.along = k => pointer("pointermove", 640 + 150 * Math.sin(k / 12), 450 + 100 * Math.cos(k / 15));
})()"""
ACTS = {
    "panning": ("pointer('pointerdown', 640, 550, 1)", "along", "pointer('pointerup', 640, 550, 1)"),
    "zooming": ("0", "k => editor.zoom(k % 40 < 20 ? 1.1 : 1 / 1.1, 640, 450)", "editor.fit()"),
    "painting with a brush of 40 px": (
        "editor.setTool('brush'); editor.brushSize = 40; pointer('pointerdown', 640, 550)",
        "along",
        "pointer('pointerup', 640, 550)",
    ),
}
"""What is done: before, at each frame k, after."""


def frames(page: Tab, setting: Setting) -> Iterator[Figure]:
    """Panning, zooming and painting on an image of WIDTH × HEIGHT px with POLYGONS and MASKS."""
    rng = np.random.default_rng(2)
    pixels = (rng.random((HEIGHT // 10, WIDTH // 10, 3)) * 255).astype(np.uint8)
    image = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    objects = [_polygon(rng) for _ in range(POLYGONS)] + [_mask(rng) for _ in range(MASKS)]
    page.run(START % (json.dumps(_url(image)), json.dumps(objects)))
    n = setting.repeats(MOVES)
    for name, (before, move, after) in ACTS.items():
        program = f"{before}; const took = await timed({n}, {move}); {after}; return took;"
        took = np.array(page.run(f"(async () => {{ {program} }})()"))
        slow = float((took > SLOW).mean())
        parts = {"frames": n, "slowest, ms": float(took.max())}
        yield Figure(f"{name}: share of frames over {SLOW:g} ms", slow, "at most", 0.0, "", parts)
        yield Figure(f"{name}: median frame", float(np.median(took)) / 1000, "at most", 0.016, "s", parts)


def _polygon(rng: np.random.Generator) -> Row:
    n = int(rng.integers(20, 60))
    turn, far = np.sort(rng.random(n)) * 2 * np.pi, rng.uniform(15, 50) * (0.8 + 0.4 * rng.random(n))
    x, y = rng.uniform(60, WIDTH - 60), rng.uniform(60, HEIGHT - 60)
    ring = np.stack([x + far * np.cos(turn), y + far * np.sin(turn)], 1).round(1)
    return {"category": "abc"[rng.integers(3)], "segmentation": [ring.ravel().tolist()]}


def _mask(rng: np.random.Generator) -> Row:
    """A flower of six leaves."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = columns - rng.uniform(150, WIDTH - 150), rows - rng.uniform(150, HEIGHT - 150)
    leaves = np.hypot(x, y) < rng.uniform(40, 120) * (1 + 0.2 * np.sin(6 * np.arctan2(y, x)))
    return {"category": "abc"[rng.integers(3)], "segmentation": masks.encode(leaves).model_dump(mode="json")}
