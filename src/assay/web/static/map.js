// All images of a list as points: near ones look alike to the encoder. A region drawn with the mouse opens as a grid.

import {bytes} from "./api.js";
import {button, count, element, number} from "./dom.js";
import {parse, SPLITS} from "./rows.js";
import {draw} from "./thumbnails.js";

const COLORS = ["#3f83f0", "#d1571b", "#2c8a4b", "#b0379e", "#8a6d00", "#0f8ea3", "#7a4fd0", "#c22f3d", "#5b7c1f", "#9a5a3c", "#3f6f9f", "#d0458f",
  "#4aa3ff", "#f08c3e", "#54c27a", "#e07ad2", "#d9b430", "#3cc7dd", "#ab8cf5", "#f2737d"];
const NONE = "#8b8f96";
const LOW = [44, 123, 182], HIGH = [215, 48, 31]; // of a number, by way of a pale yellow
const PALE = [240, 225, 150];
const NEAR = 14; // px
const POLL = 1500; // ms

const hex = text => [1, 3, 5].map(k => parseInt(text.slice(k, k + 2), 16));
const ramp = t => { const [a, b, u] = t < .5 ? [LOW, PALE, 2 * t] : [PALE, HIGH, 2 * t - 1]; return a.map((v, k) => v + (b[k] - v) * u); };
const packed = ([r, g, b]) => (255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);

