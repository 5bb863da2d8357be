// What keys and buttons do to the selected object. An action that returns false leaves its key to the page.

import {inside} from "./inside.js";
import {boxOf, kindOf, maskParts, movedInside, outlined, parts, pixelsOf, resized} from "./objects.js";
import {cornerAfter, cornerInserted, cornerMoved, cornersOf, sameCorner, simplified} from "./rings.js";

const OFF = 0.75; // pixels by which a polygon made from a mask may be off it
const APART = 8; // pixels between an object and its duplicate

/** The next or the previous object; beyond the last one the focus moves on. */
export function step(editor, by) {
  const {objects, selected} = editor.state, at = objects.findIndex(one => one.key === selected), next = objects[at < 0 && by < 0 ? objects.length - 1 : at + by];
  editor.select(next?.key ?? null);
  if (!next) return false;
  const box = boxOf(next.annotation);
  if (box) editor.view.reveal(box);
}

/** The next or the previous corner of the selected polygon. */
export function stepCorner(editor, by) {
  const {selected, corner} = editor;
  if (!selected || kindOf(selected.annotation) !== "polygon") return false;
  const all = [...cornersOf(parts(selected.annotation))], at = corner ? all.findIndex(one => sameCorner(one, corner)) : by > 0 ? -1 : 0;
  editor.corner = all[(at + by + all.length) % all.length];
  editor.say(`Corner ${all.indexOf(editor.corner) + 1} of ${all.length} at ${editor.corner.x}, ${editor.corner.y}`);
}

export function insertCorner(editor) {
  const {corner, selected} = editor;
  if (!corner) return false;
  const held = parts(selected.annotation), next = cornerAfter(held, corner);
  reshape(editor, cornerInserted(held, corner, (corner.x + next.x) / 2, (corner.y + next.y) / 2), corner);
  stepCorner(editor, 1);
}

/** Delete the last point of what is being drawn, or the corner, or the object. */
export function remove(editor) {
  const {selected, tool, corner} = editor;
  if (tool.isBusy && tool.back) return void tool.back();
  if (!selected) return false;
  if (corner) editor.tools.select.deleteCorner(corner);
  else editor.replace(selected.key, null);
}

export function duplicate(editor) {
  const {selected} = editor;
  if (!selected || !boxOf(selected.annotation)) return false;
  const there = movedInside(selected.annotation, APART, APART, editor.width, editor.height);
  editor.add(there === selected.annotation ? {...there} : there);
}

/** Move the crosshair, the corner or the object; with nothing of these, pan by more than one step. */
export function nudge(editor, dx, dy) {
  const {selected, corner} = editor;
  if (editor.cross) return editor.input.moveCross(dx, dy);
  if (!selected) return Math.abs(dx + dy) > 1 && editor.panBy(-4 * dx, -4 * dy);
  if (editor.readOnly) return false;
  if (!boxOf(selected.annotation)) return;
  if (!corner) return change(editor, movedInside(selected.annotation, dx, dy, editor.width, editor.height));
  const held = parts(selected.annotation), at = [...cornersOf(held)].find(one => sameCorner(one, corner));
  reshape(editor, cornerMoved(held, at, ...editor.clamped([at.x + dx, at.y + dy])), corner);
}

/** Resize a box or a polygon at its right and lower sides. */
export function grow(editor, dx, dy) {
  const {selected} = editor, kind = selected && kindOf(selected.annotation);
  if (editor.readOnly || (kind !== "box" && kind !== "polygon")) return false;
  const [x, y, w, h] = boxOf(selected.annotation), to = [x, y, dx ? Math.min(w + dx, editor.width - x) : w, dy ? Math.min(h + dy, editor.height - y) : h];
  if (to[2] > 0 && to[3] > 0) change(editor, resized(selected.annotation, to));
}

function change(editor, annotation) {
  if (annotation && annotation !== editor.selected.annotation) editor.replace(editor.selected.key, annotation);
}

/** The selected polygon with other corners; the same corner stays the one that keys move. */
function reshape(editor, all, corner) {
  const next = outlined(editor.selected.annotation, all, editor.height, editor.width);
  if (next) editor.replace(editor.selected.key, next);
  editor.corner = [...cornersOf(all)].find(one => sameCorner(one, corner));
}

/** Outline what is inside the box of the selected object, from the pixels of the image: `as` mask or polygon. */
export function outlineInside(editor, as) {
  const {selected} = editor;
  if (!selected || !boxOf(selected.annotation) || !editor.bitmap) return editor.say("Select an object first: what is in its box is outlined");
  const mask = insideOf(editor, selected.annotation);
  if (!mask) return editor.say("The box has no contrast");
  change(editor, as === "mask" ? mask : asPolygon(editor, mask));
}

/** An object with the mask of what is in its box; null without contrast. */
export function insideOf({bitmap, width, height}, one) {
  const found = bitmap && inside(bitmap, boxOf(one), width, height);
  return found ? outlined(one, found, height, width) : null;
}

const asPolygon = ({height, width}, one) => outlined(one, maskParts(one).map(part => part.map(ring => simplified(ring, OFF))), height, width);

/** A mask as a polygon; a polygon or a box as a mask. */
export function convert(editor) {
  const {selected, width, height} = editor, one = selected?.annotation;
  if (!one || !boxOf(one)) return false;
  const next = kindOf(one) === "mask" ? asPolygon(editor, one) : outlined(one, pixelsOf(one, height, width), height, width);
  if (next) change(editor, next);
  else editor.say("It covers no pixel");
}

export function accept(editor) {
  const {selected} = editor;
  if (!selected?.predicted) return false;
  editor.replace(selected.key, selected.annotation);
}

export function acceptAll(editor) {
  const {objects, selected} = editor.state, many = objects.filter(one => one.predicted).length;
  if (!many) return editor.say("No suggestions");
  const gone = new Set(objects.flatMap(one => one.predicted ? one.instead ?? [] : []));
  editor.commit(objects.filter(one => !gone.has(one.key)).map(({key, annotation}) => ({key, annotation, predicted: false})), gone.has(selected) ? null : selected);
  editor.say(`${many} accepted. Z: undo`);
}

/** Close what is being drawn, with `joins` as a part of the selected object; or accept the suggestion. */
export function finish(editor, joins) {
  const {tool, selected} = editor;
  if (tool.isBusy && tool.finish) return void tool.finish(joins);
  return selected?.predicted && !joins ? accept(editor) : false;
}

export function escape(editor) {
  if (editor.tool.isBusy) editor.cancel();
  else if (editor.corner) editor.corner = null;
  else if (editor.state.selected !== null) editor.select(null);
  else if (editor.cross) editor.cross = null;
  else return false;
}
