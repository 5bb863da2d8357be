// Pointer, wheel and keys of the stage. A crosshair that keys move presses the same tools as a pointer does.

import {ACTS, nameOf} from "./keys.js";

const LINE = 16; // pixels of a line, for wheels that count lines

export class Input {
  #pointers = new Map(); // pointerId -> [x, y] on the stage
  #pan = null; // pointerId of a drag that pans
  #pinch = null; // {distance, centre} of two fingers
  #isSpace = false;
  #isPressed = false; // by the crosshair

  constructor(editor) {
    Object.assign(this, {editor, stage: editor.stage, stop: new AbortController()});
    const on = (name, act, options = {}) => this.stage.addEventListener(name, act, {signal: this.stop.signal, ...options});
    on("pointerdown", event => this.#down(event));
    on("pointermove", event => this.#move(event));
    on("pointerup", event => this.#up(event));
    on("pointercancel", event => this.#cancelled(event));
    on("pointerleave", () => { editor.pointer = null; editor.repaint(); });
    on("contextmenu", event => event.preventDefault());
    on("wheel", event => this.#wheel(event), {passive: false});
    on("blur", () => this.#released());
    const keyed = (name, act) => editor.panel.root.addEventListener(name, act, {signal: this.stop.signal});
    keyed("keydown", event => { if (this.key(event)) { event.preventDefault(); event.stopPropagation(); } });
    keyed("keyup", event => this.#keyUp(event));
  }

  /** Whether a button or a finger is down. */
  get isHeld() { return this.#pointers.size > 0; }

  destroy() { this.stop.abort(); }

  #place({clientX, clientY}) {
    const {left, top} = this.stage.getBoundingClientRect();
    return [clientX - left, clientY - top];
  }

  #onImage(event) { return this.editor.view.toImage(...this.#place(event)); }

  #down(event) {
    const {editor} = this;
    this.stage.focus({preventScroll: true});
    this.stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#place(event));
    if (this.#pointers.size === 2) {
      editor.cancel();
      this.#pinch = this.#fingers();
    } else if (event.button === 1 || event.button === 2 || this.#isSpace) this.#pan = event.pointerId;
    else if (event.button === 0 && this.#pointers.size === 1) editor.tool.down(this.#onImage(event), event);
    editor.repaint();
  }

  #move(event) {
    const {editor} = this, before = this.#pointers.get(event.pointerId), now = this.#place(event);
    if (before) this.#pointers.set(event.pointerId, now);
    editor.pointer = event.pointerType === "touch" ? null : editor.view.toImage(...now);
    if (this.#pinch && before) return this.#pinched();
    if (this.#pan === event.pointerId) return editor.panBy(now[0] - before[0], now[1] - before[1]);
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length && before ? all : [event]) editor.tool.move(this.#onImage(one), event);
    editor.repaint();
  }

  #up(event) {
    const {editor} = this;
    if (!this.#pointers.delete(event.pointerId)) return;
    if (this.#pinch) { if (!this.#pointers.size) this.#pinch = null; }
    else if (this.#pan === event.pointerId) this.#pan = null;
    else if (event.button === 0) editor.tool.up(this.#onImage(event), event);
    editor.repaint();
  }

  #cancelled(event) {
    this.#pointers.delete(event.pointerId);
    this.#pinch = this.#pan = null;
    this.editor.cancel();
    this.editor.repaint();
  }

  #fingers() {
    const [[ax, ay], [bx, by]] = [...this.#pointers.values()];
    return {distance: Math.max(Math.hypot(ax - bx, ay - by), 1), centre: [(ax + bx) / 2, (ay + by) / 2]};
  }

  #pinched() {
    if (this.#pointers.size < 2) return;
    const {editor} = this, before = this.#pinch, now = this.#pinch = this.#fingers();
    editor.panBy(now.centre[0] - before.centre[0], now.centre[1] - before.centre[1]);
    editor.zoom(now.distance / before.distance, ...now.centre);
  }

  #wheel(event) {
    const {editor} = this, by = (event.deltaY || event.deltaX) * (event.deltaMode ? LINE : 1);
    event.preventDefault();
    if (event.altKey) editor.resizeBrush(-Math.sign(by));
    else if (event.shiftKey) editor.panBy(-by, 0);
    else editor.zoom(Math.exp(-Math.min(Math.max(by, -200), 200) / (event.ctrlKey ? 100 : 400)), ...this.#place(event)); // Ctrl: a pinch on a trackpad
  }

  /** Act on a key; whether it was one of the editor's. A page may pass on keys that it gets while the stage has no focus. */
  key(event) {
    const {editor} = this, name = nameOf(event), found = ACTS.get(name), isButton = event.target?.tagName === "BUTTON";
    if (event.target?.tagName === "INPUT" || !found || (found.edits && editor.readOnly)) return false;
    if (isButton && ["Space", "Enter", "Tab", "Shift+Tab"].includes(name)) return false; // what keys do on a button
    const isDone = found.act(editor) !== false;
    editor.repaint();
    return isDone;
  }

  #keyUp({key}) {
    if (key.toLowerCase() === "h" && this.editor.isHidden) this.editor.hide(false);
    if (key === " ") this.#isSpace = false;
  }

  #released() {
    this.#isSpace = false;
    if (this.editor.isHidden) this.editor.hide(false);
  }

  /** Space: press or release at the crosshair; without one, hold to pan. */
  press() {
    const {editor} = this;
    if (!editor.cross) this.#isSpace = true;
    else if (this.#isPressed || editor.toolName === "polygon" || editor.toolName === "extremes") {
      if (!this.#isPressed) editor.tool.down(editor.cross, {});
      editor.tool.up(editor.cross, {});
      this.#isPressed = false;
    } else {
      editor.tool.down(editor.cross, {});
      this.#isPressed = editor.tool.isBusy && editor.toolName !== "select";
      if (!this.#isPressed) editor.tool.up(editor.cross, {});
    }
    editor.repaint();
  }

  toggleCross() {
    const {editor} = this, {view} = editor;
    this.#isPressed = false;
    editor.cross = editor.cross ? null : editor.snapped(editor.pointer ?? view.toImage(view.width / 2, view.height / 2));
    editor.say(editor.cross ? "Crosshair: arrows move it, Space presses, Enter finishes, C or Escape ends" : "No crosshair");
    editor.repaint();
  }

  moveCross(dx, dy) {
    const {editor} = this;
    editor.cross = editor.snapped([editor.cross[0] + dx, editor.cross[1] + dy]);
    editor.view.reveal([...editor.cross, 0, 0]);
    editor.tool.move(editor.cross, {});
    editor.say(`${editor.cross[0]}, ${editor.cross[1]}`);
    editor.repaint();
  }
}
