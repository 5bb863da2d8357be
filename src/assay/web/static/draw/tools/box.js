// Boxes: by dragging, or by the four extreme points of the object (Papadopoulos et al. 2017).

import {insideOf} from "../actions.js";
import {corners} from "../objects.js";
import {pathOf} from "../rings.js";

const LEAST = 3; // CSS pixels that a drag must cover, in one direction, to be no click

const around = points => {
  const [xs, ys] = [0, 1].map(axis => points.map(point => point[axis]));
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return [x, y, Math.max(...xs) - x, Math.max(...ys) - y];
};

/** A box as a polygon of four corners. */
const asOutline = ({category, bbox}) => ({category, segmentation: [corners(bbox)]});

/** The drawn object: what is in the box, where objects need an outline. */
function finish(editor, points) {
  const bbox = around(points);
  if (!(bbox[2] > 0 && bbox[3] > 0)) return editor.say("A box needs a width and a height");
  const one = {category: editor.category, bbox};
  editor.add(editor.outlines ? insideOf(editor, one) ?? asOutline(one) : one);
}

export class BoxTool {
  #from = null;
  #to = null;

  constructor(editor) { this.editor = editor; }

  get isBusy() { return this.#from !== null; }

  down(at) { this.#from = this.#to = this.editor.snapped(at); }

  move(at) {
    if (!this.#from) return;
    this.#to = this.editor.snapped(at);
    this.editor.repaint();
  }

  up() {
    if (!this.#from) return;
    const points = [this.#from, this.#to], [, , w, h] = around(points);
    this.cancel();
    if (Math.max(w, h) * this.editor.view.scale >= LEAST) finish(this.editor, points);
  }

  cancel() { this.#from = this.#to = null; }

  draft() {
    return this.#from ? {d: pathOf([[corners(around([this.#from, this.#to]))]]), closed: true} : {};
  }
}

export class ExtremesTool {
  #points = [];

  constructor(editor) { this.editor = editor; }

  get isBusy() { return this.#points.length > 0; }

  down(at) {
    this.#points.push(this.editor.snapped(at));
    if (this.#points.length < 4) this.editor.say(`Point ${this.#points.length} of 4: click the topmost, leftmost, lowest and rightmost points`);
    else {
      const points = this.#points;
      this.cancel();
      finish(this.editor, points);
    }
  }

  move() {}
  up() {}
  back() { this.#points.pop(); }
  cancel() { this.#points = []; }
  draft() { return {handles: this.#points}; }
}
