// Pixels of one object, held in a window of the image, and their outline along the edges of pixels.

import * as runs from "./runs.js";

const SPARE = 256; // pixels by which a window grows beyond what was asked for, so that a stroke seldom enlarges it

export class Mask {
  /** Row-major `bits` (0 or 1) of the window x, y, width, height of the image. */
  constructor(x, y, width, height, bits = new Uint8Array(width * height)) {
    Object.assign(this, {x, y, width, height, bits});
  }

  /** From COCO's run lengths {size: [height, width], counts}. */
  static ofRLE({size: [height], counts}) {
    return Mask.ofRuns(runs.uncompressed(counts), height);
  }

  /** From run lengths as numbers, down columns of `height` pixels: in the smallest window. */
  static ofRuns(lengths, height) {
    let left = Infinity, top = Infinity, right = -1, bottom = -1;
    eachRun(lengths, (start, end) => {
      const first = Math.floor(start / height), last = Math.floor((end - 1) / height);
      left = Math.min(left, first), right = Math.max(right, last);
      top = Math.min(top, first < last ? 0 : start % height), bottom = Math.max(bottom, first < last ? height - 1 : (end - 1) % height);
    });
    if (right < 0) return new Mask(0, 0, 0, 0);
    const made = new Mask(left, top, right - left + 1, bottom - top + 1);
    eachRun(lengths, (start, end) => {
      let x = Math.floor(start / height) - left, y = start % height - top;
      for (let at = start; at < end; at++, y++) {
        if (y + top === height) x++, y = -top;
        made.bits[y * made.width + x] = 1;
      }
    });
    return made;
  }

  /** From polygons, as lists of rings: parts without their holes, filled by COCO's rule. */
  static ofParts(parts, height, width) {
    const filled = ring => Mask.ofRuns(runs.ofRing(ring, height, width), height);
    let all = new Mask(0, 0, 0, 0);
    for (const [outer, ...holes] of parts) {
      const part = filled(outer), without = new Mask(0, 0, 0, 0);
      all = all.including(part.without(holes.reduce((sum, hole) => sum.including(filled(hole)), without)));
    }
    return all;
  }

  at(x, y) {
    const column = x - this.x, row = y - this.y;
    return column >= 0 && row >= 0 && column < this.width && row < this.height && this.bits[row * this.width + column] === 1;
  }

  area() {
    return this.bits.reduce((sum, bit) => sum + bit, 0);
  }

  /** The same pixels in a window that holds x0…x1, y0…y1 too (ends not included). */
  grown(x0, y0, x1, y1) {
    if (!this.bits.length) return new Mask(x0, y0, x1 - x0, y1 - y0);
    const x = Math.min(x0, this.x), y = Math.min(y0, this.y);
    const made = new Mask(x, y, Math.max(x1, this.x + this.width) - x, Math.max(y1, this.y + this.height) - y);
    for (let row = 0; row < this.height; row++) {
      made.bits.set(this.bits.subarray(row * this.width, (row + 1) * this.width), (row + this.y - y) * made.width + this.x - x);
    }
    return made;
  }

  /** `grown` with pixels to spare, inside an image of width × height. */
  roomier(x0, y0, x1, y1, width, height) {
    if (x0 >= this.x && y0 >= this.y && x1 <= this.x + this.width && y1 <= this.y + this.height) return this;
    return this.grown(Math.max(x0 - SPARE, 0), Math.max(y0 - SPARE, 0), Math.min(x1 + SPARE, width), Math.min(y1 + SPARE, height));
  }

  including(other) {
    if (!other.bits.length) return this;
    const made = this.grown(other.x, other.y, other.x + other.width, other.y + other.height);
    other.each((x, y) => { made.bits[(y - made.y) * made.width + x - made.x] = 1; });
    return made;
  }

  without(other) {
    const made = new Mask(this.x, this.y, this.width, this.height, this.bits.slice());
    other.each((x, y) => { if (made.at(x, y)) made.bits[(y - made.y) * made.width + x - made.x] = 0; });
    return made;
  }

  /** Call with x, y of each pixel of the object. */
  each(call) {
    for (let y = 0, n = 0; y < this.height; y++) for (let x = 0; x < this.width; x++, n++) if (this.bits[n]) call(this.x + x, this.y + y);
  }

