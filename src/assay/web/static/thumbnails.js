// Thumbnails of a list, in blocks of BLOCK, as bitmaps; the last KEPT blocks are kept.

import {bytes} from "./api.js";

export const BLOCK = 64;
const KEPT = 16, AT_ONCE = 2;

export class Thumbnails {
  // `arrived(start, end)`: the bitmaps of these places are there
  constructor(rows, arrived) {
    Object.assign(this, {rows, arrived});
    this.blocks = new Map(); // number -> [bitmap or null, …]
    this.wanted = []; // numbers of blocks, the most wanted first
    this.loading = new Set();
    this.decoder = new Worker(new URL("./decoder.js", import.meta.url));
    this.decoding = new Map(); // number -> what takes the bitmaps
    this.decoder.onmessage = ({data: {number, bitmaps}}) => { this.decoding.get(number)(bitmaps); this.decoding.delete(number); };
  }

  destroy() { this.decoder.terminate(); }

  // The bitmap at a place: null if the image cannot be shown, undefined while it is not there.
  get(at) {
    const block = this.blocks.get(Math.floor(at / BLOCK));
    return block ? block[at % BLOCK] ?? null : undefined;
  }

  // Fetch the blocks of these places, and forget those that were wanted before.
  want(start, end) {
    const first = Math.floor(start / BLOCK), last = Math.floor(Math.max(start, end - 1) / BLOCK);
    this.wanted = [];
    for (const number of [...range(first, last + 1), last + 1, first - 1]) {
      if (number < 0 || number * BLOCK >= this.rows.n) continue;
      const block = this.blocks.get(number);
      if (block) { this.blocks.delete(number); this.blocks.set(number, block); } // the latest is the last to go
      else if (!this.loading.has(number)) this.wanted.push(number);
    }
    this.next();
  }

  decoded(number, buffer, n) {
    this.decoder.postMessage({number, buffer, n}, [buffer]);
    return new Promise(done => this.decoding.set(number, done));
  }

  next() {
    while (this.loading.size < AT_ONCE && this.wanted.length) this.load(this.wanted.shift());
  }

  async load(number) {
    this.loading.add(number);
    try {
      const start = number * BLOCK, n = Math.min(BLOCK, this.rows.n - start);
      const buffer = await bytes(`/api/thumbnails/${this.rows.key}?start=${start}&count=${BLOCK}`);
      this.blocks.set(number, await this.decoded(number, buffer, n));
      while (this.blocks.size > KEPT) {
        const [oldest, bitmaps] = this.blocks.entries().next().value;
        this.blocks.delete(oldest);
        for (const bitmap of bitmaps) bitmap?.close();
      }
      this.arrived(start, start + n);
    } catch (error) { this.rows.failed(error); }
    this.loading.delete(number);
    this.next();
  }
}

const range = (start, end) => Array.from({length: end - start}, (_, n) => start + n);

// Draw a bitmap as large as it fits in the middle of a canvas; small images without smoothing, on white as assay decodes.
// `size`: of the canvas in CSS px, where it is known: to ask for it makes the browser lay the page out. Returns where the
// bitmap is, {x, y, w, h} in px of the canvas; null without one.
export function draw(canvas, bitmap, scale = window.devicePixelRatio || 1, size = [canvas.clientWidth, canvas.clientHeight]) {
  const [width, height] = size.map(side => Math.round(side * scale));
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (!bitmap) return null;
  const by = Math.min(width / bitmap.width, height / bitmap.height, bitmap.width > 64 || bitmap.height > 64 ? 4 : 1000);
  const w = bitmap.width * by, h = bitmap.height * by;
  context.imageSmoothingEnabled = Math.max(bitmap.width, bitmap.height) > 64;
  context.fillStyle = "#fff";
  context.fillRect((width - w) / 2, (height - h) / 2, w, h);
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  return {x: (width - w) / 2, y: (height - h) / 2, w, h};
}
