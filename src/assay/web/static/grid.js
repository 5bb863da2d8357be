// Images in a grid, of which only those on the screen exist as elements. A list may have millions of rows: the height of
// the scrolled area is limited to what browsers can do, and scaled.

import {element, number, toast} from "./dom.js";
import {draw, Thumbnails} from "./thumbnails.js";
import {words} from "./answers.js";
import {Shapes} from "./shapes.js";

const TALLEST = 8_000_000; // px
const FIXED = 64; // lines of cells that a place is counted from
const MOST_SELECTED = 10_000;
const SPARE = 1; // rows of cells above and below the screen

export class Grid {
  constructor(app) {
    this.app = app;
    this.cells = new Map(); // place -> cell
    this.free = [];
    this.selected = new Set(); // places
    this.anchor = null;
    this.layer = element("div", {className: "layer", role: "presentation"});
    this.area = element("div", {className: "area", role: "presentation"}, this.layer);
    this.node = element("div", {className: "grid", tabIndex: 0, role: "listbox", ariaLabel: "images", ariaMultiSelectable: "true"}, this.area);
    this.thumbnails = new Thumbnails(app.rows, (start, end) => this.pictured(start, end));
    this.shapes = app.draws ? new Shapes(app.rows, app.project.classes, (start, end) => this.pictured(start, end)) : null;
    this.node.addEventListener("scroll", () => this.soon(), {passive: true});
    this.node.addEventListener("pointerdown", event => this.press(event));
    this.node.addEventListener("dblclick", () => app.open());
    this.resized = new ResizeObserver(() => { const at = this.app.at; this.measure(); this.reveal(at); this.paint(); });
    this.resized.observe(this.node);
  }

  // Sizes of the grid, by its width.
  measure() {
    const width = this.node.clientWidth, wide = width < 500 ? 106 : 150;
    this.columns = Math.max(1, Math.floor(width / wide));
    this.width = width / this.columns;
    this.picturesHeight = width < 500 ? 106 : 150;
    this.height = this.picturesHeight + 44; // two lines of text, and edges
    this.pictures = [Math.floor(this.width) - 10, this.picturesHeight];
    this.lines = Math.ceil(this.app.rows.n / this.columns);
    this.full = this.lines * this.height;
    this.shown = Math.min(this.full, TALLEST);
    this.area.style.height = `${this.shown}px`;
    this.view = this.node.clientHeight;
  }

  // Places of one screen.
  get page() { return Math.max(1, Math.floor(this.view / this.height)) * this.columns; }

  // Place of the upper edge of the screen in the full height, px.
  get top() {
    if (this.full <= TALLEST) return this.node.scrollTop;
    return this.node.scrollTop / (this.shown - this.view) * (this.full - this.view);
  }

  scrollTo(top) {
    const wanted = Math.max(0, Math.min(this.full - this.view, top));
    this.node.scrollTop = this.full <= TALLEST ? wanted : wanted / (this.full - this.view) * (this.shown - this.view);
  }

  // Scroll as little as needed to have a place on the screen.
  reveal(at) {
    const line = Math.floor(at / this.columns) * this.height, top = this.top;
    if (line < top) this.scrollTo(line);
    else if (line + this.height > top + this.view) this.scrollTo(line + this.height - this.view);
  }