  /**
   * Set the pixels within `size` / 2 of the line from [x, y] to [x, y] to `value`, in place, where the window has them.
   * Returns the window that may have changed, [x, y, width, height] inside this one, or null.
   */
  stroke([ax, ay], [bx, by], size, value) {
    const snap = at => size % 2 ? Math.floor(at) + 0.5 : Math.round(at); // so that a brush of n pixels is n wide
    [ax, ay, bx, by] = [snap(ax), snap(ay), snap(bx), snap(by)];
    const radius = size / 2, dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy || 1;
    const x0 = Math.max(Math.floor(Math.min(ax, bx) - radius) - this.x, 0), x1 = Math.min(Math.ceil(Math.max(ax, bx) + radius) - this.x, this.width);
    const y0 = Math.max(Math.floor(Math.min(ay, by) - radius) - this.y, 0), y1 = Math.min(Math.ceil(Math.max(ay, by) + radius) - this.y, this.height);
    if (x0 >= x1 || y0 >= y1) return null;
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) {
      const px = this.x + x + 0.5 - ax, py = this.y + y + 0.5 - ay;
      const along = Math.min(Math.max((px * dx + py * dy) / length, 0), 1);
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius) this.bits[y * this.width + x] = value;
    }
    return [x0, y0, x1 - x0, y1 - y0];
  }

  /** COCO's run lengths on an image of height × width; null without a pixel. */
  toRLE(height, width) {
    const lengths = [];
    let last = 0, value = 0;
    const turn = at => { lengths.push(at - last), last = at, value = 1 - value; };
    for (let column = 0; column < this.width; column++) {
      const above = (this.x + column) * height + this.y;
      for (let row = 0; row < this.height; row++) if (this.bits[row * this.width + column] !== value) turn(above + row);
      if (value && (this.height < height || column === this.width - 1)) turn(above + this.height);
    }
    if (!lengths.length) return null;
    if (last < height * width) lengths.push(height * width - last);
    return {size: [height, width], counts: runs.compressed(lengths)};
  }
}

function eachRun(lengths, call) {
  for (let n = 0, at = 0; n < lengths.length; at += lengths[n++]) if (n % 2 && lengths[n]) call(at, at + lengths[n]);
}

const WAYS = [[1, 0], [0, 1], [-1, 0], [0, -1]]; // right, down, left, up
const UP = 3;

/**
 * Polygons of a mask, [[outer ring, hole, …], …], along the edges of its pixels: filled, they give the same mask. Pixels
 * that only touch at a corner belong to different parts. The same as assay/data/contours.py.
 */
export function partsOfMask(mask) {
  const {width, height} = mask, across = width + 1, inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask.bits[y * width + x] === 1;
  const leaving = new Uint8Array(across * (height + 1)), upOf = new Int32Array(leaving.length).fill(-1); // ways as bits
  for (let y = 0; y <= height; y++) for (let x = 0; x <= width; x++) {
    const here = inside(x, y), left = inside(x - 1, y), above = inside(x, y - 1), corner = inside(x - 1, y - 1);
    leaving[y * across + x] = (here && !above) | (left && !here) << 1 | (corner && !left) << 2 | (above && !corner) << 3;
  }
  const parts = [], partOf = [], loops = [];
  for (let start = 0; start < leaving.length; start++) while (leaving[start]) loops.push(follow(start));
  for (const [number, {ring, isHole, x, y}] of loops.entries()) {
    if (!isHole) partOf[number] = parts.push([ring]) - 1;
    else {
      let left = x;
      while (inside(left - 1, y - 1)) left--; // from the object's pixel above the hole to its border on the left
      partOf[number] = partOf[upOf[y * across + left]];
      parts[partOf[number]].push(ring);
    }
  }
  return parts;

  function follow(start) {
    const first = Math.log2(leaving[start] & -leaving[start]), ring = [], x0 = start % across, y0 = Math.floor(start / across);
    let at = start, way = first, turned = null;
    do {
      if (way !== turned) ring.push(at % across + mask.x, Math.floor(at / across) + mask.y);
      leaving[at] &= ~(1 << way);
      if (way === UP) upOf[at] = loops.length;
      at += WAYS[way][0] + WAYS[way][1] * across;
      turned = way;
      const right = (way + 1) % 4;
      if (at === start && right === first) break;
      if (leaving[at]) way = leaving[at] & 1 << right ? right : Math.log2(leaving[at] & -leaving[at]);
    } while (at !== start || leaving[at] & 1 << way);
    return {ring, isHole: first !== 0, x: x0, y: y0};
  }
}
