// What keys and buttons do to images: label, keep, take, exclude, skip, undo. Every judgement is given here.

import {words} from "./answers.js";
import {count, say, toast} from "./dom.js";
import {findClass} from "./keys.js";

const GUARDED = "A model chose this view, and the test set must not follow it: judge test images in All images.";

export class Acts {
  constructor(app) {
    this.app = app;
    this.running = null; // the last act of those that wait for rows
  }

  // Acts in the order of keys and clicks, also while one waits for its rows: the next one is for the image after it.
  inTurn(run) {
    const going = this.running ? this.running.then(run) : run();
    if (!(going instanceof Promise)) return;
    const last = going.catch(error => this.app.failed(error)).finally(() => { if (this.running === last) this.running = null; });
    this.running = last;
  }

  // --- judge

  // Judge the selected images, or this one: `how(row)` gives {act, annotations?}, or null if it does not apply.
  async judge(how, onwards = true) {
    const {app} = this;
    if (!app.mayJudge) { toast("you may look, not judge"); return; }
    if (!app.now || app.error) return;
    if (app.look === "map") { toast("open an image, or a region as a grid, to judge"); return; }
    app.now.leave?.();
    const places = app.look === "grid" ? app.now.acted : [app.at], judged = [], guarded = [];
    for (const at of places) {
      const row = app.rows.get(at) ?? await app.rows.wait(at);
      if (!row) continue;
      if (app.isGuarded(row)) { guarded.push(row); continue; }
      const said = how(row);
      if (said) judged.push({id: row.id, ...said});
    }
    if (guarded.length) toast(`${count(guarded.length, "test image")} not judged. ${GUARDED}`);
    if (!judged.length) return;
    app.answers.give(judged, app.at, app.clock.take(), app.view.name);
    if (judged.length === 1) say(words(judged[0]));
    else toast(`${count(judged.length, "image")}: ${words(judged[0])}. U: undo`);
    if (onwards) app.go(places.at(-1) + 1);
  }

  // One answer, given on the image itself.
  record(row, said) {
    const {app} = this;
    if (app.isGuarded(row)) { toast(`${GUARDED} Nothing was saved.`); return; }
    app.answers.give([{id: row.id, ...said}], row.at, app.clock.take(), app.view.name);
    say(`saved: ${words(said)}`);
  }

  // Enter on one image: what is drawn is right; then the next one.
  confirm() {
    const {app} = this;
    if (app.draws && app.mayJudge && !app.now.confirm()) return;
    app.go(app.at + 1);
  }

  choose(name) {
    const {app} = this;
    if (app.draws) { app.now?.editor?.setClass(name); return null; }
    if (!app.project.classes.includes(name)) { app.project.classes.push(name); app.keys.deal(); app.bars.judging(); }
    return app.project.mode === "tags" ? this.judge(row => this.label(this.toggled(row, name)), false) : this.judge(() => this.label([name]));
  }

  find() {
    const {classes, new_classes} = this.app.project;
    findClass(classes, new_classes, name => this.inTurn(() => this.choose(name)));
  }

  keep() {
    const {mode} = this.app.project;
    return this.judge(row => {
      if (row.label === null) { toast("there is no label to keep"); return null; }
      return mode === "class" ? this.label([row.label]) : mode === "tags" ? this.label(this.tags(row.label, "; ")) : {act: "keep"};
    });
  }

  take() {
    const {mode} = this.app.project;
    return this.judge(row => {
      if (row.suggested === null) { toast("there is no suggestion"); return null; }
      // objects are accepted in the editor
      return mode === "class" ? this.label([row.suggested]) : mode === "tags" ? this.label(this.tags(row.suggested, ", ")) : null;
    });
  }

  exclude() {
    const isExcluded = row => (this.app.answers.mine(row.id)?.act ?? (row.excluded ? "exclude" : "")) === "exclude";
    return this.judge(row => ({act: isExcluded(row) ? "include" : "exclude"}));
  }

  skip() { return this.judge(() => ({act: "skip"})); }

  // --- take back

  undo() { this.shifted(this.app.answers.undo(this.app.clock.take()), "undone", "nothing to undo"); }
  redo() { this.shifted(this.app.answers.redo(this.app.clock.take()), "done again", "nothing to do again"); }

  shifted(act, what, nothing) {
    const {app} = this;
    if (!act) { toast(nothing); return; }
    say(`${what}: ${count(act.changes.length, "image")}`);
    if (act.view === app.view.name && act.at < app.rows.n) app.go(act.at);
  }

  // --- labels

  label(names) { return {act: "label", annotations: names.map(category => ({category}))}; }

  tags(text, between) { return text === "nothing" ? [] : text.split(between).filter(one => this.app.project.classes.includes(one)); }

  // The tags of an image with one more, or one fewer.
  toggled(row, name) {
    const {answers, project} = this.app, mine = answers.mine(row.id);
    const have = mine?.act === "label" ? mine.annotations.map(note => note.category) : this.tags(row.label ?? "", "; ");
    const next = have.includes(name) ? have.filter(one => one !== name) : [...have, name];
    return project.classes.filter(one => next.includes(one));
  }
}