  soon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    if (!this.node.isConnected || !this.columns) return;
    const top = this.top, first = Math.max(0, Math.floor(top / this.height) - SPARE);
    const last = Math.min(this.lines, Math.ceil((top + this.view) / this.height) + SPARE);
    const start = first * this.columns, end = Math.min(this.app.rows.n, last * this.columns);
    for (const [at, cell] of this.cells) {
      if (at >= start && at < end) continue;
      this.cells.delete(at);
      this.free.push(cell);
    }
    // the layer moves, the cells stay: a frame of scrolling changes one element, and those that come in
    const base = first - first % FIXED;
    this.layer.style.transform = `translateY(${base * this.height + this.node.scrollTop - top}px)`;
    for (let at = start; at < end; at++) {
      let cell = this.cells.get(at);
      if (!cell) {
        cell = this.free.pop() ?? this.make();
        this.cells.set(at, cell);
        this.fill(cell, at);
      }
      const place = `translate(${(at % this.columns) * this.width}px, ${(Math.floor(at / this.columns) - base) * this.height}px)`;
      if (cell.node.hidden) cell.node.hidden = false;
      if (cell.place !== place) cell.node.style.transform = cell.place = place;
      if (cell.width !== this.width) {
        cell.width = this.width;
        cell.node.style.width = `${this.width}px`;
        cell.node.style.height = `${this.height}px`;
        cell.canvas.style.height = `${this.picturesHeight}px`;
        this.picture(cell);
      }
    }
    for (const cell of this.free) if (!cell.node.hidden) cell.node.hidden = true;
    this.thumbnails.want(start, end);
    this.shapes?.want(start, end);
  }

  make() {
    const canvas = element("canvas", {ariaHidden: "true"}), label = element("div", {className: "label"}), said = element("div", {className: "said"});
    const node = element("div", {className: "cell", role: "option"}, canvas, label, " ", said);
    this.layer.append(node);
    return {node, canvas, label, said, at: -1, place: "", width: 0};
  }

  fill(cell, at) {
    const row = this.app.rows.get(at), {answers} = this.app;
    cell.at = at;
    cell.node.id = `cell-${at}`;
    cell.node.dataset.at = at;
    const caption = row ? this.caption(row) : "…";
    if (cell.label.textContent !== caption) cell.label.textContent = cell.label.title = caption;
    const last = row && answers.last(row.id), conflict = row && answers.conflict(row.id);
    cell.said.textContent = last ? (conflict ? "≠ " : "✓ ") + words(last) : row?.excluded ? "excluded" : "";
    const kind = last ? (conflict ? "conflict" : last.act) : row?.excluded ? "excluded" : "";
    const is = `cell ${kind && `is-${kind}`}${at === this.app.at ? " current" : ""}${this.selected.has(at) ? " selected" : ""}${row?.group % 2 ? " odd" : ""}`;
    if (cell.node.className !== is) cell.node.className = is;
    cell.node.ariaSelected = String(this.selected.has(at));
    cell.node.setAttribute("aria-posinset", at + 1);
    cell.node.setAttribute("aria-setsize", this.app.rows.n);
    cell.node.ariaLabel = `image ${at + 1}: ${caption} ${cell.said.textContent}${last ? `, by ${last.by}` : ""}`;
    this.picture(cell);
  }

  caption(row) {
    const label = row.label === null ? "" : row.label === "" ? "nothing" : row.label;
    return row.suggested === null ? label || "no label" : label ? `${label} → ${row.suggested}` : `${row.suggested}?`;
  }

  picture(cell) {
    const bitmap = this.thumbnails.get(cell.at);
    cell.node.classList.toggle("nothing", bitmap === null);
    cell.drawn = draw(cell.canvas, bitmap, 1, this.pictures);
    if (cell.drawn && this.shapes) this.shapes.over(cell.canvas.getContext("2d"), cell.at, cell.drawn, this.judged(cell.at));
  }

  // The objects of the last answer to an image; null without one.
  judged(at) {
    const row = this.app.rows.get(at), last = row && this.app.answers.last(row.id);
    return last?.act === "label" ? last.annotations : null;
  }

  pictured(start, end) { for (const [at, cell] of this.cells) if (at >= start && at < end) this.picture(cell); }
  refresh(start = 0, end = Infinity) { for (const [at, cell] of this.cells) if (at >= start && at < end) this.fill(cell, at); }

  show() {
    if (!this.columns) this.measure();
    this.reveal(this.app.at);
    this.paint();
    this.refresh();
    this.node.setAttribute("aria-activedescendant", `cell-${this.app.at}`);
  }

  // --- selection

  // Places that an act is for: the selection, or the current image.
  get acted() { return this.selected.size ? [...this.selected].sort((a, b) => a - b) : [this.app.at]; }

  select(places) { this.selected = new Set(places); this.refresh(); this.app.bars.told(); }
  clear() { this.anchor = null; if (this.selected.size) this.select([]); }
  toggle(at) { const places = new Set(this.selected); if (!places.delete(at)) places.add(at); this.anchor = at; this.select(places); }

  // Select from where the selection began to a place.
  extend(to) {
    this.anchor ??= this.app.at;
    const [a, b] = [Math.min(this.anchor, to), Math.max(this.anchor, to)];
    this.app.go(to, false);
    this.select(Array.from({length: b - a + 1}, (_, n) => a + n));
  }

  // The neighbours of the same group.
  async selectGroup() {
    const {rows, at} = this.app, row = rows.get(at), places = [at];
    if (!row || row.group === null) { toast("this view has no groups"); return; }
    for (let k = at - 1; (await rows.wait(k))?.group === row.group; k--) places.push(k);
    for (let k = at + 1; (await rows.wait(k))?.group === row.group; k++) places.push(k);
    this.select(places);
  }

  selectAll() {
    const {n} = this.app.rows, most = Math.min(n, MOST_SELECTED);
    this.select(Array.from({length: most}, (_, at) => at));
    if (most < n) toast(`the first ${number.format(most)} are selected`);
  }

  placeAt(x, y) {
    const box = this.node.getBoundingClientRect();
    const column = Math.max(0, Math.min(this.columns - 1, Math.floor((x - box.left) / this.width)));
    return {column, line: Math.max(0, Math.floor((y - box.top + this.top) / this.height))};
  }

  press(event) {
    const cell = event.target.closest(".cell");
    if (event.button !== 0) return;
    if (event.pointerType === "touch") { if (cell) { this.app.go(+cell.dataset.at, false); } return; }
    const begin = this.placeAt(event.clientX, event.clientY), kept = event.ctrlKey || event.metaKey ? new Set(this.selected) : new Set();
    let dragged = false;
    const move = one => {
      if (!dragged && Math.hypot(one.clientX - event.clientX, one.clientY - event.clientY) < 8) return;
      dragged = true;
      const end = this.placeAt(one.clientX, one.clientY), places = new Set(kept);
      for (let line = Math.min(begin.line, end.line); line <= Math.max(begin.line, end.line); line++) {
        for (let column = Math.min(begin.column, end.column); column <= Math.max(begin.column, end.column); column++) {
          const at = line * this.columns + column;
          if (at < this.app.rows.n) places.add(at);
        }
      }
      this.select(places);
    };
    const up = () => {
      window.removeEventListener("pointermove", move);
      if (dragged || !cell) return;
      const at = +cell.dataset.at;
      if (event.shiftKey) this.extend(at);
      else if (event.ctrlKey || event.metaKey) { this.app.go(at, false); this.toggle(at); }
      else { this.clear(); this.app.go(at, false); }
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up, {once: true});
  }

  destroy() { this.resized.disconnect(); cancelAnimationFrame(this.waiting); this.thumbnails.destroy(); }
}
