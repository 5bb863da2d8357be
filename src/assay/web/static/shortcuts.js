// Keys of the page; those of the editor come first, see draw/keys.js.

import {keyOf} from "./keys.js";

const TYPED = /^(INPUT|SELECT|TEXTAREA)$/;

export function pressed(app, event) {
  if (event.key === "Escape" && event.target.closest("#side")) { app.side.hide(); app.focus(); return; }
  if (event.isComposing || document.querySelector("dialog[open]") || TYPED.test(event.target.tagName)) return;
  if (app.now?.editor?.input.key(event)) { event.preventDefault(); return; } // the focus is elsewhere on the page
  const k = keyOf(event), control = event.ctrlKey || event.metaKey;
  const own = control || event.altKey ? null : ofPage(app)[k];
  const run = own ?? (control ? withControl(app, k, event) : event.altKey ? null : command(app, k, event));
  if (!run || ((k === "Enter" || k === " ") && event.target.closest("button, a, summary"))) return;
  event.preventDefault();
  if (own) own(); else app.acts.inTurn(run);
}

function withControl({acts, now}, k, event) {
  return {z: () => event.shiftKey ? acts.redo() : acts.undo(), y: () => acts.redo(), a: () => now?.selectAll?.()}[k];
}

// Of the page, not of an image: they wait for no act.
function ofPage(app) {
  return {
    "?": () => app.bars.help(), m: () => app.see("map"), g: () => app.see("grid"), f: () => app.side.show("a, input"), "/": () => app.side.show("#text"),
    Escape: () => escape(app),
  };
}

// What a key does to the images, as a function; null if it does nothing.
function command(app, k, event) {
  if (!app.now) return null;
  const one = app.draws ? undefined : app.keys.classOf.get(k); // while drawing, digits are classes
  return moves(app, event.shiftKey)[k] ?? judgements(app, event.shiftKey)[k] ?? (one === undefined ? null : () => app.acts.choose(one));
}

// Shift extends the selection of the grid.
function moves(app, isShift) {
  const grid = app.look === "grid" ? app.now : null, page = grid ? grid.page : 10, row = grid ? grid.columns : 1;
  const step = by => () => grid && isShift ? grid.extend(Math.max(0, Math.min(app.rows.n - 1, app.at + by))) : app.go(app.at + by, false);
  return {
    ArrowRight: step(1), ArrowLeft: step(-1), ArrowDown: step(row), ArrowUp: step(-row), PageDown: step(page), PageUp: step(-page),
    Home: () => app.go(0, false), End: () => app.go(app.rows.n - 1, false), n: () => app.nextOpen(),
    Enter: () => grid ? app.open() : app.acts.confirm(), " ": () => grid?.toggle(app.at), a: () => grid?.selectGroup(),
  };
}

function judgements({acts}, isShift) {
  return {
    k: () => acts.keep(), t: () => acts.take(), x: () => acts.exclude(), s: () => acts.skip(), l: () => acts.find(),
    u: () => isShift ? acts.redo() : acts.undo(),
  };
}

function escape(app) {
  if (app.side.isShown) app.side.hide();
  else if (app.look !== "grid") app.see("grid");
  else app.now?.clear();
}
