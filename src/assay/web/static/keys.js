// Keys: of commands, and of classes. Those of classes can be chosen; this browser remembers them.

import {button, dialog, element, key} from "./dom.js";

export const COMMANDS = [
  ["→ ←", "next, previous image; in the grid ↑ ↓ too"], ["Enter", "open the image; back to the grid: Esc"],
  ["1 2 3 …", "the class with that key, then the next image"], ["L", "find a class by its name"],
  ["K", "keep the label it has"], ["T", "take the suggestion"], ["X", "exclude; of an excluded image: take it back in"],
  ["S", "skip: no answer"], ["U", "undo, also Ctrl+Z; without end"], ["Shift+U", "redo, also Ctrl+Y"],
  ["N", "next image without an answer"], ["Home End", "first, last image"], ["Space", "select or deselect, in the grid"],
  ["Shift+→", "extend the selection; also with the mouse"], ["A", "select the images of this group"],
  ["Ctrl+A", "select all images of the list"], ["G", "grid"], ["M", "map; a region of it opens as a grid"], ["F", "filters"], ["/", "find by name"],
  ["?", "this list"],
];
const TAKEN = new Set("ktxsulngmfa".split(""));
const FREE = [..."1234567890bcdehijopqrvwyz"];

// The key of an event, in lower case; letters by their place on the keyboard where the layout has no latin ones.
export function keyOf(event) {
  if (event.key.length !== 1) return event.key;
  if (event.key.charCodeAt(0) > 127 && /^Key[A-Z]$/.test(event.code)) return event.code.slice(3).toLowerCase();
  return event.key.toLowerCase();
}

export class ClassKeys {
  constructor(name, classes) {
    this.store = `assay review ${name} keys`;
    this.classes = classes;
    let chosen = {};
    try { chosen = JSON.parse(localStorage.getItem(this.store) || "{}"); } catch { /* none */ }
    this.chosen = new Map(Object.entries(chosen).filter(([one, k]) => classes.includes(one) && this.isFree(k)));
    this.deal();
  }

  isFree(k) { return typeof k === "string" && k.length === 1 && !TAKEN.has(k) && !"/? ".includes(k); }

  // Chosen keys first; the other classes get the free ones, in order.
  deal() {
    const used = new Set(this.chosen.values()), free = FREE.filter(k => !used.has(k));
    this.keyOf = new Map(this.classes.map(one => [one, this.chosen.get(one) ?? free.shift() ?? null]));
    this.classOf = new Map([...this.keyOf].filter(([, k]) => k !== null).map(([one, k]) => [k, one]));
  }

  choose(one, k) {
    for (const [other, held] of this.chosen) if (held === k) this.chosen.delete(other);
    this.chosen.set(one, k);
    try { localStorage.setItem(this.store, JSON.stringify(Object.fromEntries(this.chosen))); } catch { /* for this visit */ }
    this.deal();
  }
}

// The list of keys; a click on the key of a class, then another key, changes it. `more`: [[key, what], …] of an editor.
export function help(keys, more, changed) {
  const rows = list => element("dl", {className: "keys"}, ...list.flatMap(([k, what]) => [
    element("dt", {}, ...k.split(" ").map(key)), element("dd", {}, what)]));
  const classes = element("dl", {className: "keys"});
  const note = element("p", {className: "soft"}, "To change the key of a class, click it, then press another one.");
  const draw = () => classes.replaceChildren(...keys.classes.slice(0, 200).flatMap(one => {
    const assign = button(keys.keyOf.get(one) ?? "–", () => wait(one, assign), {className: "assign", ariaLabel: `${keys.keyOf.get(one) ?? "–"}, key of ${one}`});
    return [element("dt", {}, assign), element("dd", {}, one)];
  }));
  const wait = (one, assign) => {
    assign.textContent = "…";
    assign.onkeydown = event => {
      if (event.key === "Shift" || event.key === "Tab") return;
      event.preventDefault();
      event.stopPropagation();
      const k = keyOf(event);
      if (event.key !== "Escape") {
        if (!keys.isFree(k)) { note.textContent = `${event.key} is a key of the page`; assign.textContent = keys.keyOf.get(one) ?? "–"; return; }
        keys.choose(one, k);
      }
      draw();
      changed();
    };
  };
  draw();
  dialog("Keys", element("div", {className: "columns"}, element("section", {}, element("h3", {}, "The page"), rows(COMMANDS)),
    element("section", {}, ...(more.length ? [element("h3", {}, "Drawing"), rows(more)] : [element("h3", {}, "Classes"), classes, note]))));
}

// A dialog to find a class by its name; `allowNew`: a new one may be added.
export function findClass(classes, allowNew, choose) {
  const field = element("input", {type: "search", autocomplete: "off", ariaLabel: "class"});
  const list = element("div", {className: "found", role: "listbox", ariaLabel: "classes"});
  let found = [], at = 0;
  const draw = () => {
    const sought = field.value.trim().toLowerCase();
    found = classes.filter(one => one.toLowerCase().includes(sought)).sort((a, b) => a.toLowerCase().indexOf(sought) - b.toLowerCase().indexOf(sought)).slice(0, 50);
    if (allowNew && field.value.trim() && !classes.includes(field.value.trim())) found.push({added: field.value.trim()});
    at = Math.min(at, Math.max(0, found.length - 1));
    list.replaceChildren(...found.map((one, n) => button(one.added ? `new class: ${one.added}` : one, () => take(n),
      {role: "option", ariaSelected: String(n === at), className: n === at ? "current" : ""})));
    if (!found.length) list.textContent = "no class has that in its name";
  };
  const take = n => { const one = found[n]; if (!one) return; made.close(); choose(one.added ?? one); };
  field.oninput = () => { at = 0; draw(); };
  field.onkeydown = event => {
    event.stopPropagation();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); at = Math.max(0, Math.min(found.length - 1, at + (event.key === "ArrowDown" ? 1 : -1))); draw(); }
    if (event.key === "Enter") { event.preventDefault(); take(at); }
  };
  const made = dialog("Class", field, list);
  draw();
  field.focus();
}
