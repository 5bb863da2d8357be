// The keys of the editor, as a table: what they are called, what they do, and what of it changes objects.
// Letters that the page of `assay review` uses (a f g k l m n s t u x) are left to it, but for A, which accepts.
// A key is written as in `nameOf`. An act that returns false leaves the key to the page.

import * as actions from "./actions.js";

const tool = (key, name, text) => ({keys: [key.toUpperCase()], text, act: editor => editor.setTool(name), edits: name !== "select"});
const arrows = (prefix, act) => Object.fromEntries(Object.entries({ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]})
  .map(([key, way]) => [prefix + key, editor => act(editor, ...way)]));

export const KEYS = [
  tool("v", "select", "select, move, resize; drag the background to pan"),
  tool("b", "box", "box: drag"),
  tool("q", "extremes", "box by four extreme points"),
  tool("p", "polygon", "polygon: click the corners; Enter or the first corner closes"),
  tool("r", "brush", "brush: paint the selected object, or a new mask"),
  tool("e", "eraser", "eraser of the selected object"),
  {keys: ["[", "]"], text: "smaller, larger brush (also Alt + wheel)", acts: {"[": e => e.resizeBrush(-1), "]": e => e.resizeBrush(1)}, edits: true},
  {keys: ["1…9", "0"], text: "class; of the selected object too", acts: Object.fromEntries([..."1234567890"].map((digit, n) => [digit, e => e.setClassAt(n)])), edits: true},
  {keys: ["/"], text: "find a class by name", act: e => e.findClass(), edits: true},
  {keys: ["Tab", "Shift+Tab"], text: "next, previous object", acts: {Tab: e => actions.step(e, 1), "Shift+Tab": e => actions.step(e, -1)}},
  {keys: ["J", "Shift+J"], text: "next, previous corner of a polygon", acts: {j: e => actions.stepCorner(e, 1), "Shift+j": e => actions.stepCorner(e, -1)}, edits: true},
  {keys: ["Insert"], text: "insert a corner after this one", act: e => actions.insertCorner(e), edits: true},
  {keys: ["Delete"], text: "delete the object or the corner", acts: {Delete: e => actions.remove(e), Backspace: e => actions.remove(e)}, edits: true},
  {keys: ["D"], text: "duplicate", act: e => actions.duplicate(e), edits: true},
  {keys: ["arrows"], text: "move by 1 px, with Shift by 10; with Alt resize",
    acts: {...arrows("", (e, x, y) => actions.nudge(e, x, y)), ...arrows("Shift+", (e, x, y) => actions.nudge(e, 10 * x, 10 * y)), ...arrows("Alt+", (e, x, y) => actions.grow(e, x, y))}},
  {keys: ["C"], text: "crosshair: arrows move it, Space presses, Enter finishes", act: e => e.input.toggleCross()},
  {keys: ["I", "Shift+I"], text: "outline what is in the box: as a mask, as a polygon", acts: {i: e => actions.outlineInside(e, "mask"), "Shift+i": e => actions.outlineInside(e, "polygon")}, edits: true},
  {keys: ["Y"], text: "mask to polygon, polygon to mask", act: e => actions.convert(e), edits: true},
  {keys: ["A", "Shift+A"], text: "accept the suggested object, all of them", acts: {a: e => actions.accept(e), "Shift+a": e => actions.acceptAll(e)}, edits: true},
  {keys: ["Z", "Shift+Z"], text: "undo, redo (also Ctrl+Z, Ctrl+Y)", edits: true,
    acts: {z: e => e.undo(), "Ctrl+z": e => e.undo(), "Shift+z": e => e.redo(), "Ctrl+Shift+z": e => e.redo(), "Ctrl+y": e => e.redo()}},
  {keys: ["+", "-", "wheel"], text: "zoom", acts: {"+": e => e.zoom(1.25), "=": e => e.zoom(1.25), "-": e => e.zoom(0.8)}},
  {keys: ["O", "Shift+O", "W"], text: "fit the image, the selected object; 1:1", acts: {o: e => e.fit(), "Shift+o": e => e.fitSelected(), w: e => e.actualSize()}},
  {keys: ["Space"], text: "hold and drag to pan (also the middle button); Shift + arrows", act: e => e.input.press()},
  {keys: ["H"], text: "hold: hide the objects", act: e => e.hide(true)},
  {keys: [",", "."], text: "fainter, stronger masks", acts: {",": e => e.setOpacity(e.opacity - 0.1), ".": e => e.setOpacity(e.opacity + 0.1)}},
  {keys: ["Enter"], text: "close the polygon; with Shift as a hole or part of the selected object; accept a suggestion", acts: {Enter: e => actions.finish(e, false), "Shift+Enter": e => actions.finish(e, true)}, edits: true},
  {keys: ["Escape"], text: "cancel, deselect", act: e => actions.escape(e)},
];

/** Name of a key of the table -> {act, edits}. */
export const ACTS = new Map(KEYS.flatMap(({keys, act, acts, edits = false}) =>
  Object.entries(acts ?? {[keys[0].length === 1 ? keys[0].toLowerCase() : keys[0]]: act}).map(([name, does]) => [name, {act: does, edits}])));

/** `a`, `Shift+a`, `Ctrl+z`, `Alt+ArrowLeft`: Shift is named for letters and named keys only, as it makes other signs. */
export function nameOf({key, ctrlKey, metaKey, altKey, shiftKey}) {
  const sign = key === " " ? "Space" : key.length === 1 ? key.toLowerCase() : key, isSign = sign.length === 1 && !/\p{L}/u.test(sign);
  return (ctrlKey || metaKey ? "Ctrl+" : "") + (altKey && !isSign ? "Alt+" : "") + (shiftKey && !isSign ? "Shift+" : "") + sign;
}