export class MapLook {
  constructor(app) {
    this.app = app;
    this.canvas = element("canvas", {className: "points", tabIndex: 0, role: "application", ariaLabel: "map: arrows go to the next image, Enter opens it, A opens those around it as a grid, + and − zoom, 0 shows all"});
    this.over = element("canvas", {className: "points over"});
    this.picture = element("canvas", {className: "peek", ariaHidden: "true", hidden: true});
    this.legend = element("div", {className: "legend"});
    this.note = element("p", {className: "empty"});
    this.node = element("section", {className: "map", ariaLabel: "map"}, this.canvas, this.over, this.picture, this.legend, this.note);
    this.view = {x: 0, y: 0, by: 1};
    this.current = -1; // point
    this.resized = new ResizeObserver(() => this.fitted());
    this.resized.observe(this.node);
    const on = (kind, run, options) => this.canvas.addEventListener(kind, run, options);
    on("pointerdown", event => this.press(event));
    on("pointermove", event => this.hover(event));
    on("pointerleave", () => { this.picture.hidden = true; });
    on("wheel", event => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY); }, {passive: false});
    on("keydown", event => this.pressed(event));
    on("dblclick", event => { const at = this.nearest(event.offsetX, event.offsetY); if (at >= 0) this.open(at); });
  }

  async show() {
    this.fitted();
    try {
      for (;;) {
        const buffer = await bytes(`/api/map/${this.app.rows.key}`);
        if (this.gone) return;
        if (new Uint8Array(buffer, 0, 1)[0] !== 123) { this.take(parse(buffer)); return; } // 123: {, an answer in words
        this.note.textContent = "The map is being computed: once for these embeddings, about a minute. You may go on in the grid.";
        await new Promise(done => setTimeout(done, POLL));
        if (this.gone) return;
      }
    } catch (error) { this.note.textContent = error.hint ? `${error.message}: ${error.hint}` : error.message; if (!error.status) this.app.failed(error); }
  }

  take({head, columns}) {
    Object.assign(this, {head, columns});
    this.note.textContent = head.n ? "" : "No image of this list has an embedding: dvc repro computes them.";
    this.choices = ["label", "split", ...["score", "suspicion", "doubt"].filter(name => columns[name])];
    this.by = this.choices.includes(this.app.query.get("color")) ? this.app.query.get("color") : "label";
    const at = this.app.at;
    this.current = columns.at.indexOf(at);
    this.colour();
  }

  // The colour of each point, and what it means.
  colour() {
    const {columns, head, by} = this, n = head.n;
    this.colors = new Uint32Array(n);
    const select = element("select", {ariaLabel: "colour by", onchange: () => { this.app.query.set("color", select.value); this.app.noted(); this.by = select.value; this.colour(); this.canvas.focus(); }},
      ...this.choices.map(name => element("option", {value: name}, name === "label" ? "class" : name === "score" ? this.app.view.score || "score" : name)));
    select.value = by;
    const lines = [element("label", {}, "colour ", select)];
    if (by === "label" || by === "split") {
      const codes = columns[by], names = by === "label" ? head.words : SPLITS, counts = new Map();
      for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
      const order = by === "split" ? [0, 1, 2] : [...counts.keys()].filter(code => code >= 0).sort((a, b) => this.rank(names[a]) - this.rank(names[b]));
      const color = new Map([[-1, NONE], ...order.map((code, k) => [code, COLORS[k % COLORS.length]])]);
      const ints = new Map([...color].map(([code, text]) => [code, packed(hex(text))]));
      for (let k = 0; k < n; k++) this.colors[k] = ints.get(codes[k]) ?? ints.get(-1);
      for (const code of [...order.slice(0, 24), -1]) if (counts.has(code)) lines.push(this.line(color.get(code), code < 0 ? "no label" : names[code] || "nothing", counts.get(code)));
    } else {
      const values = columns[by], known = values.filter(value => !Number.isNaN(value)).sort();
      const low = known[0] ?? 0, high = known.at(-1) ?? 1;
      for (let k = 0; k < n; k++) this.colors[k] = packed(Number.isNaN(values[k]) ? hex(NONE) : ramp(high > low ? (values[k] - low) / (high - low) : 0));
      lines.push(this.line(`rgb(${LOW})`, low.toPrecision(3), ""), this.line(`rgb(${HIGH})`, high.toPrecision(3), ""));
      if (known.length < n) lines.push(this.line(NONE, by === "suspicion" && this.app.draws ? "none suspected" : "unknown", n - known.length));
    }
    lines.push(element("span", {className: "soft"}, `${count(head.of, "image")}${head.n < head.of ? `, ${number.format(head.n)} drawn` : ""}. Drag: a region opens as a grid.`),
      element("span", {className: "zooms"}, button("+", () => this.zoom(1.5), {ariaLabel: "zoom in"}), button("−", () => this.zoom(1 / 1.5), {ariaLabel: "zoom out"}), button("all", () => this.all())));
    this.legend.replaceChildren(...lines);
    this.paint();
  }

  rank(name) { const at = this.app.project.classes.indexOf(name); return at < 0 ? 1e6 : at; }

  line(color, name, n) {
    const dot = element("i", {});
    dot.style.background = color;
    return element("span", {className: "line"}, dot, element("span", {className: "text"}, name), element("span", {className: "soft"}, n === "" ? "" : number.format(n)));
  }

  fitted() {
    const scale = window.devicePixelRatio || 1;
    this.scale = scale;
    this.width = this.node.clientWidth;
    this.height = this.node.clientHeight;
    for (const canvas of [this.canvas, this.over]) { canvas.width = Math.round(this.width * scale); canvas.height = Math.round(this.height * scale); }
    this.paint();
  }

  // Places in px of the canvas: the map is a square beside the legend, or below it, moved and enlarged.
  get beside() { return this.width > 700 ? 240 : 0; }
  get middle() { return (this.width + this.beside) / 2; }
  get below() { return this.beside ? 0 : Math.min(this.legend.offsetHeight, this.height / 2); }
  get level() { return (this.height + this.below) / 2; }
  get side() { return Math.min(this.width - this.beside, this.height - this.below) - 30; }
  toScreen(x, y) { const {side, view} = this; return [this.middle + (x - .5 - view.x) * side * view.by, this.level + (y - .5 - view.y) * side * view.by]; }
  toMap(x, y) { const {side, view} = this; return [(x - this.middle) / (side * view.by) + .5 + view.x, (y - this.level) / (side * view.by) + .5 + view.y]; }

  zoom(by, x = this.middle, y = this.level) {
    const [a, b] = this.toMap(x, y);
    this.view.by = Math.min(200, Math.max(.8, this.view.by * by));
    const [c, d] = this.toMap(x, y);
    this.view.x += a - c;
    this.view.y += b - d;
    this.soon();
  }

  all() { this.view = {x: 0, y: 0, by: 1}; this.soon(); }
  soon() { this.waiting ??= requestAnimationFrame(() => { this.waiting = null; this.paint(); }); }

  paint() {
    const context = this.canvas.getContext("2d"), {width, height} = this.canvas;
    if (!width || !height) return;
    if (!this.colors) { context.clearRect(0, 0, width, height); return; }
    const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer), {x, y} = this.columns, n = this.head.n;
    const size = Math.max(2, Math.min(9, Math.round((n > 50_000 ? 2 : n > 5000 ? 3 : 5) * this.scale * Math.sqrt(this.view.by) * Math.max(1, this.side / 800)))), by = this.side * this.view.by * this.scale;
    const left = this.middle * this.scale - (.5 + this.view.x) * by - size / 2, top = this.level * this.scale - (.5 + this.view.y) * by - size / 2;
    for (let k = 0; k < n; k++) {
      const px = Math.round(left + x[k] * by), py = Math.round(top + y[k] * by);
      if (px < 0 || py < 0 || px + size >= width || py + size >= height) continue;
      for (let line = py; line < py + size; line++) pixels.fill(this.colors[k], line * width + px, line * width + px + size);
    }
    context.putImageData(image, 0, 0);
    this.mark();
  }

  // What lies over the points: the current image, and the region being drawn.
  mark() {
    const context = this.over.getContext("2d"), s = this.scale;
    context.setTransform(s, 0, 0, s, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const ink = getComputedStyle(this.node).color;
    context.strokeStyle = ink;
    context.lineWidth = 2;
    if (this.current >= 0) {
      const [x, y] = this.toScreen(this.columns.x[this.current], this.columns.y[this.current]);
      context.beginPath();
      context.arc(x, y, 8, 0, 2 * Math.PI);
      context.stroke();
    }
    if (this.lasso) {
      context.setLineDash([5, 4]);
      context.beginPath();
      for (const [x, y] of this.lasso) context.lineTo(x, y);
      context.closePath();
      context.stroke();
      context.setLineDash([]);
    }
  }

  nearest(x, y, far = NEAR) {
    if (!this.columns) return -1;
    const [a, b] = this.toMap(x, y), by = this.side * this.view.by;
    let best = (far / by) ** 2, found = -1;
    for (let k = 0; k < this.head.n; k++) {
      const d = (this.columns.x[k] - a) ** 2 + (this.columns.y[k] - b) ** 2;
      if (d < best) { best = d; found = k; }
    }
    return found;
  }

  hover(event) {
    if (this.lasso || this.looking) return;
    this.looking = requestAnimationFrame(() => { this.looking = 0; this.peek(this.nearest(event.offsetX, event.offsetY), event.offsetX, event.offsetY); });
  }

  // The thumbnail of a point, beside it.
  async peek(point, x, y) {
    if (point === this.peeked) return;
    this.peeked = point;
    if (point < 0) { this.picture.hidden = true; return; }
    try {
      const buffer = await bytes(`/api/thumbnails/${this.app.rows.key}?start=${this.columns.at[point]}&count=1`);
      if (this.peeked !== point || this.gone || buffer.byteLength <= 4) return;
      const bitmap = await createImageBitmap(new Blob([buffer.slice(4)]));
      this.picture.hidden = false;
      this.picture.style.left = `${Math.max(0, Math.min(this.width - 150, x + 16))}px`;
      this.picture.style.top = `${Math.max(0, Math.min(this.height - 150, y + 16))}px`;
      draw(this.picture, bitmap);
      bitmap.close();
    } catch { this.picture.hidden = true; }
  }

  press(event) {
    if (event.button !== 0 || !this.columns) return;
    this.canvas.setPointerCapture(event.pointerId);
    const pan = event.shiftKey, before = {...this.view}, begin = [event.offsetX, event.offsetY];
    const points = [begin];
    const move = one => {
      if (pan) {
        this.view.x = before.x - (one.offsetX - begin[0]) / (this.side * this.view.by);
        this.view.y = before.y - (one.offsetY - begin[1]) / (this.side * this.view.by);
        this.soon();
        return;
      }
      const last = points.at(-1);
      if (Math.hypot(one.offsetX - last[0], one.offsetY - last[1]) < 4) return;
      points.push([one.offsetX, one.offsetY]);
      this.lasso = points;
      this.picture.hidden = true;
      this.mark();
    };
    const up = () => {
      this.canvas.removeEventListener("pointermove", move);
      this.lasso = null;
      if (!pan && points.length > 5) this.region(points.map(([x, y]) => this.toMap(x, y)));
      else if (!pan) this.select(this.nearest(...begin));
      this.mark();
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", up, {once: true});
  }

  // The images inside a region, as a grid; its corners are in the address.
  region(corners) {
    const step = Math.max(1, Math.ceil(corners.length / 100));
    const kept = corners.filter((_, n) => n % step === 0);
    this.app.look = "grid";
    this.app.address({inside: kept.flat().map(v => v.toFixed(4)).join(","), look: null, color: null});
  }

  select(point) {
    if (point < 0) return;
    this.current = point;
    this.app.at = this.columns.at[point];
    this.app.bars.told();
    this.app.noted();
    const [x, y] = this.toScreen(this.columns.x[point], this.columns.y[point]);
    this.mark();
    this.peek(point, x, y);
    this.app.tellRow();
  }

  open(point) { this.select(point); this.app.open(); }

  // Keys of the map; true if it was one.
  pressed(event) {
    if (!this.columns || event.ctrlKey || event.metaKey || event.altKey) return;
    const run = {ArrowLeft: () => this.step(-1, 0), ArrowRight: () => this.step(1, 0), ArrowUp: () => this.step(0, -1), ArrowDown: () => this.step(0, 1),
      "+": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), "=": () => this.zoom(1.5), "0": () => this.all(), Enter: () => { if (this.current >= 0) this.app.open(); },
      a: () => this.around()}[event.key];
    if (!run) return;
    event.preventDefault();
    event.stopPropagation();
    run();
  }

  // The nearest point in a direction.
  step(dx, dy) {
    const {x, y} = this.columns;
    if (this.current < 0) { this.select(this.nearest(this.middle, this.level, 1e9)); return; }
    const a = x[this.current], b = y[this.current];
    let best = Infinity, found = -1;
    for (let k = 0; k < this.head.n; k++) {
      const along = (x[k] - a) * dx + (y[k] - b) * dy, across = Math.abs((x[k] - a) * dy) + Math.abs((y[k] - b) * dx);
      const d = along + 2 * across;
      if (along > 1e-6 && across <= along && d < best) { best = d; found = k; }
    }
    this.select(found);
  }

  // The region around the current image, a tenth of what is seen.
  around() {
    if (this.current < 0) return;
    const r = .1 / this.view.by, x = this.columns.x[this.current], y = this.columns.y[this.current];
    this.region(Array.from({length: 24}, (_, k) => [x + r * Math.cos(k * Math.PI / 12), y + r * Math.sin(k * Math.PI / 12)]));
  }

  refresh() { /* answers do not change the map */ }
  destroy() { this.gone = true; this.resized.disconnect(); cancelAnimationFrame(this.waiting); cancelAnimationFrame(this.looking); }
}
