// What was answered, by whom; and undo. An answer is {act, annotations, by}: act label, exclude, include or skip.

import {newId} from "./outbox.js";

const SAME = (a, b) => (a === null || b === null) ? a === b
  : a.act === b.act && JSON.stringify(a.annotations ?? null) === JSON.stringify(b.annotations ?? null);

export const words = answer => {
  if (answer.act !== "label") return {exclude: "excluded", include: "taken back in", skip: "skipped", keep: "kept"}[answer.act];
  const notes = answer.annotations ?? [];
  if (!notes.length) return "nothing";
  if (notes.every(note => !note.bbox && !note.segmentation)) return notes.map(note => note.category).join("; ");
  const counts = new Map();
  for (const note of notes) counts.set(note.category, (counts.get(note.category) ?? 0) + 1);
  return [...counts].map(([name, n]) => `${n} ${name}`).join(", ");
};

export class Answers {
  // `changed(ids)`: answers to these images are others now
  constructor(me, outbox, changed) {
    Object.assign(this, {me, outbox, changed});
    this.of = new Map(); // image id -> [answer, …] in order
    this.done = []; // [{changes: [{id, before, after}], at}, …]: what `undo` takes back
    this.undone = [];
    this.judged = 0; // images judged by anybody since the last batch
    for (const event of outbox.waiting.values()) this.set(event.id, event.act === "clear" ? null : this.answer(event));
  }

  answer({act, annotations}) { return {act, annotations: annotations ?? null, by: this.me}; }
  mine(id) { return this.of.get(id)?.find(answer => answer.by === this.me) ?? null; }
  others(id) { return (this.of.get(id) ?? []).filter(answer => answer.by !== this.me && answer.act !== "skip"); }
  last(id) { return this.of.get(id)?.at(-1) ?? null; }

  conflict(id) {
    const said = (this.of.get(id) ?? []).filter(answer => answer.act !== "skip");
    return said.some(answer => !SAME(answer, said[0]));
  }

  // Answers known to the server; those of mine that it does not have yet stay.
  learn(answers) {
    const waiting = new Set([...this.outbox.waiting.values()].map(event => event.id));
    const ids = Object.keys(answers);
    for (const id of ids) {
      const mine = waiting.has(id) ? this.mine(id) : undefined;
      const said = mine === undefined ? answers[id] : answers[id].filter(answer => answer.by !== this.me).concat(mine ?? []);
      if (said.length) this.of.set(id, said); else this.of.delete(id);
    }
    if (ids.length) this.changed(ids);
  }

  set(id, answer) {
    const others = (this.of.get(id) ?? []).filter(one => one.by !== this.me);
    const said = answer === null ? others : [...others, answer];
    if (said.length) this.of.set(id, said); else this.of.delete(id);
  }

  // Judge images. `judged`: [{id, act, annotations?}]; `at`: the place in the list, for undo; `seconds`: spent on all.
  give(judged, at, seconds, view) {
    const changes = judged.map(one => ({id: one.id, before: this.mine(one.id), after: one.act === "clear" ? null : this.answer(one)}));
    this.done.push({changes, at, view});
    this.undone = [];
    this.apply(changes, "after", seconds, view);
  }

  apply(changes, which, seconds, view) {
    this.outbox.push(changes.map(({id, [which]: answer}) => ({
      event: newId(), id, act: answer ? answer.act : "clear", ...(answer?.annotations ? {annotations: answer.annotations} : {}),
      seconds: seconds / changes.length, view,
    })));
    for (const {id, [which]: answer} of changes) this.set(id, answer);
    this.changed(changes.map(({id}) => id));
  }

  // Take the last act back, without end; returns it, or null if there is none.
  undo(seconds) { return this.shift(this.done, this.undone, "before", seconds); }
  redo(seconds) { return this.shift(this.undone, this.done, "after", seconds); }

  shift(from, to, which, seconds) {
    const act = from.pop();
    if (!act) return null;
    to.push(act);
    this.apply(act.changes, which, seconds, act.view);
    return act;
  }

  // The server refused an event: it counts for nothing, unless the image has another answer by now.
  refuse(event) {
    const mine = this.mine(event.id);
    if (mine && SAME(mine, this.answer(event))) this.set(event.id, null);
    this.changed([event.id]);
  }

  // All were written as an edit batch.
  begin() {
    const ids = [...this.of.keys()];
    this.of.clear();
    for (const event of this.outbox.waiting.values()) this.set(event.id, event.act === "clear" ? null : this.answer(event));
    this.done = [];
    this.undone = [];
    this.changed(ids);
  }
}
