// What is around the stage: tools, classes, and a line that says what is selected or went wrong.

import {accept, outlineInside, remove} from "./actions.js";
import {element} from "../dom.js";

const TOOLS = [["select", "Select", "V"], ["box", "Box", "B"], ["extremes", "4 points", "Q"], ["polygon", "Polygon", "P"], ["brush", "Brush", "R"], ["eraser", "Eraser", "E"]];
const ACTIONS = [["Undo", "Z", e => e.undo()], ["Redo", "Shift+Z", e => e.redo()], ["Delete", "Del", remove], ["Outline", "I", e => outlineInside(e, "mask")], ["Accept", "A", accept]];
const VIEWS = [["Fit", "O", e => e.fit()], ["1:1", "W", e => e.actualSize()], ["+", "+", e => e.zoom(1.25)], ["−", "-", e => e.zoom(0.8)]];
const NAMES = {"+": "+ zoom in", "−": "− zoom out", "1:1": "1:1 actual size"};
const SEARCHED = 10; // classes from which there is a field to find one

export class Panel {
  constructor(host, editor) {
    this.editor = editor;
    const button = ([text, key, act]) => element("button", {type: "button", title: key, "aria-label": NAMES[text] ?? text, "aria-keyshortcuts": key.replace("Del", "Delete"), onclick: () => { act(editor); editor.repaint(); }}, text);
    this.tools = new Map(TOOLS.filter(([name]) => !editor.readOnly || name === "select").map(([name, text, key]) => [name, button([text, key, e => e.setTool(name)])]));
    this.actions = editor.readOnly ? [] : ACTIONS.map(button);
    this.bar = element("div", {className: "draw-bar", role: "toolbar", "aria-label": "Drawing"},
      group("Tools", [...this.tools.values()]), group("Edit", this.actions), group("View", VIEWS.map(button)));
    this.stage = element("div", {className: "draw-stage", tabIndex: 0, role: "application", "aria-roledescription": "drawing"});
    this.classes = element("div", {className: "draw-classes", role: "radiogroup", "aria-label": "Class"});
    this.search = element("input", {type: "search", className: "draw-search", placeholder: "find a class ( / )", "aria-label": "Find a class",
      oninput: () => this.#filter(), onkeydown: event => this.#searched(event)});
    this.status = element("p", {className: "draw-status", role: "status"});
    this.root = element("div", {className: "draw"}, this.bar, this.stage, this.status, this.classes);
    this.#classes(editor.readOnly ? [] : editor.classes);
    host.append(this.root);
  }

  #classes(names) {
    this.chips = new Map(names.map((name, n) => {
      const swatch = element("i", {"aria-hidden": "true"});
      swatch.style.background = this.editor.colorOf(name);
      const key = n < 10 ? [element("kbd", {"aria-hidden": "true"}, String((n + 1) % 10))] : [];
      return [name, element("button", {type: "button", role: "radio", onclick: () => { this.editor.setClass(name); this.stage.focus(); }}, swatch, ...key, name)];
    }));
    if (names.length > SEARCHED) this.classes.before(this.search);
    this.classes.append(...this.chips.values());
    this.classes.addEventListener("keydown", event => this.#arrow(event));
  }

  /** Arrows go from class to class, as in any group of radio buttons. */
  #arrow(event) {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key], shown = [...this.chips].filter(([, chip]) => !chip.hidden);
    if (!step) return;
    const at = shown.findIndex(([, chip]) => chip === document.activeElement), [name, chip] = shown[(at + step + shown.length) % shown.length];
    event.preventDefault();
    event.stopPropagation();
    this.editor.setClass(name);
    chip.focus();
  }

  find() {
    const there = this.search.isConnected ? this.search : this.chips.get(this.editor.category);
    there?.focus();
    there?.select?.();
  }

  #filter() {
    const wanted = this.search.value.trim().toLowerCase();
    for (const [name, chip] of this.chips) chip.hidden = !name.toLowerCase().includes(wanted);
  }

  #searched(event) {
    event.stopPropagation(); // its letters are no keys of the editor
    if (event.key !== "Enter" && event.key !== "Escape") return;
    const first = [...this.chips].find(([, chip]) => !chip.hidden);
    if (event.key === "Enter" && this.search.value && first) this.editor.setClass(first[0]);
    event.preventDefault();
    this.search.value = "";
    this.#filter();
    this.stage.focus();
  }

  /** Show the state of the editor. */
  update() {
    const {editor} = this, count = editor.state.objects.filter(one => !one.predicted).length, suggested = editor.state.objects.length - count;
    for (const [name, button] of this.tools) button.setAttribute("aria-pressed", String(name === editor.toolName));
    const [undo, redo, remove, outline, accept] = this.actions;
    if (undo) {
      [undo.disabled, redo.disabled, remove.disabled, outline.disabled, accept.disabled] =
        [!editor.canUndo, !editor.canRedo, !editor.selected, !editor.selected, !editor.selected?.predicted];
    }
    for (const [name, chip] of this.chips) {
      chip.setAttribute("aria-checked", String(name === editor.category));
      chip.tabIndex = name === editor.category ? 0 : -1;
    }
    this.stage.dataset.tool = editor.toolName;
    this.stage.setAttribute("aria-label", `Image with ${count} ${count === 1 ? "object" : "objects"}` + (suggested ? `, ${suggested} suggested` : ""));
  }

  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }
}

const group = (name, buttons) => element("div", {role: "group", "aria-label": name, hidden: !buttons.length}, ...buttons);
