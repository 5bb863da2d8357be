// What is painted: a canvas for the image and the pixels of masks, an SVG above it for outlines, handles and what is being
// drawn. Painting happens at most once a frame; panning and zooming change one transform.

import {drawn, element} from "./elements.js";
import {kindOf, mask, path} from "./objects.js";

const SMOOTH_BELOW = 3; // screen pixels per image pixel from which the pixels are shown as squares
const HANDLE = 4; // half the side of a handle, CSS pixels

export class Surface {
  #shapes = new Map(); // key of an object -> its path
  #tints = new WeakMap(); // annotation -> {color, canvas}
  #frame = 0;

  constructor(stage, editor) {
    this.editor = editor;
    this.canvas = element("canvas");
    this.context = this.canvas.getContext("2d");
    this.svg = drawn("svg", {class: "draw-shapes"});
    this.image = drawn("g");
    [this.objects, this.halo, this.chosen, this.draft] = ["objects", "halo", "chosen", "draft"].map(name => drawn(name === "objects" ? "g" : "path", {class: name}));
    this.image.append(this.objects, this.halo, this.chosen, this.draft);
    [this.handles, this.active, this.cross, this.brush] = ["handles", "active", "cross", "brush"].map(name => drawn(name === "brush" ? "circle" : "path", {class: name}));
    this.label = drawn("text", {class: "label"});
    this.svg.append(this.image, this.handles, this.active, this.cross, this.brush, this.label);
    stage.append(this.canvas, this.svg);
  }

  resize(width, height) {
    const ratio = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.max(Math.round(width * ratio), 1), Math.max(Math.round(height * ratio), 1)];
    this.now();
  }

  /** Paint with the next frame. */
  soon() {
    this.#frame ||= requestAnimationFrame(() => this.now());
  }

  now() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#pixels();
    this.#vectors();
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
  }

  #pixels() {
    const {context, editor} = this, {view, bitmap} = editor, ratio = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.x * ratio, view.y * ratio);
    context.imageSmoothingEnabled = view.scale * ratio < SMOOTH_BELOW;
    if (bitmap) context.drawImage(bitmap, 0, 0, editor.width, editor.height);
    if (editor.isHidden) return;
    context.globalAlpha = editor.opacity;
    for (const {key, annotation} of editor.shown) {
      if (key === editor.live?.key || kindOf(annotation) !== "mask") continue;
      const {x, y} = mask(annotation);
      context.drawImage(this.#tinted(annotation), x, y);
    }
    if (editor.live) context.drawImage(editor.live.canvas, editor.live.mask.x, editor.live.mask.y);
  }

  #tinted(annotation) {
    const color = this.editor.colorOf(annotation.category), known = this.#tints.get(annotation);
    if (known?.color === color) return known.canvas;
    const canvas = tint(mask(annotation), color);
    this.#tints.set(annotation, {color, canvas});
    return canvas;
  }

  #vectors() {
    const {editor, svg} = this, {view} = editor, {selected} = editor;
    svg.classList.toggle("hidden", editor.isHidden);
    svg.style.setProperty("--draw-opacity", editor.opacity);
    this.image.setAttribute("transform", `matrix(${view.scale} 0 0 ${view.scale} ${view.x} ${view.y})`);
    this.#sync();
    const d = selected && editor.live?.key !== selected.key ? path(selected.annotation) : "";
    set(this.halo, {d});
    set(this.chosen, {d, stroke: selected ? editor.colorOf(selected.annotation.category) : "none", class: `chosen ${selected?.predicted ? "predicted" : ""}`});
    const {d: draft = "", closed = false, handles = [], active = []} = editor.draft();
    set(this.draft, {d: draft, class: `draft ${closed ? "closed" : ""}`});
    set(this.handles, {d: this.#squares(handles)});
    set(this.active, {d: this.#squares(active)});
    this.#pointer();
    this.#name(selected);
  }

  /** One path per object, made or changed only where its annotation is another one. */
  #sync() {
    const {editor} = this, {shown} = editor, keys = new Set(shown.map(one => one.key));
    for (const [key, shape] of this.#shapes) if (!keys.has(key)) shape.element.remove(), this.#shapes.delete(key);
    let before = null;
    for (const {key, annotation, predicted} of shown) {
      let shape = this.#shapes.get(key);
      if (!shape) this.#shapes.set(key, shape = {element: drawn("path")});
      if (!shape.element.parentNode || shape.element.previousSibling !== before) before ? before.after(shape.element) : this.objects.prepend(shape.element);
      const color = editor.colorOf(annotation.category), name = `object ${kindOf(annotation)}${predicted ? " predicted" : ""}${key === editor.live?.key ? " live" : ""}`;
      if (shape.annotation !== annotation) shape.element.setAttribute("d", path(annotation));
      if (shape.color !== color) set(shape.element, {stroke: color, fill: kindOf(annotation) === "mask" ? "none" : color});
      if (shape.name !== name) set(shape.element, {class: name, fill: kindOf(annotation) === "mask" ? "none" : color});
      Object.assign(shape, {annotation, color, name});
      before = shape.element;
    }
  }

  #squares(points) {
    const {view} = this.editor, side = 2 * HANDLE;
    return points.map(([x, y]) => view.toStage(x, y)).filter(([x, y]) => x > -side && y > -side && x < view.width + side && y < view.height + side)
      .map(([x, y]) => `M${x - HANDLE} ${y - HANDLE}h${side}v${side}h${-side}Z`).join("");
  }

  #pointer() {
    const {editor} = this, {view, cross, brush} = editor;
    const [x, y] = cross ? view.toStage(...cross) : [0, 0];
    set(this.cross, {d: cross ? `M0 ${y}H${view.width}M${x} 0V${view.height}` : ""});
    const [bx, by] = brush ? view.toStage(...brush.at) : [0, 0];
    set(this.brush, {cx: bx, cy: by, r: brush ? brush.size / 2 * view.scale : 0, visibility: brush ? "visible" : "hidden"});
  }

  /** The class of the selected object, beside it. */
  #name(selected) {
    const box = selected && this.editor.boxOf(selected);
    this.label.textContent = box ? selected.annotation.category.slice(0, 60) : "";
    if (!box) return;
    const {view} = this.editor, [x, y] = view.toStage(box[0], box[1]);
    set(this.label, {x: Math.min(Math.max(x, 4), Math.max(view.width - 60, 4)), y: Math.max(y - 7, 14)});
  }
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

const colors = new Map();

/** The bytes of a CSS colour as a pixel of ImageData. */
function pixelOf(color) {
  if (!colors.has(color)) {
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    colors.set(color, new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0]);
  }
  return colors.get(color);
}

/** A canvas of the size of the window of a mask, with its pixels in a colour. */
export function tint(pixels, color) {
  const canvas = new OffscreenCanvas(Math.max(pixels.width, 1), Math.max(pixels.height, 1));
  if (pixels.bits.length) retint(canvas, pixels, color, [0, 0, pixels.width, pixels.height]);
  return canvas;
}

/** `tint` again in x, y, width, height of the window. */
export function retint(canvas, pixels, color, [x, y, width, height]) {
  const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer), value = pixelOf(color);
  for (let row = 0, n = 0; row < height; row++) {
    const from = (y + row) * pixels.width + x;
    for (let column = 0; column < width; column++, n++) if (pixels.bits[from + column]) out[n] = value;
  }
  canvas.getContext("2d").putImageData(image, x, y);
}
