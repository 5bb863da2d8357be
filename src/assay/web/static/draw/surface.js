// What is painted: a canvas with the image, one with the pixels of masks; above them an SVG with the outlines of all objects, and
// another one with what is selected and being drawn. Painting happens at most once a frame. The outlines of hundreds of
// objects take longer than a frame to rasterize: while the view moves, the layer that has them is moved as it is, and
// rasterized anew when the view stands still.

import {element} from "../dom.js";
import {kindOf, mask, path, roughPath} from "./objects.js";

const SMOOTH_BELOW = 3; // screen pixels per image pixel from which the pixels are shown as squares
const HANDLE = 4; // half the side of a handle, CSS pixels
const STILL = 200; // ms without a movement after which the view stands still
const BEYOND = 0.25; // of the stage, on each side, for which outlines are rasterized too
const STRETCH = 4; // factor by which a rasterized layer is enlarged at most

export class Surface {
  #shapes = new Map(); // key of an object -> its path
  #tints = new WeakMap(); // annotation -> {color, canvas}
  #frame = 0;
  #pictured = null; // what the canvas of the image shows: bitmap, view, size
  #raster = null; // the view for which the outlines are rasterized: {scale, x, y}
  #settling = 0;

  constructor(stage, editor) {
    this.editor = editor;
    [this.picture, this.masks] = [element("canvas"), element("canvas")];
    this.layer = drawn("svg", {class: "draw-shapes draw-objects"});
    this.objects = drawn("g");
    this.layer.append(this.objects);
    this.svg = drawn("svg", {class: "draw-shapes"});
    this.image = drawn("g");
    [this.halo, this.chosen, this.draft] = ["halo", "chosen", "draft"].map(name => drawn("path", {class: name}));
    this.image.append(this.halo, this.chosen, this.draft);
    [this.handles, this.active, this.cross, this.brush] = ["handles", "active", "cross", "brush"].map(name => drawn(name === "brush" ? "circle" : "path", {class: name}));
    this.label = drawn("text", {class: "label"});
    this.svg.append(this.image, this.handles, this.active, this.cross, this.brush, this.label);
    stage.append(this.picture, this.masks, this.layer, this.svg);
  }

  resize(width, height) {
    const ratio = devicePixelRatio || 1;
    for (const canvas of [this.picture, this.masks]) {
      [canvas.width, canvas.height] = [Math.max(Math.round(width * ratio), 1), Math.max(Math.round(height * ratio), 1)];
    }
    const [left, top] = [width * BEYOND, height * BEYOND];
    Object.assign(this.layer.style, {left: `${-left}px`, top: `${-top}px`, width: `${width + 2 * left}px`, height: `${height + 2 * top}px`});
    this.#raster = this.#pictured = null;
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
    clearTimeout(this.#settling);
  }

  /** The image is painted only if it or the view is another one; the masks above it always. */
  #pixels() {
    const {editor} = this, {view, bitmap} = editor, shown = [bitmap, view.scale, view.x, view.y, this.picture.width, this.picture.height];
    if (!this.#pictured || shown.some((one, n) => one !== this.#pictured[n])) {
      this.#pictured = shown;
      const context = this.#cleared(this.picture);
      if (bitmap) context.drawImage(bitmap, 0, 0, editor.width, editor.height);
    }
    const context = this.#cleared(this.masks);
    if (editor.isHidden) return;
    context.globalAlpha = editor.opacity;
    for (const {key, annotation} of editor.shown) {
      if (key === editor.live?.key || kindOf(annotation) !== "mask") continue;
      const {x, y} = mask(annotation);
      context.drawImage(this.#tinted(annotation), x, y);
    }
    if (editor.live) context.drawImage(editor.live.canvas, editor.live.mask.x, editor.live.mask.y);
  }

  /** The context of an empty canvas, in pixels of the image. */
  #cleared(canvas) {
    const context = canvas.getContext("2d"), {view} = this.editor, ratio = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.x * ratio, view.y * ratio);
    context.imageSmoothingEnabled = view.scale * ratio < SMOOTH_BELOW;
    return context;
  }

  #tinted(annotation) {
    const color = this.editor.colorOf(annotation.category), known = this.#tints.get(annotation);
    if (known?.color === color) return known.canvas;
    const canvas = tint(mask(annotation), color);
    this.#tints.set(annotation, {color, canvas});
    return canvas;
  }

  #vectors() {
    const {editor, svg, layer} = this, {view} = editor, {selected} = editor;
    for (const one of [svg, layer]) one.classList.toggle("hidden", editor.isHidden);
    if (layer.dataset.opacity !== String(editor.opacity)) layer.style.setProperty("--draw-opacity", layer.dataset.opacity = editor.opacity);
    this.image.setAttribute("transform", `matrix(${view.scale} 0 0 ${view.scale} ${view.x} ${view.y})`);
    this.#sync();
    this.#place();
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

  /** Move the layer of outlines to the view; rasterize it once the view stands still, or is too far away. */
  #place() {
    const {view} = this.editor, {scale, x, y} = view, was = this.#raster;
    if (was && was.scale === scale && was.x === x && was.y === y) return void (this.layer.style.transform = "");
    const by = was ? scale / was.scale : 0, [left, top] = [view.width * BEYOND, view.height * BEYOND];
    const [dx, dy] = was ? [x - by * was.x - by * left + left, y - by * was.y - by * top + top] : [0, 0];
    const isNear = by > 0 && by < STRETCH && dx <= left && dy <= top && dx + by * (view.width + 2 * left) >= view.width + left && dy + by * (view.height + 2 * top) >= view.height + top;
    clearTimeout(this.#settling);
    if (isNear) {
      this.layer.style.transform = `translate(${dx}px, ${dy}px) scale(${by})`;
      this.#settling = setTimeout(() => this.#settle(), STILL);
    } else {
      this.#raster = {scale, x, y};
      this.layer.style.transform = "";
      this.objects.setAttribute("transform", `matrix(${scale} 0 0 ${scale} ${x + left} ${y + top})`);
    }
  }

  #settle() {
    if (this.editor.input.isHeld) this.#settling = setTimeout(() => this.#settle(), STILL); // it may move on
    else this.#raster = null, this.soon();
  }

  /** One path per object, made or changed only where its annotation is another one; exact where pixels are squares. */
  #sync() {
    const {editor} = this, {shown} = editor, keys = new Set(shown.map(one => one.key));
    for (const [key, shape] of this.#shapes) if (!keys.has(key)) shape.element.remove(), this.#shapes.delete(key);
    const shapeOf = editor.view.scale < SMOOTH_BELOW ? roughPath : path;
    let before = null;
    for (const {key, annotation, predicted} of shown) {
      let shape = this.#shapes.get(key);
      if (!shape) this.#shapes.set(key, shape = {element: drawn("path")});
      if (!shape.element.parentNode || shape.element.previousSibling !== before) before ? before.after(shape.element) : this.objects.prepend(shape.element);
      const color = editor.colorOf(annotation.category), name = `object ${kindOf(annotation)}${predicted ? " predicted" : ""}${key === editor.live?.key ? " live" : ""}`;
      if (shape.annotation !== annotation || shape.shapeOf !== shapeOf) set(shape.element, {d: shapeOf(annotation)});
      if (shape.color !== color) set(shape.element, {stroke: color, fill: kindOf(annotation) === "mask" ? "none" : color});
      if (shape.name !== name) set(shape.element, {class: name, fill: kindOf(annotation) === "mask" ? "none" : color});
      Object.assign(shape, {annotation, shapeOf, color, name});
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

function drawn(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(made, attributes);
  return made;
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
