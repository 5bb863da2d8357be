// COCO's run lengths: down the columns, background and object alternating; numbers and compressed text.
// The same as assay/data/runs.py, which validates again what comes from here.

const INVALID = "counts are not COCO's compressed text";

/** Run lengths from compressed text. RangeError for invalid text. */
export function uncompressed(text) {
  const runs = [];
  for (let at = 0; at < text.length;) {
    let value = 0, weight = 1, digit;
    do {
      digit = text.charCodeAt(at++) - 48;
      if (!(digit >= 0 && digit < 64) || weight > 2 ** 25) throw new RangeError(INVALID);
      value += (digit & 31) * weight;
      weight *= 32;
    } while (digit & 32);
    if (digit & 16) value -= weight;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value); // from the fourth on: a difference
  }
  return runs;
}

/** Compressed text of run lengths; the inverse of `uncompressed`. */
export function compressed(runs) {
  const text = [];
  for (let n = 0; n < runs.length; n++) {
    let rest = n > 2 ? runs[n] - runs[n - 2] : runs[n], more = true;
    while (more) {
      const digit = rest & 31;
      rest >>= 5;
      more = digit & 16 ? rest !== -1 : rest !== 0;
      text.push(String.fromCharCode(48 + (more ? digit | 32 : digit)));
    }
  }
  return text.join("");
}

/** Run lengths of the pixels inside a ring [x, y, …] on `height` × `width` pixels, by COCO's rule (rleFrPoly). */
export function ofRing(ring, height, width) {
  const changes = new Map();
  for (const at of crossings(ring, height, width)) changes.set(at, !changes.get(at));
  const starts = [...changes.keys()].filter(at => changes.get(at)).sort((a, b) => a - b);
  const ends = [...starts.filter(at => at < height * width), height * width];
  return ends.map((end, n) => end - (n ? ends[n - 1] : 0));
}

const FINER = 5; // the border is followed on a grid five times as fine

/** Offsets of the pixels, down the columns, at which the border of a ring begins or ends the object. */
function* crossings(ring, height, width) {
  let [x0, y0] = [NaN, NaN];
  for (const [x, y] of finePoints(ring)) {
    if (x !== x0 && !Number.isNaN(x0)) {
      const column = ((x < x0 ? x : x - 1) + 0.5) / FINER - 0.5;
      if (Number.isInteger(column) && column >= 0 && column <= width - 1) {
        const row = Math.ceil(Math.min(Math.max((Math.min(y, y0) + 0.5) / FINER - 0.5, 0), height));
        yield column * height + row;
      }
    }
    [x0, y0] = [x, y];
  }
}

/** The border in steps of one fine pixel. */
function* finePoints(ring) {
  const fine = ring.map(value => Math.trunc(FINER * value + 0.5)), n = fine.length;
  for (let k = 0; k < n; k += 2) {
    const [xs, ys, xe, ye] = [fine[k], fine[k + 1], fine[(k + 2) % n], fine[(k + 3) % n]];
    const dx = Math.abs(xe - xs), dy = Math.abs(ye - ys), across = dx >= dy, steps = Math.max(dx, dy);
    const flip = across ? xs > xe : ys > ye; // always computed from the smaller end, so that neighbours share their border
    const [x, y] = flip ? [xe, ye] : [xs, ys], slope = !steps ? 0 : across ? (flip ? ys - ye : ye - ys) / dx : (flip ? xs - xe : xe - xs) / dy;
    for (let d = 0; d <= steps; d++) {
      const t = flip ? steps - d : d;
      yield across ? [x + t, Math.trunc(y + slope * t + 0.5)] : [Math.trunc(x + slope * t + 0.5), y + t];
    }
  }
}
