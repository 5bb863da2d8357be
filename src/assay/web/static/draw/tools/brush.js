// Brush and eraser on the pixels of an object, which becomes a mask: of the selected object, or of a new one.

import {kindOf, outlined, pixelsOf} from "../objects.js";
import {Mask} from "../mask.js";
import {retint, tint} from "../surface.js";

export class BrushTool {
  #last = null;

  /** `value` 1 paints, 0 erases. */
  constructor(editor, value) {
    Object.assign(this, {editor, value});
  }

  get isBusy() { return this.#last !== null; }

  down(at) {
    const {editor} = this, {selected} = editor;
    if (!this.value && !selected) return editor.say("Select the object to erase from first");
    const one = selected?.annotation ?? {category: editor.category};
    const mask = !selected || (this.value && kindOf(one) === "box") ? new Mask(0, 0, 0, 0) : pixelsOf(one, editor.height, editor.width);
    const copy = mask.bits.length ? mask.grown(mask.x, mask.y, mask.x + mask.width, mask.y + mask.height) : mask;
    const color = editor.colorOf(one.category);
    editor.live = {key: selected?.key ?? null, annotation: one, mask: copy, canvas: tint(copy, color), color};
    this.#last = at;
    this.move(at);
  }

  move(at) {
    const {editor} = this, {live, brushSize: size} = editor;
    if (this.#last && live) this.#paint(live, this.#last, at, size);
    if (this.#last) this.#last = at;
    editor.repaint();
  }

  #paint(live, from, to, size) {
    const {width, height} = this.editor, reach = Math.ceil(size / 2) + 1;
    const ends = axis => [Math.floor(Math.min(from[axis], to[axis]) - reach), Math.ceil(Math.max(from[axis], to[axis]) + reach)];
    const inside = (value, end) => Math.min(Math.max(value, 0), end), [x0, x1] = ends(0).map(x => inside(x, width)), [y0, y1] = ends(1).map(y => inside(y, height));
    if (this.value && x0 < x1 && y0 < y1) {
      const roomier = live.mask.roomier(x0, y0, x1, y1, width, height);
      if (roomier !== live.mask) Object.assign(live, {mask: roomier, canvas: tint(roomier, live.color)});
    }
    const changed = live.mask.stroke(from, to, size, this.value);
    if (changed) retint(live.canvas, live.mask, live.color, changed);
  }

  up() {
    const {editor} = this, {live} = editor;
    if (!this.#last) return;
    this.cancel();
    const next = outlined(live.annotation, live.mask, editor.height, editor.width);
    if (live.key !== null) editor.replace(live.key, next);
    else if (next) editor.add(next);
  }

  cancel() {
    this.#last = null;
    this.editor.live = null;
  }

  draft() { return {}; }
}
