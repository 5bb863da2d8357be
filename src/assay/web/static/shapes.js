// Objects over thumbnails: fetched in blocks, as thumbnails are, and painted once each.

import {json} from "./api.js";
import {colorOf} from "./draw/colors.js";
import {partsOf} from "./draw/rings.js";
import {uncompressed} from "./draw/runs.js";
import {BLOCK} from "./thumbnails.js";

const KEPT = 16; // blocks

export class Shapes {
  // `arrived(start, end)`: the objects of these places are there
  constructor(rows, classes, arrived) {
    Object.assign(this, {rows, classes, arrived});
    this.blocks = new Map(); // number -> [{size, notes, suspect}, …]
    this.painted = new WeakMap(); // notes -> canvas
    this.asking = false;
  }

  // What is on the image at a place; undefined while it is not there.
  get(at) { return this.blocks.get(Math.floor(at / BLOCK))?.[at % BLOCK]; }

  // Fetch the blocks of these places, one after the other; what is wanted later goes first.
  async want(start, end) {
    this.wanted = [start, end];
    if (this.asking) return;
    this.asking = true;
    for (let number; (number = this.missing()) !== undefined && !this.failed;) await this.load(number);
    this.asking = false;
  }

  missing() {
    const [start, end] = this.wanted;
    for (let number = Math.floor(start / BLOCK); number * BLOCK < end; number++) if (!this.blocks.has(number)) return number;
  }

  async load(number) {
    const start = number * BLOCK;
    try {
      this.blocks.set(number, await json(`/api/objects/${this.rows.key}?start=${start}&count=${BLOCK}`));
    } catch (error) { this.failed = true; this.rows.failed(error); return; }
    if (this.blocks.size > KEPT) this.blocks.delete(this.blocks.keys().next().value);
    this.arrived(start, start + BLOCK);
  }

  // Paint objects over a thumbnail in x, y, w, h of a canvas. `notes`: others than those that came with the list.
  over(context, at, {x, y, w, h}, notes = null) {
    const known = this.get(at);
    if (!known) return;
    const shown = notes ?? known.notes;
    let canvas = this.painted.get(shown);
    if (canvas?.width !== Math.round(w) || canvas.height !== Math.round(h)) {
      canvas = new OffscreenCanvas(Math.max(1, Math.round(w)), Math.max(1, Math.round(h)));
      paint(canvas, known.size, shown, this.classes);
      this.painted.set(shown, canvas);
    }
    context.drawImage(canvas, x, y);
    if (known.suspect) mark(context, known.suspect, x, y, w / known.size[0], h / known.size[1]);
  }
}

function paint(canvas, [width, height], notes, classes) {
  const context = canvas.getContext("2d"), [sx, sy] = [canvas.width / width, canvas.height / height];
  context.lineWidth = 1.5;
  for (const {category, bbox, segmentation} of notes) {
    context.strokeStyle = context.fillStyle = colorOf(classes, category);
    if (segmentation?.counts) fillMask(context, segmentation, canvas);
    else if (segmentation) strokeRings(context, partsOf(segmentation).flat(), sx, sy);
    else if (bbox) context.strokeRect(bbox[0] * sx, bbox[1] * sy, bbox[2] * sx, bbox[3] * sy);
  }
}

function strokeRings(context, rings, sx, sy) {
  context.beginPath();
  for (const ring of rings) {
    for (let n = 0; n < ring.length; n += 2) context[n ? "lineTo" : "moveTo"](ring[n] * sx, ring[n + 1] * sy);
    context.closePath();
  }
  context.stroke();
}

// A mask by the columns of its pixels that the canvas has: run lengths go down columns.
function fillMask(context, {size: [height, width], counts}, canvas) {
  const lengths = Array.isArray(counts) ? counts : uncompressed(counts), [sx, sy] = [canvas.width / width, canvas.height / height];
  context.globalAlpha = .45;
  for (let n = 1, end = lengths[0]; n < lengths.length; n += 2) {
    const start = end, stop = start + lengths[n];
    end = stop + (lengths[n + 1] ?? 0);
    for (let from = start; from < stop;) {
      const column = Math.floor(from / height), to = Math.min(stop, (column + 1) * height), left = Math.floor(column * sx), right = Math.floor((column + 1) * sx);
      if (right > left) context.fillRect(left, (from - column * height) * sy, right - left, Math.max(1, (to - from) * sy));
      from = to;
    }
  }
  context.globalAlpha = 1;
}

// The box of what is suspected, dashed.
function mark(context, [bx, by, bw, bh], x, y, sx, sy) {
  context.save();
  context.lineWidth = 2;
  for (const [color, offset] of [["#000", 0], ["#fff", 4]]) {
    context.setLineDash([4, 4]);
    context.lineDashOffset = offset;
    context.strokeStyle = color;
    context.strokeRect(x + bx * sx - 2, y + by * sy - 2, bw * sx + 4, bh * sy + 4);
  }
  context.restore();
}
