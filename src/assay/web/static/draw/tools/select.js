// Select, move and resize objects; move, insert and delete corners of polygons; drag the background to pan.

import {boxOf, kindOf, movedInside, outlined, parts, resized} from "../objects.js";
import {cornerAfter, cornerDeleted, cornerInserted, cornerMoved, cornersOf, sameCorner} from "../rings.js";

const NEAR = 8; // CSS pixels around a handle that belong to it; a finger is wider
const STILL = 3; // CSS pixels within which a press is a click
const WIDE = 28; // CSS pixels of an edge from which its middle has a handle, that inserts a corner

export class SelectTool {
  #drag = null;

  constructor(editor) { this.editor = editor; }

  get isBusy() { return this.#drag !== null; }

  down(at, {pointerType = "mouse", altKey = false, detail = 1} = {}) {
    const {editor} = this, near = pointerType === "touch" ? 2 * NEAR : NEAR, handle = this.#handleAt(at, near);
    const corner = handle?.corner !== undefined && !handle.isMiddle ? handle : null;
    if (corner && (altKey || detail > 1)) return this.deleteCorner(corner);
    editor.corner = corner;
    if (!handle) editor.select(editor.hit(at)?.key ?? null);
    const {selected} = editor;
    this.#drag = {from: at, kind: handle ? "handle" : selected ? "object" : "view", handle, origin: selected?.annotation, isMoving: false};
  }

  move(at) {
    const {editor} = this, drag = this.#drag;
    if (!drag) return;
    if (drag.kind === "view") return editor.panBy((at[0] - drag.from[0]) * editor.view.scale, (at[1] - drag.from[1]) * editor.view.scale);
    if (editor.readOnly || !(drag.isMoving ||= !editor.isNear(at, drag.from, STILL))) return;
    const annotation = drag.kind === "object" ? this.#shifted(drag, at) : this.#pulled(drag, at);
    if (annotation) editor.preview = {key: editor.selected.key, annotation}; // none: corners that enclose no area
    editor.repaint();
  }

  up() {
    const {editor} = this, {preview} = editor, drag = this.#drag;
    this.cancel();
    if (preview && preview.annotation !== drag.origin) editor.replace(preview.key, preview.annotation);
  }

  cancel() {
    this.#drag = null;
    this.editor.preview = null;
  }

  #shifted({from, origin}, at) {
    const {editor} = this, [dx, dy] = [0, 1].map(axis => Math.round((at[axis] - from[axis]) * 2) / 2);
    return movedInside(origin, dx, dy, editor.width, editor.height);
  }

  #pulled({handle, origin}, at) {
    const {editor} = this, point = editor.snapped(at);
    if (handle.side) return resized(origin, pulledBox(boxOf(origin), handle.side, point));
    const all = handle.isMiddle ? cornerInserted(parts(origin), handle, ...point) : cornerMoved(parts(origin), handle, ...point);
    return outlined(origin, all, editor.height, editor.width);
  }

  deleteCorner(corner) {
    const {editor} = this, {selected} = editor;
    const left = cornerDeleted(parts(selected.annotation), corner);
    editor.replace(selected.key, outlined(selected.annotation, left, editor.height, editor.width));
    const before = {...corner, corner: Math.max(corner.corner - 1, 0)};
    editor.corner = [...cornersOf(left)].find(one => sameCorner(one, before)) ?? null;
  }

  #handleAt(at, near) {
    const {editor} = this, handles = editor.readOnly ? [] : handlesOf(editor.selected?.annotation, editor.view.scale);
    const distances = handles.map(({x, y}) => Math.hypot(x - at[0], y - at[1]) * editor.view.scale), least = Math.min(...distances);
    return least <= near ? handles[distances.indexOf(least)] : null;
  }

  draft() {
    const {editor} = this, {selected, corner} = editor;
    if (!selected || editor.readOnly) return {};
    const handles = handlesOf(selected.annotation, editor.view.scale), place = ({x, y}) => [x, y];
    const active = corner && kindOf(selected.annotation) === "polygon" ? handles.filter(one => !one.isMiddle && sameCorner(one, corner)) : [];
    return {handles: handles.map(place), active: active.map(place)};
  }
}

const SIDES = [[0, 0], [1, 0], [2, 0], [2, 1], [2, 2], [1, 2], [0, 2], [0, 1]]; // left, middle, right; top, middle, bottom

/** Handles {x, y, …} of an object: eight of a box; of a polygon its corners and the middles of its longer edges. */
function handlesOf(one, scale) {
  const kind = one && kindOf(one);
  if (kind === "box") {
    const [x, y, w, h] = one.bbox;
    return SIDES.map(([across, down]) => ({side: [across, down], x: x + across * w / 2, y: y + down * h / 2}));
  }
  if (kind !== "polygon") return [];
  const corners = [...cornersOf(parts(one))];
  const middles = corners.map(corner => [corner, cornerAfter(parts(one), corner)])
    .filter(([a, b]) => Math.hypot(a.x - b.x, a.y - b.y) * scale >= WIDE)
    .map(([a, b]) => ({...a, isMiddle: true, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2}));
  return corners.concat(middles);
}

/** A box with a side or a corner pulled to a point; pulled beyond the other side it turns over, and never has no width. */
function pulledBox([x, y, w, h], [across, down], [px, py]) {
  const pull = (from, extent, which, to) => {
    const still = which === 0 ? from + extent : from;
    return which === 1 || to === still ? [from, extent] : [Math.min(still, to), Math.abs(to - still)];
  };
  const [left, width] = pull(x, w, across, px), [top, height] = pull(y, h, down, py);
  return [left, top, width, height];
}
