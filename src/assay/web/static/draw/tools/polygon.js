// Polygons: a click a corner; back at the first one, by a double click or by Enter the ring closes.

import {boxOf, kindOf, outline, outlined, touches} from "../objects.js";
import {isRing} from "../rings.js";

const NEAR = 9; // CSS pixels around the first corner in which a click closes the ring

export class PolygonTool {
  #points = [];
  #at = null;

  constructor(editor) { this.editor = editor; }

  get isBusy() { return this.#points.length > 0; }

  down(at, {detail = 1} = {}) {
    const point = this.editor.snapped(at), [first] = this.#points, last = this.#points.at(-1);
    const isAgain = last && point[0] === last[0] && point[1] === last[1];
    if (this.#points.length > 2 && (detail > 1 || isAgain || this.editor.isNear(at, first, NEAR))) this.finish();
    else if (!isAgain) this.#points.push(point);
    this.#at = point;
  }

  move(at) {
    this.#at = this.editor.snapped(at);
    if (this.isBusy) this.editor.repaint();
  }

  up() {}
  back() { this.#points.pop(); }
  cancel() { this.#points = []; }

  /** Close the ring: a new object or, with `joins`, a part or a hole of the selected one. */
  finish(joins = false) {
    const ring = this.#points.flat(), {editor} = this;
    if (!isRing(ring)) return editor.say("A polygon needs three corners that enclose an area");
    this.cancel();
    const {selected} = editor, joined = joins && selected && joinedTo(selected.annotation, ring);
    if (joined) editor.replace(selected.key, outlined(selected.annotation, joined, editor.height, editor.width));
    else editor.add({category: editor.category, segmentation: [ring]});
  }

  draft() {
    if (!this.isBusy) return {};
    const points = this.#at ? [...this.#points, this.#at] : this.#points;
    return {d: points.map(([x, y], n) => `${n ? "L" : "M"}${x} ${y}`).join(""), handles: this.#points};
  }
}

/** Parts of a polygon with a ring more: a hole of the part in which it begins, or else a part; null if it is no polygon. */
function joinedTo(one, ring) {
  if (kindOf(one) !== "polygon" || !boxOf(one)) return null;
  const parts = outline(one), around = touches(one, ring[0], ring[1], 0) ? parts.findIndex(part => touches({...one, segmentation: [part]}, ring[0], ring[1], 0)) : -1;
  return around < 0 ? [...parts, [ring]] : parts.with(around, [...parts[around], ring]);
}
