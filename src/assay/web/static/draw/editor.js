// The drawing editor: boxes, polygons and masks of one image. It needs no network, and of the page `dom.js` only:
//
//   const editor = new Editor(host, {classes, colors, readOnly, onChange});
//   editor.load({bitmap, width, height, annotations, predicted});
//   editor.annotations();
//
// Annotations are assay's: {category, bbox: [x, y, width, height], segmentation, iscrowd, attributes}, in pixels of the
// upright image. Those that nobody changed are returned as the same objects.

import {colorOf} from "./colors.js";
import {History} from "./history.js";
import {Input} from "./input.js";
import {KEYS} from "./keys.js";
import {areaOf, boxOf, described, kindOf, touches} from "./objects.js";
import {Panel} from "./panel.js";
import {Surface} from "./surface.js";
import {BoxTool, ExtremesTool} from "./tools/box.js";
import {BrushTool} from "./tools/brush.js";
import {PolygonTool} from "./tools/polygon.js";
import {SelectTool} from "./tools/select.js";
import {View} from "./view.js";

const STEP = 0.5; // pixels to which drawn corners are rounded: finer than a hand
const BRUSH = {least: 1, most: 400}; // diameter in pixels of the image

export class Editor {
  history = new History({objects: [], selected: null});
  view = new View();
  width = 1;
  height = 1;
  bitmap = null;
  opacity = 0.4;
  brushSize = 20;
  isHidden = false;
  cross = null; // [x, y] of the crosshair, in pixels of the image
  pointer = null; // the same of the pointer
  corner = null; // the corner that keys move: {part, ring, corner}
  live = null; // pixels that are being painted: {key, annotation, mask, canvas, color}
  preview = null; // an object that is being moved: {key, annotation}
  #loaded = [];
  #keys = 0;

