// The bar above the images (looks, what is saved, Done) and the buttons below them.

import {finish} from "./done.js";
import {button, count, element, key, number} from "./dom.js";
import {help} from "./keys.js";

const SHOWN_KEYS = 40; // buttons of classes
const LOOKS = {grid: "grid", single: "one", map: "map"};

export class Bars {
  constructor(app, above, below) {
    Object.assign(this, {app, above, below});
    this.waiting = null;
  }

  // A moment later, so that a key does not wait for it; several changes are drawn once.
  draw() { this.waiting ??= setTimeout(() => { this.waiting = null; this.drawAbove(); }, 30); }

  drawAbove() {
    const {app} = this, {project, answers, outbox} = app, [kind, text] = this.saved(), {name} = project.person;
    this.above.replaceChildren(
      button("☰", () => app.side.toggle(), {className: "menu", ariaLabel: "views and filters"}),
      element("h1", {className: "name", title: project.name}, project.name),
      element("span", {className: "looks"}, ...Object.entries(LOOKS).map(([look, word]) => button(word, () => app.see(look), {ariaPressed: String(app.look === look)}))),
      element("span", {className: `saved ${kind}`}, text),
      element("span", {className: "grow"}),
      element("span", {className: "soft wide who", title: name}, name + (app.mayJudge ? "" : " (looks only)")),
      button("keys ?", () => this.help(), {ariaLabel: "keys"}),
      ...(app.mayJudge ? [button("Done", () => finish(app), {className: "primary", disabled: !answers.judged && !outbox.pending})] : []));
  }

  // [kind, words]: what is saved, and what is not.
  saved() {
    const {outbox, answers} = this.app;
    if (outbox.unstored) return ["lost", `${count(outbox.unstored, "judgement")} only in this tab: do not close it`];
    if (outbox.locked) return ["lost", `not saved: ${outbox.locked}`];
    if (outbox.offline) return ["waiting", `offline: ${count(outbox.pending, "judgement")} kept in this browser`];
    if (outbox.pending) return ["waiting", `saving ${number.format(outbox.pending)}…`];
    return ["", answers.judged ? `${number.format(answers.judged)} judged, all saved` : "nothing judged yet"];
  }

  help() { help(this.app.keys, this.app.now?.editor?.keys ?? [], () => this.judging()); }

  // The buttons below the images: what a key does, a click does.
  judging() {
    const {app} = this;
    if (!app.rows?.n || app.look === "map") { this.below.replaceChildren(); return; }
    this.where = element("span", {className: "where"});
    const step = (by, text, name, k) => button(text, () => app.go(app.at + by), {ariaLabel: `${text} ${name}`, title: name, ariaKeyShortcuts: k});
    const steps = app.look === "single" ? [step(-1, "←", "previous image", "ArrowLeft"), step(1, "→", "next image", "ArrowRight")] : [];
    this.below.replaceChildren(...(app.mayJudge ? this.buttons() : []), element("span", {className: "steps"}, this.where, ...steps));
    this.told();
  }

  buttons() {
    const {app} = this, {acts} = app, {classes, new_classes} = app.project;
    const act = (k, text, run) => button(text, () => acts.inTurn(run), {title: text, ariaKeyShortcuts: k});
    const labelled = (k, text, run) => { const made = act(k, text, run); made.prepend(key(k.length === 1 ? k.toUpperCase() : k), " "); return made; };
    const keep = () => labelled("k", "keep", () => acts.keep());
    const common = [labelled("x", "exclude", () => acts.exclude()), labelled("s", "skip", () => acts.skip()), labelled("u", "undo", () => acts.undo())];
    if (app.draws) return [app.look === "single" ? labelled("Enter", "confirm", () => acts.confirm()) : keep(), ...common];
    const ofClasses = classes.slice(0, SHOWN_KEYS).map(one => {
      const k = app.keys.keyOf.get(one), made = act(k, one, () => acts.choose(one));
      made.dataset.name = one;
      if (k) made.prepend(key(k), " ");
      return made;
    });
    if (classes.length > SHOWN_KEYS || new_classes) ofClasses.push(labelled("l", "class…", () => acts.find()));
    return [element("div", {className: "classes"}, ...ofClasses), keep(), labelled("t", "take", () => acts.take()), ...common];
  }

  // The place, and which class is chosen, in the line below the images.
  told() {
    const {app} = this;
    if (!this.where || !app.rows || app.look === "map") return;
    const selected = app.now?.selected?.size;
    this.where.textContent = `${number.format(app.at + 1)} of ${number.format(app.rows.n)}${selected ? `, ${number.format(selected)} selected` : ""}`;
    const last = app.row && app.answers.mine(app.row.id), chosen = new Set(last?.annotations?.map(note => note.category) ?? []);
    for (const one of this.below.querySelectorAll("[data-name]")) {
      const is = String(chosen.has(one.dataset.name));
      if (one.ariaPressed !== is) one.ariaPressed = is;
    }
  }
}
