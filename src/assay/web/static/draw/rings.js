// Polygons: rings [x, y, x, y, …] in pixels; a part is a list of rings, the outer one first, then its holes.
// The rules are those of assay/data/outlines.py, which validates again what comes from here.

export const FEWEST = 6; // least length of a ring: three corners

/** Parts of a polygon segmentation, in which a part without holes is its ring. */
export const partsOf = segmentation => segmentation.map(part => Array.isArray(part[0]) ? part : [part]);

/** The inverse of `partsOf`. */
export const written = parts => parts.map(part => part.length === 1 ? part[0] : part);

/** The area that a ring encloses, by the shoelace formula. */
export function ringArea(ring) {
  let twice = 0;
  for (let n = 0; n < ring.length; n += 2) {
    const next = (n + 2) % ring.length;
    twice += (ring[n] - ring[0]) * (ring[next + 1] - ring[1]) - (ring[next] - ring[0]) * (ring[n + 1] - ring[1]);
  }
  return Math.abs(twice) / 2;
}

export const isRing = ring => ring.length >= FEWEST && ringArea(ring) > 0;

/** Parts with only their valid rings; a part without a valid outer ring is left out. */
export const validParts = parts => parts.filter(([outer]) => isRing(outer)).map(([outer, ...holes]) => [outer, ...holes.filter(isRing)]);

/** Area of the parts without that of their holes. */
export const partsArea = parts => parts.reduce((sum, [outer, ...holes]) => sum + ringArea(outer) - holes.reduce((all, hole) => all + ringArea(hole), 0), 0);

/** The smallest box [x, y, width, height] around the outer rings. */
export function boxOfParts(parts) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (const [outer] of parts) for (let n = 0; n < outer.length; n += 2) {
    left = Math.min(left, outer[n]), right = Math.max(right, outer[n]);
    top = Math.min(top, outer[n + 1]), bottom = Math.max(bottom, outer[n + 1]);
  }
  return [left, top, right - left, bottom - top];
}

export const mapped = (parts, place) => parts.map(part => part.map(ring => {
  const moved = [];
  for (let n = 0; n < ring.length; n += 2) moved.push(...place(ring[n], ring[n + 1]));
  return moved;
}));

/** The `d` of an SVG path; with the rule evenodd, holes stay empty. */
export const pathOf = parts => parts.flatMap(part => part.map(ring => {
  let d = "";
  for (let n = 0; n < ring.length; n += 2) d += `${n ? "L" : "M"}${ring[n]} ${ring[n + 1]}`;
  return d + "Z";
})).join("");

/** Whether a point is in the outer ring of a part and in none of its holes. */
export const contains = (parts, x, y) => parts.some(([outer, ...holes]) => inRing(outer, x, y) && !holes.some(hole => inRing(hole, x, y)));

export function inRing(ring, x, y) {
  let inside = false;
  for (let n = 0, before = ring.length - 2; n < ring.length; before = n, n += 2) {
    const [x0, y0, x1, y1] = [ring[n], ring[n + 1], ring[before], ring[before + 1]];
    if (y0 > y !== y1 > y && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0) inside = !inside;
  }
  return inside;
}

/** Every corner as {part, ring, corner, x, y}; `corner` counts corners, not numbers. */
export function* cornersOf(parts) {
  for (const [part, rings] of parts.entries()) for (const [ring, points] of rings.entries()) {
    for (let n = 0; n < points.length; n += 2) yield {part, ring, corner: n / 2, x: points[n], y: points[n + 1]};
  }
}

export const sameCorner = (a, b) => a.part === b.part && a.ring === b.ring && a.corner === b.corner;

/** The corner next along its ring. */
export function cornerAfter(parts, {part, ring, corner}) {
  const points = parts[part][ring], next = (corner + 1) % (points.length / 2);
  return {part, ring, corner: next, x: points[2 * next], y: points[2 * next + 1]};
}

/** Parts with a ring replaced; all others are the same arrays. */
const replaced = (parts, {part, ring}, points) => parts.map((rings, n) => n !== part ? rings : rings.map((old, m) => m === ring ? points : old));

export const cornerMoved = (parts, at, x, y) => replaced(parts, at, parts[at.part][at.ring].with(2 * at.corner, x).with(2 * at.corner + 1, y));

export const cornerInserted = (parts, at, x, y) => replaced(parts, at, parts[at.part][at.ring].toSpliced(2 * at.corner + 2, 0, x, y));

/** Parts without a corner. A ring with too few goes: a hole alone, an outer ring with its holes. */
export const cornerDeleted = (parts, at) => rest(replaced(parts, at, parts[at.part][at.ring].toSpliced(2 * at.corner, 2)), at);

const rest = (parts, {part, ring}) => isRing(parts[part][ring]) ? parts
  : ring === 0 ? parts.toSpliced(part, 1) : parts.with(part, parts[part].toSpliced(ring, 1));

/** A ring with fewer corners, none of which left out is further than `off` pixels from the new border (Douglas and Peucker 1973). */
export function simplified(ring, off) {
  const count = ring.length / 2, at = n => [ring[2 * (n % count)], ring[2 * (n % count) + 1]];
  const apart = (n, a, b) => segmentDistance(...at(n), ...at(a), ...at(b)), kept = new Set([0]);
  let far = 0;
  for (let n = 1; n < count; n++) if (apart(n, 0, 0) > apart(far, 0, 0)) far = n;
  kept.add(far);
  const open = [[0, far], [far, count]];
  while (open.length) {
    const [from, to] = open.pop();
    let worst = from;
    for (let n = from + 1; n < to; n++) if (worst === from || apart(n, from, to) > apart(worst, from, to)) worst = n;
    if (worst !== from && apart(worst, from, to) > off) kept.add(worst), open.push([from, worst], [worst, to]);
  }
  const short = [...kept].sort((a, b) => a - b).flatMap(at);
  return isRing(short) ? short : ring;
}

/** Distance of a point to a line between two points. */
export function segmentDistance(x, y, ax, ay, bx, by) {
  const dx = bx - ax, dy = by - ay, along = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1), 0), 1);
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}
