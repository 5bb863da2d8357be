// What part of the image is shown, and how large: image pixel p is at scale · p + offset of the stage, in CSS pixels.

const LARGEST = 64; // CSS pixels per pixel of the image
const MARGIN = 8; // CSS pixels around a whole image
const ROOM = 0.7; // share of the stage that a box fills

export class View {
  scale = 1;
  x = 0;
  y = 0;

  /** A stage of width × height CSS pixels; an image of imageWidth × imageHeight pixels. */
  constructor() {
    Object.assign(this, {width: 1, height: 1, imageWidth: 1, imageHeight: 1, isFitted: true});
  }

  get fitScale() {
    return Math.max(Math.min((this.width - 2 * MARGIN) / this.imageWidth, (this.height - 2 * MARGIN) / this.imageHeight), 1e-3);
  }

  /** The stage has a new size: the whole image stays whole, otherwise the centre stays the centre. */
  resize(width, height) {
    const centre = this.toImage(this.width / 2, this.height / 2);
    Object.assign(this, {width, height});
    if (this.isFitted) this.fit();
    else this.#centre(centre);
  }

  fit() {
    this.scale = Math.min(this.fitScale, 16);
    this.#centre([this.imageWidth / 2, this.imageHeight / 2]);
    this.isFitted = true;
  }

  /** `factor` times as large, with what is at x, y of the stage staying there. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(Math.max(this.scale * factor, Math.min(this.fitScale / 2, 1)), LARGEST), kept = this.toImage(x, y);
    this.scale = scale;
    [this.x, this.y] = [x - kept[0] * scale, y - kept[1] * scale];
    this.pan(0, 0);
  }

  pan(dx, dy) {
    const half = (offset, extent, stage) => Math.min(Math.max(offset, stage / 2 - extent * this.scale), stage / 2);
    this.x = half(this.x + dx, this.imageWidth, this.width); // some of the image always stays in the middle
    this.y = half(this.y + dy, this.imageHeight, this.height);
    this.isFitted = false;
  }

  /** Show a box [x, y, width, height] as large as it fits, with some room around it. */
  frame([x, y, w, h], largest = LARGEST / 2) {
    this.scale = Math.min(largest, ROOM * this.width / Math.max(w, 1), ROOM * this.height / Math.max(h, 1));
    this.#centre([x + w / 2, y + h / 2]);
    this.isFitted = false;
  }

  /** Show all of a box; nothing changes if it is shown already. */
  reveal([x, y, w, h]) {
    const [left, top] = this.toStage(x, y), [right, bottom] = this.toStage(x + w, y + h);
    if (left < 0 || top < 0 || right > this.width || bottom > this.height) this.frame([x, y, w, h], this.scale);
  }

  toImage(x, y) { return [(x - this.x) / this.scale, (y - this.y) / this.scale]; }
  toStage(x, y) { return [x * this.scale + this.x, y * this.scale + this.y]; }

  #centre([x, y]) {
    [this.x, this.y] = [this.width / 2 - x * this.scale, this.height / 2 - y * this.scale];
  }
}
