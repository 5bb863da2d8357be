// The rows of a list, fetched in chunks as they are looked at; a chunk is a few typed arrays, not objects.

import {bytes} from "./api.js";

export const CHUNK = 1024;
const KEPT = 64; // chunks: 64 × about 55 kB
const TYPES = {int8: Int8Array, uint8: Uint8Array, int32: Int32Array, float32: Float32Array};
export const SPLITS = ["train", "val", "test"];
const HEX = Array.from({length: 256}, (_, n) => n.toString(16).padStart(2, "0"));

// A header and columns, as the server packs them.
export function parse(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const columns = {};
  let at = 4 + length;
  for (const [name, type] of head.columns) {
    const Type = TYPES[type], n = head.n * (name === "id" ? 32 : 1);
    columns[name] = new Type(buffer, at, n);
    at += Math.ceil(n * Type.BYTES_PER_ELEMENT / 8) * 8;
  }
  return {head, columns};
}

export class Rows {
  // `arrived(start, end, answers)` is called when a chunk is there; answers: {id: [answer, …]}
  constructor(made, arrived, failed) {
    Object.assign(this, {key: made.key, n: made.n, facets: made.facets, of: made.of, arrived, failed});
    this.chunks = new Map();
    this.loading = new Map();
  }

  // The row at a place, or null while it is not there; its chunk is fetched.
  get(at) {
    if (at < 0 || at >= this.n) return null;
    const number = Math.floor(at / CHUNK), chunk = this.chunks.get(number);
    if (!chunk) { this.load(number); return null; }
    const n = at - number * CHUNK, {columns, head} = chunk;
    const word = name => columns[name][n] < 0 ? null : head.words[columns[name][n]];
    return {
      at, id: this.id(columns.id, n), label: word("label"), suggested: word("suggested"),
      score: columns.score ? columns.score[n] : null, group: columns.group ? columns.group[n] : null,
      split: SPLITS[columns.split[n]] ?? "", excluded: columns.excluded[n] === 1,
    };
  }

  id(column, n) {
    let text = "";
    for (let k = 32 * n; k < 32 * n + 32; k++) text += HEX[column[k]];
    return text;
  }

  load(number) {
    if (this.loading.has(number)) return this.loading.get(number);
    const start = number * CHUNK;
    const coming = bytes(`/api/rows/${this.key}?start=${start}&count=${CHUNK}`).then(buffer => {
      const chunk = parse(buffer);
      this.chunks.set(number, chunk);
      if (this.chunks.size > KEPT) this.chunks.delete(this.chunks.keys().next().value);
      const answers = {};
      for (const [n, said] of Object.entries(chunk.head.answers)) answers[this.id(chunk.columns.id, +n)] = said;
      this.arrived(start, start + chunk.head.n, answers);
    }).catch(error => this.failed(error)).finally(() => this.loading.delete(number));
    this.loading.set(number, coming);
    return coming;
  }

  // The row at a place, once it is there; null beyond the end, or if it cannot be had.
  async wait(at) {
    if (at >= 0 && at < this.n && !this.get(at)) await this.load(Math.floor(at / CHUNK));
    return this.get(at);
  }
}