  /**
   * classes: names, in the order of their keys; colors: {name: CSS colour}; outlines: objects need one, so that what is in
   * a drawn box is outlined; readOnly: look only; onChange: called with the editor after each change of the objects.
   */
  constructor(host, {classes = [], colors = {}, outlines = false, readOnly = false, onChange = () => {}} = {}) {
    Object.assign(this, {classes, outlines, readOnly, onChange, category: classes[0] ?? "object"});
    this.colors = colors instanceof Map ? colors : new Map(Object.entries(colors));
    linkStyle();
    this.panel = new Panel(host, this);
    this.stage = this.panel.stage;
    this.surface = new Surface(this.stage, this);
    this.tools = {select: new SelectTool(this), box: new BoxTool(this), extremes: new ExtremesTool(this), polygon: new PolygonTool(this),
      brush: new BrushTool(this, 1), eraser: new BrushTool(this, 0)};
    this.input = new Input(this);
    this.sizes = new ResizeObserver(() => this.#resized());
    this.sizes.observe(this.stage);
    this.setTool("select");
  }

  /** For a list of keys: [[keys with spaces between, what they do], …]. */
  get keys() {
    return KEYS.filter(({edits}) => !edits || !this.readOnly).map(({keys, text}) => [keys.join(" "), text]);
  }

  /**
   * Show an image. `predicted` are suggestions: drawn dashed, and no annotations until they are accepted; then those with the
   * indices `instead` go.
   */
  load({bitmap = null, width, height, annotations = [], predicted = []}) {
    this.cancel();
    const given = (annotations ?? []).map(annotation => ({key: ++this.#keys, annotation, predicted: false}));
    const suggested = (predicted ?? []).map(({score, instead = [], ...annotation}) => ({key: ++this.#keys, annotation, predicted: true, score, instead: instead.map(n => given[n].key)}));
    Object.assign(this, {bitmap, width: width ?? bitmap.width, height: height ?? bitmap.height, cross: null, corner: null, pointer: null, isHidden: false});
    this.#loaded = [...annotations ?? []];
    this.history = new History({objects: [...given, ...suggested], selected: null});
    Object.assign(this.view, {imageWidth: this.width, imageHeight: this.height});
    this.#resized();
    this.view.fit();
    this.#refresh();
    this.say(this.#summary());
  }

  /** The annotations as they are now, without suggestions. */
  annotations() {
    return this.state.objects.filter(one => !one.predicted).map(one => one.annotation);
  }

  /** Number of suggestions that are neither accepted nor deleted. */
  get suggestions() {
    return this.state.objects.filter(one => one.predicted).length;
  }

  /** Whether any annotation differs from those loaded. */
  get isChanged() {
    const now = this.annotations();
    return now.length !== this.#loaded.length || now.some((one, n) => one !== this.#loaded[n]);
  }

  destroy() {
    this.sizes.disconnect();
    this.input.destroy();
    this.surface.destroy();
    this.panel.root.remove();
  }

  // state

  get state() { return this.history.state; }
  get canUndo() { return this.history.canUndo; }
  get canRedo() { return this.history.canRedo; }
  get tool() { return this.tools[this.toolName]; }

  /** The objects as they are shown: with one that is being moved where it is now. */
  get shown() {
    const {objects} = this.state, {preview} = this;
    return preview ? objects.map(one => one.key === preview.key ? {...one, annotation: preview.annotation} : one) : objects;
  }

  get selected() {
    const {selected} = this.state;
    return selected === null ? null : this.shown.find(one => one.key === selected) ?? null;
  }

  boxOf({annotation}) { return boxOf(annotation); }

  colorOf(category) {
    return this.colors.get(category) ?? colorOf(this.classes, category);
  }

  /** The smallest object at a point. */
  hit([x, y]) {
    const near = 4 / this.view.scale, there = this.state.objects.filter(({annotation}) => touches(annotation, x, y, near));
    return there.reduce((least, one) => !least || areaOf(one.annotation) < areaOf(least.annotation) ? one : least, null);
  }

  add(annotation) {
    const key = ++this.#keys;
    this.commit([...this.state.objects, {key, annotation, predicted: false}], key);
  }

  /**
   * Another annotation in place of that of an object; null deletes it. What is changed by hand is no suggestion any more, and
   * none is left to replace it.
   */
  replace(key, annotation) {
    const objects = this.state.objects.filter(one => !one.instead?.includes(key)), gone = objects.find(one => one.key === key)?.instead ?? [];
    if (annotation) this.commit(objects.filter(one => !gone.includes(one.key)).map(one => one.key === key ? {key, annotation, predicted: false} : one), key);
    else {
      this.commit(objects.filter(one => one.key !== key), null);
      this.say("Deleted. Z: undo");
    }
  }

  /** The objects after a step that can be undone, and which of them is selected. */
  commit(objects, selected) {
    this.history.push({objects, selected});
    this.#refresh();
    this.onChange(this);
  }

  #refresh() {
    if (this.corner && !(this.selected && kindOf(this.selected.annotation) === "polygon")) this.corner = null;
    this.panel.update();
    this.say(this.selected ? this.#about(this.selected) : this.#summary());
    this.repaint();
  }

  #about(one) {
    const at = this.state.objects.indexOf(this.state.objects.find(({key}) => key === one.key)) + 1, score = one.score === undefined ? "" : `, score ${one.score.toFixed(2)}`;
    return `${at} of ${this.state.objects.length}${one.predicted ? `, suggested${score}` : ""}: ${described(one.annotation)}`;
  }

  #summary() {
    const {objects} = this.state, suggested = this.suggestions;
    return (objects.length ? `${objects.length} ${objects.length === 1 ? "object" : "objects"}` : "No objects") + (suggested ? `, ${suggested} of them suggested` : "");
  }

  // what keys and buttons do

  undo() {
    if (this.tool.isBusy && this.tool.back) this.tool.back(), this.repaint(); // the last point of what is being drawn
    else this.#travel(() => this.history.undo(), "Nothing to undo");
  }

  redo() { this.#travel(() => this.history.redo(), "Nothing to redo"); }

  #travel(go, nothing) {
    this.cancel();
    if (!go()) return this.say(nothing);
    this.corner = null;
    this.#refresh();
    this.onChange(this);
  }

  select(key) {
    if (key === this.state.selected) return;
    this.corner = null;
    this.history.amend({...this.state, selected: key});
    this.#refresh();
  }

  /** Select the object with the first of these boxes that any has, a suggestion rather than what it replaces. */
  selectAt(boxes) {
    const {objects} = this.state, order = [...objects].sort((a, b) => b.predicted - a.predicted);
    const found = boxes.map(box => order.find(({annotation}) => boxOf(annotation)?.every((side, n) => Math.abs(side - box[n]) < 1))).find(Boolean);
    this.select(found?.key ?? null);
  }

  setTool(name) {
    if (!Object.hasOwn(this.tools, name)) throw new RangeError(`no tool ${name}; valid: ${Object.keys(this.tools).join(", ")}`);
    if (this.toolName) this.cancel();
    this.toolName = this.readOnly ? "select" : name;
    this.panel.update();
    this.repaint();
  }

  /** The class of what is drawn next, and of the selected object. */
  setClass(name) {
    if (!this.classes.includes(name)) throw new RangeError(`no class ${name}`);
    this.category = name;
    const {selected} = this;
    if (selected && !this.readOnly && selected.annotation.category !== name) this.replace(selected.key, {...selected.annotation, category: name});
    else this.panel.update();
  }

  setClassAt(n) { return n < this.classes.length && this.setClass(this.classes[n]); }
  findClass() { this.panel.find(); }

  /** Drop what is being drawn or moved. */
  cancel() {
    for (const tool of Object.values(this.tools)) tool.cancel();
    this.preview = null;
  }

  /** One step up or down: by an eighth, at least 1 px. */
  resizeBrush(way) {
    const size = this.brushSize + way * Math.max(1, this.brushSize / 8);
    this.brushSize = Math.round(Math.min(Math.max(size, BRUSH.least), BRUSH.most));
    this.say(`Brush of ${this.brushSize} px`);
    this.repaint();
  }

  setOpacity(value) { this.opacity = Math.min(Math.max(value, 0), 1); this.repaint(); }
  hide(isHidden) { this.isHidden = isHidden; this.repaint(); }

  // the view

  zoom(factor, x, y) { this.view.zoom(factor, x, y); this.repaint(); }
  fit() { this.view.fit(); this.repaint(); }
  actualSize() { this.zoom(1 / this.view.scale); }

  /** Show the selected object as large as it fits, with some room around it. */
  fitSelected() {
    const box = this.selected && boxOf(this.selected.annotation);
    if (!box) return this.fit();
    this.view.frame(box);
    this.repaint();
  }

  panBy(dx, dy) { this.view.pan(dx, dy); this.repaint(); }
  say(text) { this.panel.say(text); }
  repaint() { this.surface.soon(); }
  draft() { return this.preview || !this.tool.isBusy && this.toolName !== "select" ? this.tools.select.draft() : this.tool.draft(); }

  get brush() {
    const at = this.cross ?? this.pointer;
    return at && (this.toolName === "brush" || this.toolName === "eraser") ? {at, size: this.brushSize} : null;
  }

  /** A point on the image, rounded as drawn corners are. */
  snapped([x, y]) { return this.clamped([Math.round(x / STEP) * STEP, Math.round(y / STEP) * STEP]); }
  clamped([x, y]) { return [Math.min(Math.max(x, 0), this.width), Math.min(Math.max(y, 0), this.height)]; }

  /** Whether two points of the image are within so many CSS pixels. */
  isNear(a, b, far) { return Math.hypot(a[0] - b[0], a[1] - b[1]) * this.view.scale <= far; }

  #resized() {
    const {clientWidth, clientHeight} = this.stage;
    if (!clientWidth || !clientHeight) return;
    this.view.resize(clientWidth, clientHeight);
    this.surface.resize(clientWidth, clientHeight);
  }
}

/** The style of the editor, once a page. */
function linkStyle() {
  const href = new URL("editor.css", import.meta.url).href;
  if ([...document.styleSheets].some(sheet => sheet.href === href) || document.querySelector("link[data-draw]")) return;
  const link = Object.assign(document.createElement("link"), {rel: "stylesheet", href});
  link.dataset.draw = "";
  document.head.append(link);
}
