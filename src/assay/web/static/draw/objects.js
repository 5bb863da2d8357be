// One object: an annotation in assay's form {category, bbox, segmentation, iscrowd, attributes}. Annotations are never
// changed in place: an edit makes a new one, so that objects nobody touched come back exactly as they came.

import {Mask, partsOfMask} from "./mask.js";
import {boxOfParts, contains, mapped, partsArea, partsOf, pathOf, segmentDistance, simplified, validParts, written} from "./rings.js";

const ROUGH = 0.5; // less than the stairs of pixels

const once = compute => {
  const known = new WeakMap();
  return annotation => {
    if (!known.has(annotation)) known.set(annotation, compute(annotation));
    return known.get(annotation);
  };
};

/** `box`, `polygon`, `mask`, or `tag`: a class of the whole image. */
export const kindOf = ({bbox, segmentation}) => segmentation ? (Array.isArray(segmentation) ? "polygon" : "mask") : bbox ? "box" : "tag";

export const parts = once(one => partsOf(one.segmentation));
export const mask = once(one => Mask.ofRLE(one.segmentation));
export const maskParts = once(one => partsOfMask(mask(one)));

/** Parts of the outline: of a polygon, a mask, or a box. */
export const outline = once(one => {
  const kind = kindOf(one);
  return kind === "polygon" ? parts(one) : kind === "mask" ? maskParts(one) : kind === "box" ? [[corners(one.bbox)]] : [];
});

export const corners = ([x, y, w, h]) => [x, y, x + w, y, x + w, y + h, x, y + h];

/** [x, y, width, height]: the given box, or the one of the outline; null for a tag. */
export const boxOf = once(one => {
  const kind = kindOf(one);
  if (one.bbox || kind === "tag") return one.bbox ?? null;
  if (kind === "polygon") return boxOfParts(parts(one));
  const {x, y, width, height} = mask(one);
  return [x, y, width, height];
});

export const path = once(one => pathOf(outline(one)));

/** `path`, within ROUGH pixels with a mask: with a fraction of the corners. */
export const roughPath = once(one => kindOf(one) === "mask" ? pathOf(maskParts(one).map(part => part.map(ring => simplified(ring, ROUGH)))) : path(one));

/** Area in pixels. */
export const areaOf = once(one => kindOf(one) === "mask" ? mask(one).area() : partsArea(outline(one)));

/** Whether the point x, y is on the object, or within `near` pixels of the border of its box. */
export function touches(one, x, y, near) {
  const box = boxOf(one);
  if (!box || x < box[0] - near || y < box[1] - near || x > box[0] + box[2] + near || y > box[1] + box[3] + near) return false;
  const kind = kindOf(one);
  if (kind === "box") return true;
  return kind === "mask" ? maskTouches(mask(one), x, y, near) : contains(parts(one), x, y) || nearRing(parts(one), x, y, near);
}

function maskTouches(pixels, x, y, near) {
  const reach = Math.min(Math.ceil(near), 8), [cx, cy] = [Math.floor(x), Math.floor(y)];
  for (let dy = -reach; dy <= reach; dy++) for (let dx = -reach; dx <= reach; dx++) if (pixels.at(cx + dx, cy + dy)) return true;
  return false;
}

const nearRing = (all, x, y, near) => all.some(([outer]) => {
  for (let n = 0; n < outer.length; n += 2) {
    const next = (n + 2) % outer.length;
    if (segmentDistance(x, y, outer[n], outer[n + 1], outer[next], outer[next + 1]) <= near) return true;
  }
  return false;
});

/** With an outline, polygons as parts or a Mask on an image of height × width, in place of box and outline; null if nothing is left of it. */
export function outlined(one, shape, height, width) {
  const segmentation = shape instanceof Mask ? shape.toRLE(height, width) : written(validParts(shape));
  if (!segmentation?.counts && !segmentation?.length) return null;
  const {bbox, ...others} = one; // the box of an object with an outline is that of the outline
  return {...others, segmentation};
}

/** Moved by dx, dy pixels: whole ones for a mask. */
export function moved(one, dx, dy) {
  const kind = kindOf(one), shift = (x, y) => [x + dx, y + dy], next = {...one};
  if (one.bbox) next.bbox = [one.bbox[0] + dx, one.bbox[1] + dy, one.bbox[2], one.bbox[3]];
  if (kind === "polygon") next.segmentation = written(mapped(parts(one), shift));
  if (kind === "mask") {
    const {x, y, width, height, bits} = mask(one);
    next.segmentation = new Mask(x + dx, y + dy, width, height, bits).toRLE(...one.segmentation.size);
  }
  return next;
}

/** `moved`, no further than the border of an image of width × height. */
export function movedInside(one, dx, dy, width, height) {
  const [x, y, w, h] = boxOf(one), {x: mx, y: my, width: mw, height: mh} = kindOf(one) === "mask" ? mask(one) : {x, y, width: w, height: h};
  const within = (step, from, extent, end) => Math.min(Math.max(step, Math.min(-from, 0)), Math.max(end - from - extent, 0));
  const round = kindOf(one) === "mask" ? Math.round : same => same;
  [dx, dy] = [round(within(dx, mx, mw, width)), round(within(dy, my, mh, height))];
  return dx || dy ? moved(one, dx, dy) : one;
}

/** Scaled so that its box becomes `to`; boxes and polygons only. */
export function resized(one, to) {
  const [x, y, w, h] = boxOf(one), place = (px, py) => [to[0] + (px - x) / w * to[2], to[1] + (py - y) / h * to[3]];
  return {...one, ...one.bbox && {bbox: to}, ...one.segmentation && {segmentation: written(mapped(parts(one), place))}};
}

/** The pixels of an object as a Mask: of a box, all in it. */
export const pixelsOf = (one, height, width) => kindOf(one) === "mask" ? mask(one) : Mask.ofParts(outline(one), height, width);

/** One line about an object, for a status line and a screen reader. */
export function described(one) {
  const kind = kindOf(one), box = boxOf(one)?.map(value => Math.round(value * 10) / 10);
  const holes = kind === "polygon" || kind === "mask" ? outline(one).reduce((sum, part) => sum + part.length - 1, 0) : 0;
  const shape = {
    box: () => "box", tag: () => "class of the image", mask: () => `mask of ${areaOf(one).toLocaleString("en")} px`,
    polygon: () => `polygon of ${outline(one).flat().reduce((sum, ring) => sum + ring.length / 2, 0)} corners`,
  }[kind]();
  const counts = [outline(one).length > 1 && `${outline(one).length} parts`, holes && `${holes} ${holes > 1 ? "holes" : "hole"}`, one.iscrowd && "crowd"].filter(Boolean);
  return [one.category, [shape, ...counts].join(", "), box && `at ${box[0]}, ${box[1]}, ${box[2]} × ${box[3]} px`].filter(Boolean).join(", ");
}
