// What is inside a box: the pixels that are likely of an object which fills the box, by their place and their gray value.
//
// A mixture of two normal distributions with one variance, object and background, fitted by EM (Dempster et al. 1977) to the
// box and a margin around it. The prior of a pixel falls from the middle of the box to beyond the ellipse in it, so that
// neither the side of a threshold nor one of several parts has to be guessed.

import {Mask} from "./mask.js";

export const LARGEST = 128; // pixels of the longer side of the crop that is looked at; larger ones are scaled
const MARGIN = 0.25; // of the sides of the box
const STEEP = 6; // log odds of the object in the middle of the box; 0 on the ellipse
const MOST = 4; // log odds that a gray value can add or take: one pixel is weak evidence, as variances are guessed
const NOISE = 4; // least variance of gray values, of 255
const ROUNDS = 4;
const INNER = 0.8; // of the ellipse, in which the part is looked for that is the object
const CONTRAST = 1; // least difference of the mean gray values

/** The object in `box` of a bitmap shown as width × height, as a Mask; null if the box has no contrast. */
export function inside(bitmap, [x, y, w, h], width, height) {
  const [x0, x1] = [Math.floor(Math.max(x - MARGIN * w, 0)), Math.ceil(Math.min(x + w + MARGIN * w, width))];
  const [y0, y1] = [Math.floor(Math.max(y - MARGIN * h, 0)), Math.ceil(Math.min(y + h + MARGIN * h, height))];
  const scale = Math.min(LARGEST / Math.max(x1 - x0, y1 - y0), 1);
  const columns = Math.max(Math.round((x1 - x0) * scale), 1), rows = Math.max(Math.round((y1 - y0) * scale), 1);
  const fx = columns / (x1 - x0), fy = rows / (y1 - y0);
  const values = gray(crop(bitmap, [x0, y0, x1 - x0, y1 - y0], [bitmap.width / width, bitmap.height / height], columns, rows));
  const radius = radii([(x - x0) * fx, (y - y0) * fy, w * fx, h * fy], columns, rows);
  const likely = fitted(values, radius);
  if (!likely) return null;
  const found = filled(mainPart(likely, radius, columns), columns, rows);
  const [left, top, right, bottom] = [Math.max(Math.floor(x), 0), Math.max(Math.floor(y), 0), Math.min(Math.ceil(x + w), width), Math.min(Math.ceil(y + h), height)];
  const made = new Mask(left, top, right - left, bottom - top);
  for (let py = top, n = 0; py < bottom; py++) for (let px = left; px < right; px++, n++) {
    made.bits[n] = found[Math.floor((py + 0.5 - y0) * fy) * columns + Math.floor((px + 0.5 - x0) * fx)];
  }
  return made;
}

function crop(bitmap, [x, y, w, h], [fx, fy], columns, rows) {
  const context = new OffscreenCanvas(columns, rows).getContext("2d", {willReadFrequently: true});
  context.drawImage(bitmap, x * fx, y * fy, w * fx, h * fy, 0, 0, columns, rows);
  return context.getImageData(0, 0, columns, rows).data;
}

function gray(data) {
  const out = new Float64Array(data.length / 4);
  for (let n = 0; n < out.length; n++) out[n] = 0.299 * data[4 * n] + 0.587 * data[4 * n + 1] + 0.114 * data[4 * n + 2];
  return out;
}

/** Distance of each pixel from the middle of the box; 1 on the ellipse in it. */
function radii([x, y, w, h], columns, rows) {
  const out = new Float64Array(columns * rows);
  for (let row = 0, n = 0; row < rows; row++) for (let column = 0; column < columns; column++, n++) {
    out[n] = Math.hypot((column + 0.5 - x - w / 2) / (w / 2), (row + 0.5 - y - h / 2) / (h / 2));
  }
  return out;
}

/** 1 for each pixel that is more likely of the object than not; null if both have one gray value. */
function fitted(values, radius) {
  const prior = radius.map(r => STEEP * (1 - r)), share = prior.map(sigmoid);
  for (let round = 0; round < ROUNDS; round++) {
    const [object, background, variance] = moments(values, share);
    if (Math.abs(object - background) < CONTRAST) return null;
    const slope = (object - background) / variance, middle = (object + background) / 2;
    for (let n = 0; n < share.length; n++) share[n] = sigmoid(prior[n] + Math.min(Math.max(slope * (values[n] - middle), -MOST), MOST));
  }
  return Uint8Array.from(share, one => one > 0.5 ? 1 : 0);
}

const sigmoid = odds => 1 / (1 + Math.exp(-odds));

/** Mean of the object, mean of the background, and the variance within both. */
function moments(values, share) {
  let weight = 0, sum = 0, all = 0, squares = 0;
  for (let n = 0; n < values.length; n++) weight += share[n], sum += share[n] * values[n], all += values[n], squares += values[n] ** 2;
  const object = sum / weight, background = (all - sum) / (values.length - weight);
  const within = squares - weight * object ** 2 - (values.length - weight) * background ** 2;
  return [object, background, Math.max(within / values.length, 0) + NOISE];
}

/** Call with the list of pixels of each part, connected along edges, of the pixels that are `value`. */
function eachPart(bits, columns, value, call) {
  const seen = new Uint8Array(bits.length);
  for (let start = 0; start < bits.length; start++) {
    if (seen[start] || bits[start] !== value) continue;
    const part = [start];
    seen[start] = 1;
    for (let n = 0; n < part.length; n++) {
      const at = part[n], column = at % columns;
      for (const next of [column > 0 ? at - 1 : -1, column < columns - 1 ? at + 1 : -1, at - columns, at + columns]) {
        if (next >= 0 && next < bits.length && !seen[next] && bits[next] === value) seen[next] = 1, part.push(next);
      }
    }
    call(part);
  }
}

/** The part with the most pixels in the middle of the box. */
function mainPart(bits, radius, columns) {
  let main = [], most = -1;
  eachPart(bits, columns, 1, part => {
    const there = part.reduce((sum, at) => sum + (radius[at] <= INNER), 0);
    if (there > most) [main, most] = [part, there];
  });
  const out = new Uint8Array(bits.length);
  for (const at of main) out[at] = 1;
  return out;
}

/** With the holes filled: background that does not reach the border of the crop. */
function filled(bits, columns, rows) {
  const out = bits.slice(), isBorder = at => at < columns || at >= (rows - 1) * columns || at % columns === 0 || at % columns === columns - 1;
  eachPart(bits, columns, 0, part => { if (!part.some(isBorder)) for (const at of part) out[at] = 1; });
  return out;
}
