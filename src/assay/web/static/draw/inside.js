// What is inside a box: the pixels on one side of a threshold (Otsu 1979) that hang together, with their holes filled.

import {Mask} from "./mask.js";

export const LARGEST = 128; // pixels of the longer side of the crop that is looked at

/** The object in `box` of a bitmap shown as width × height, as a Mask; null if the box has no contrast. */
export function inside(bitmap, box, width, height) {
  const [x0, y0, x1, y1] = within(box, width, height), w = x1 - x0, h = y1 - y0;
  if (w < 2 || h < 2) return null;
  const scale = Math.min(LARGEST / Math.max(w, h), 1), columns = Math.max(Math.round(w * scale), 2), rows = Math.max(Math.round(h * scale), 2);
  const context = new OffscreenCanvas(columns, rows).getContext("2d", {willReadFrequently: true});
  const [fx, fy] = [bitmap.width / width, bitmap.height / height];
  context.drawImage(bitmap, x0 * fx, y0 * fy, w * fx, h * fy, 0, 0, columns, rows);
  const found = segmented(gray(context.getImageData(0, 0, columns, rows).data), columns, rows);
  if (!found) return null;
  const made = new Mask(x0, y0, w, h);
  for (let y = 0, n = 0; y < h; y++) for (let x = 0; x < w; x++, n++) {
    made.bits[n] = found[Math.min(Math.floor((y + 0.5) * rows / h), rows - 1) * columns + Math.min(Math.floor((x + 0.5) * columns / w), columns - 1)];
  }
  return made;
}

/** The pixels that a box touches: [left, top, right, bottom]. */
function within([x, y, w, h], width, height) {
  return [Math.max(Math.floor(x + 0.01), 0), Math.max(Math.floor(y + 0.01), 0), Math.min(Math.ceil(x + w - 0.01), width), Math.min(Math.ceil(y + h - 0.01), height)];
}

function gray(data) {
  const out = new Uint8Array(data.length / 4);
  for (let n = 0; n < out.length; n++) out[n] = Math.round(0.299 * data[4 * n] + 0.587 * data[4 * n + 1] + 0.114 * data[4 * n + 2]);
  return out;
}

/** 0 or 1 for each pixel of a gray crop; null without contrast. */
export function segmented(values, columns, rows) {
  const threshold = otsu(values);
  if (threshold === null) return null;
  const isAbove = values.map(value => value > threshold ? 1 : 0), isBelow = isAbove.map(bit => 1 - bit);
  const object = atBorder(isAbove, columns, rows) <= 0.5 ? isAbove : isBelow; // the border of a box is mostly background
  return filled(largestPart(object, columns, rows), columns, rows);
}

/** The threshold with the largest variance between the values above it and the others. */
export function otsu(values) {
  const counts = new Float64Array(256);
  for (const value of values) counts[value]++;
  let sum = 0, below = 0, belowSum = 0, best = -1, first = null, last = null;
  for (let value = 0; value < 256; value++) sum += value * counts[value];
  for (let value = 0; value < 255; value++) {
    below += counts[value], belowSum += value * counts[value];
    const above = values.length - below;
    if (!below || !above) continue;
    const between = below * above * (belowSum / below - (sum - belowSum) / above) ** 2;
    if (between > best * (1 + 1e-12)) best = between, first = last = value;
    else if (between >= best * (1 - 1e-12)) last = value; // the middle of equals
  }
  return first === null ? null : (first + last) >> 1;
}

function atBorder(bits, columns, rows) {
  let sum = 0;
  for (let x = 0; x < columns; x++) sum += bits[x] + bits[(rows - 1) * columns + x];
  for (let y = 1; y < rows - 1; y++) sum += bits[y * columns] + bits[(y + 1) * columns - 1];
  return sum / (2 * (columns + rows) - 4);
}

/** Call with the list of pixels of each part (connected along edges) of the pixels that are `value`. */
function eachPart(bits, columns, rows, value, call) {
  const seen = new Uint8Array(bits.length);
  for (let start = 0; start < bits.length; start++) {
    if (seen[start] || bits[start] !== value) continue;
    const part = [start];
    seen[start] = 1;
    for (let n = 0; n < part.length; n++) {
      const at = part[n], x = at % columns;
      for (const next of [x > 0 ? at - 1 : -1, x < columns - 1 ? at + 1 : -1, at - columns, at + columns]) {
        if (next >= 0 && next < bits.length && !seen[next] && bits[next] === value) seen[next] = 1, part.push(next);
      }
    }
    call(part);
  }
}

function largestPart(bits, columns, rows) {
  let largest = [];
  eachPart(bits, columns, rows, 1, part => { if (part.length > largest.length) largest = part; });
  const out = new Uint8Array(bits.length);
  for (const at of largest) out[at] = 1;
  return out;
}

/** With the holes filled: background that does not reach the border of the crop. */
function filled(bits, columns, rows) {
  const out = bits.slice(), isBorder = at => at < columns || at >= bits.length - columns || at % columns === 0 || at % columns === columns - 1;
  eachPart(bits, columns, rows, 0, part => { if (!part.some(isBorder)) for (const at of part) out[at] = 1; });
  return out;
}
