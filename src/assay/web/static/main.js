// The page: an address is a view with filters, a place in it, and a look (grid, single image, map).

import {Gone, Refused, Unreachable, json, send} from "./api.js";
import {Answers, words} from "./answers.js";
import {Clock} from "./clock.js";
import {button, count, dialog, element, key, number, prose, say, toast} from "./dom.js";
import {Grid} from "./grid.js";
import {Drawing} from "./drawing.js";
import {ClassKeys, findClass, help, keyOf} from "./keys.js";
import {MapLook} from "./map.js";
import {Outbox} from "./outbox.js";
import {Rows} from "./rows.js";
import {Side} from "./side.js";
import {Single} from "./single.js";

const NEWS = 4000; // ms between two questions for answers of others
const SHOWN_KEYS = 40; // buttons of classes below the images
const MOST_SELECTED = 10_000;
const GUARDED = "A model chose this view, and the test set must not follow it: judge test images in All images.";
const $ = id => document.getElementById(id);

const placeOf = ({generation, changed, edits}) => ({generation, changed, edits}); // how far this page has read

class App {
  async start() {
    this.query = new URLSearchParams(location.search);
    this.counts = {};
    this.at = 0;
    this.look = "grid";
    this.project = await json("/api/project");
    const {project} = this;
    document.title = `${project.name} · assay review`;
    const name = `${project.id} ${project.person.name}`;
    this.outbox = new Outbox(name, {
      changed: () => this.bar(), saved: (_, said) => this.arrived(said),
      refused: (event, why) => { this.now?.refused?.(event); this.answers.refuse(event); toast(`not saved: ${why}`, 12); },
    });
    this.answers = new Answers(project.person.name, this.outbox, ids => this.answered(ids));
    this.place = placeOf(project);
    this.answers.judged = project.judged;
    this.keys = new ClassKeys(project.id, project.classes);
    this.clock = new Clock();
    this.side = new Side(this, $("side"));
    document.addEventListener("keydown", event => this.pressed(event));
    window.addEventListener("popstate", () => { this.query = new URLSearchParams(location.search); this.load(); });
    json("/api/counts").then(counts => { this.counts = counts; this.side.draw(); this.begin(); }).catch(error => this.failed(error));
    if (this.query.has("view")) this.load(); else { this.bar(); $("stage").replaceChildren(element("p", {className: "empty"}, "…")); }
    setInterval(() => this.news(), NEWS);
  }

  // Without a view in the address: the first one with images to judge.
  begin() {
    if (this.query.has("view")) { if (!this.rows?.n) this.stage(); return; }
    const first = ["queue", "sent", "suspects"].find(name => this.counts[name] > 0) ?? "all";
    this.query.set("view", first);
    this.load();
  }

  get view() { return this.project.views.find(view => view.name === this.query.get("view")) ?? this.project.views.at(-1); }
  get row() { return this.rows?.get(this.at) ?? null; }
  get draws() { return this.project.mode === "objects"; }
  get mayJudge() { return this.project.person.rights === "judge"; }
  isGuarded(row) { return this.view.guarded && row.split === "test"; }

  // --- addresses

  // Go to another address: `changes` of the query, null to remove; `only`: nothing of the old one stays.
  address(changes, only = false) {
    const next = only ? new URLSearchParams() : new URLSearchParams(this.query);
    next.delete("at");
    for (const [name, value] of Object.entries(changes)) if (value === null) next.delete(name); else next.set(name, value);
    if (this.look === "map") next.set("look", "map"); else next.delete("look");
    this.query = next;
    history.pushState(null, "", `?${next}`);
    $("side").classList.remove("open");
    this.load();
  }

  // Keep place and look in the address, without a step in the history; browsers allow some of these a second.
  noted() {
    clearTimeout(this.noting);
    this.noting = setTimeout(() => {
      if (this.at) this.query.set("at", this.at); else this.query.delete("at");
      if (this.look !== "grid") this.query.set("look", this.look); else this.query.delete("look");
      history.replaceState(null, "", `?${this.query}`);
    }, 400);
  }

  // `stay`: at the place where it is when the list has come.
  async load(stay = false) {
    const asked = this.query;
    this.look = this.query.get("look") ?? "grid";
    const wanted = new URLSearchParams([...this.query].filter(([name]) => !["at", "look", "color"].includes(name)));
    this.error = null;
    try {
      const made = await json(`/api/list?${wanted}`);
      if (asked !== this.query) return;
      this.rows = new Rows(made, (start, end, answers) => { this.answers.learn(answers); this.now?.refresh?.(start, end); this.told(); }, error => this.failed(error));
    } catch (error) {
      if (asked !== this.query) return;
      if (!(error instanceof Refused) || error.status !== 400) { this.failed(error); return; }
      this.error = error;
      this.rows = null;
    }
    this.at = Math.max(0, Math.min(stay ? this.at : Number(this.query.get("at") ?? 0), (this.rows?.n ?? 1) - 1)) || 0;
    this.side.draw();
    this.stage();
  }

  // --- what is shown

  stage() {
    this.now?.destroy();
    this.now = null;
    const stage = $("stage"), n = this.rows?.n ?? 0;
    if (this.error || !n) stage.replaceChildren(this.empty());
    else {
      this.now = this.look === "map" ? new MapLook(this) : this.look !== "single" ? new Grid(this) : this.draws ? new Drawing(this) : new Single(this);
      stage.replaceChildren(this.now.node);
      this.now.show();
      this.focus();
    }
    this.bar();
    this.judging();
  }

  // Keys go to the images.
  focus() { (this.now?.editor?.stage ?? (this.look === "single" || !this.now ? $("stage") : this.now.canvas ?? this.now.node)).focus({preventScroll: true}); }

  empty() {
    const filtered = this.rows && this.rows.of > 0;
    const what = this.error ? [this.error.message, this.error.hint ?? ""] : filtered ? ["No image passes these filters", ""] : [this.view.empty, ""];
    const all = filtered ? button("clear all filters", () => this.address({view: this.view.name}, true)) : button("look at all images", () => this.address({view: "all"}, true));
    return element("div", {className: "empty"}, element("b", {}, this.view.title), element("p", {}, ...prose(what[0])), what[1] ? element("p", {}, ...prose(`what to do: ${what[1]}`)) : null, all);
  }

  // A moment later, so that a key does not wait for it; several changes are drawn once.
  bar() { this.barring ??= setTimeout(() => { this.barring = null; this.drawBar(); }, 30); }

  drawBar() {
    if (!this.project) return;
    const {outbox, project, answers} = this, looks = {grid: "grid", single: "one", map: "map"};
    const state = outbox.unstored ? ["lost", `${count(outbox.unstored, "judgement")} only in this tab: do not close it`]
      : outbox.locked ? ["lost", `not saved: ${outbox.locked}`]
      : outbox.offline ? ["waiting", `offline: ${count(outbox.pending, "judgement")} kept in this browser`]
      : outbox.pending ? ["waiting", `saving ${number.format(outbox.pending)}…`]
      : ["", answers?.judged ? `${number.format(answers.judged)} judged, all saved` : "nothing judged yet"];
    $("bar").replaceChildren(
      button("☰", () => $("side").classList.toggle("open"), {className: "menu", ariaLabel: "views and filters"}),
      element("h1", {className: "name", title: project.name}, project.name),
      element("span", {className: "looks"}, ...Object.entries(looks).map(([look, text]) => button(text, () => this.see(look), {ariaPressed: String(this.look === look)}))),
      element("span", {className: `saved ${state[0]}`}, state[1]),
      element("span", {className: "grow"}),
      element("span", {className: "soft wide who", title: project.person.name}, project.person.name + (this.mayJudge ? "" : " (looks only)")),
      button("keys ?", () => this.help(), {ariaLabel: "keys"}),
      ...(this.mayJudge ? [button("Done", () => this.done(), {className: "primary", disabled: !answers?.judged && !outbox.pending})] : []));
  }

  // The buttons below the images: what a key does, a click does.
  judging() {
    const box = $("judge");
    if (!this.rows?.n || this.look === "map") { box.replaceChildren(); return; }
    this.where = element("span", {className: "where"});
    const step = (by, text, name, k) => button(text, () => this.go(this.at + by), {ariaLabel: `${text} ${name}`, title: name, ariaKeyShortcuts: k});
    const steps = this.look === "single" ? [step(-1, "←", "previous image", "ArrowLeft"), step(1, "→", "next image", "ArrowRight")] : [];
    box.replaceChildren(...(this.mayJudge ? this.acts() : []), element("span", {className: "steps"}, this.where, ...steps));
    this.told();
  }

  acts() {
    const act = (k, text, run) => button(text, () => this.inTurn(run), {title: text, ariaKeyShortcuts: k});
    const labelled = (k, text, run) => { const made = act(k, text, run); made.prepend(key(k.length === 1 ? k.toUpperCase() : k), " "); return made; };
    const common = [labelled("x", "exclude", () => this.exclude()), labelled("s", "skip", () => this.skip()), labelled("u", "undo", () => this.undo())];
    if (this.draws) return [this.look === "single" ? labelled("Enter", "confirm", () => this.confirm()) : labelled("k", "keep", () => this.keep()), ...common];
    const classes = this.project.classes.slice(0, SHOWN_KEYS).map(one => {
      const k = this.keys.keyOf.get(one), made = act(k, one, () => this.choose(one));
      made.dataset.name = one;
      if (k) made.prepend(key(k), " ");
      return made;
    });
    if (this.project.classes.length > SHOWN_KEYS || this.project.new_classes) classes.push(labelled("l", "class…", () => this.find()));
    return [element("div", {className: "classes"}, ...classes), labelled("k", "keep", () => this.keep()), labelled("t", "take", () => this.take()), ...common];
  }

  // The place, and which class is chosen, in the line below the images.
  told() {
    if (!this.where || !this.rows || this.look === "map") return;
    const selected = this.now?.selected?.size;
    this.where.textContent = `${number.format(this.at + 1)} of ${number.format(this.rows.n)}${selected ? `, ${number.format(selected)} selected` : ""}`;
    const last = this.row && this.answers.mine(this.row.id), chosen = new Set(last?.annotations?.map(note => note.category) ?? []);
    for (const one of $("judge").querySelectorAll("[data-name]")) {
      const is = String(chosen.has(one.dataset.name));
      if (one.ariaPressed !== is) one.ariaPressed = is;
    }
  }

  help() { help(this.keys, this.now?.editor?.keys ?? [], () => this.judging()); }

  see(look) {
    if (look === this.look || !this.rows) return;
    this.look = look;
    this.stage();
    this.noted();
  }

  open() { this.see("single"); }

  // Go to a place of the list. `deselect`: of the grid.
  go(at, deselect = true) {
    if (!this.rows?.n) return;
    const before = this.at;
    this.now.leave?.();
    this.at = Math.max(0, Math.min(this.rows.n - 1, at));
    if (deselect) this.now?.clear?.();
    if (this.look === "single") this.now.show();
    else if (this.look === "grid") { this.now.reveal(this.at); this.now.refresh(before, before + 1); this.now.refresh(this.at, this.at + 1); this.now.node.setAttribute("aria-activedescendant", `cell-${this.at}`); }
    this.told();
    this.noted();
  }

  async nextOpen() {
    for (let at = this.at + 1; at < this.rows.n; at++) {
      const row = await this.rows.wait(at);
      if (row && !this.answers.of.has(row.id)) { this.go(at); return; }
    }
    toast("no open image after this one");
  }

  // --- judgements

  get acted() { return this.look === "grid" ? this.now.acted : [this.at]; }

  // Judge the selected images, or this one: `how(row)` gives {act, annotations?}, or null if it does not apply.
  async judge(how, onwards = true) {
    if (!this.mayJudge) { toast("you may look, not judge"); return; }
    if (!this.now || this.error) return;
    if (this.look === "map") { toast("open an image, or a region as a grid, to judge"); return; }
    this.now.leave?.();
    const places = this.acted, judged = [], guarded = [];
    for (const at of places) {
      const row = this.rows.get(at) ?? await this.rows.wait(at);
      if (!row) continue;
      if (this.isGuarded(row)) { guarded.push(row); continue; }
      const said = how(row);
      if (said) judged.push({id: row.id, ...said});
    }
    if (guarded.length) toast(`${count(guarded.length, "test image")} not judged. ${GUARDED}`);
    if (!judged.length) return;
    this.answers.give(judged, this.at, this.clock.take(), this.view.name);
    if (judged.length === 1) say(words(judged[0]));
    else toast(`${count(judged.length, "image")}: ${words(judged[0])}. U: undo`);
    if (onwards) this.go(places.at(-1) + 1);
  }

  // One answer, given on the image itself.
  record(row, said) {
    if (this.isGuarded(row)) { toast(`${GUARDED} Nothing was saved.`); return; }
    this.answers.give([{id: row.id, ...said}], row.at, this.clock.take(), this.view.name);
    say(`saved: ${words(said)}`);
  }

  // Enter on one image: what is drawn is right; then the next one.
  confirm() {
    if (this.draws && this.mayJudge && !this.now.confirm()) return;
    this.go(this.at + 1);
  }

  choose(name) {
    if (this.draws) { this.now?.editor?.setClass(name); return null; }
    if (!this.project.classes.includes(name)) { this.project.classes.push(name); this.keys.deal(); this.judging(); }
    return this.project.mode === "tags" ? this.judge(row => ({act: "label", annotations: this.toggled(row, name)}), false)
      : this.judge(() => ({act: "label", annotations: [{category: name}]}));
  }

  // The tags of an image with one more, or one fewer.
  toggled(row, name) {
    const mine = this.answers.mine(row.id);
    const have = mine?.act === "label" ? mine.annotations.map(note => note.category) : (row.label ?? "").split("; ").filter(one => this.project.classes.includes(one));
    const next = have.includes(name) ? have.filter(one => one !== name) : [...have, name];
    return this.project.classes.filter(one => next.includes(one)).map(category => ({category}));
  }

  keep() { return this.judge(row => row.label === null ? (toast("there is no label to keep"), null) : this.kept(row)); }
  kept(row) {
    if (this.project.mode === "class") return {act: "label", annotations: [{category: row.label}]};
    return this.project.mode === "tags" ? {act: "label", annotations: this.tags(row.label, "; ")} : {act: "keep"};
  }

  take() {
    return this.judge(row => {
      if (row.suggested === null) { toast("there is no suggestion"); return null; }
      if (this.project.mode === "class") return {act: "label", annotations: [{category: row.suggested}]};
      return this.project.mode === "tags" ? {act: "label", annotations: this.tags(row.suggested, ", ")} : null; // objects are accepted in the editor
    });
  }

  tags(text, between) { return text === "nothing" ? [] : text.split(between).filter(one => this.project.classes.includes(one)).map(category => ({category})); }
  exclude() { return this.judge(row => ({act: (this.answers.mine(row.id)?.act ?? (row.excluded ? "exclude" : "")) === "exclude" ? "include" : "exclude"})); }
  skip() { return this.judge(() => ({act: "skip"})); }

  undo() { this.shifted(this.answers.undo(this.clock.take()), "undone", "nothing to undo"); }
  redo() { this.shifted(this.answers.redo(this.clock.take()), "done again", "nothing to do again"); }
  shifted(act, what, nothing) {
    if (!act) { toast(nothing); return; }
    say(`${what}: ${count(act.changes.length, "image")}`);
    if (act.view === this.view.name && act.at < this.rows.n) this.go(act.at);
  }

  find() { findClass(this.project.classes, this.project.new_classes, name => this.inTurn(() => this.choose(name))); }

  // The current image, to a screen reader.
  tellRow() {
    const row = this.row;
    if (row) say(`image ${row.at + 1}: ${row.label ?? "no label"}`);
    else this.rows.wait(this.at).then(found => { if (found?.at === this.at) this.tellRow(); });
  }

  answered() { this.now?.refresh?.(); if (this.look === "single") this.now?.tellSoon?.(); this.told(); }

  // --- the server

  arrived(said) {
    if (this.place.generation !== said.generation) { this.renewed(said); return; }
    this.answers.judged = said.judged;
    this.answers.learn(said.answers);
    if (said.corrected.length) toast(`${count(said.corrected.length, "answer")} taken over by a round before: given back by a correction, which Done writes`, 12);
  }

  async news() {
    if (document.hidden || this.asking) return;
    this.asking = true;
    try {
      const said = await json(`/api/news?generation=${this.place.generation}&changed=${this.place.changed}&edits=${this.place.edits}`);
      if (said.generation !== this.place.generation) this.renewed(said);
      else {
        if (said.edits !== this.place.edits) this.count(); // a round took answers over
        this.place = placeOf(said);
        this.answers.judged = said.judged;
        this.answers.learn(said.answers);
        this.bar();
      }
      if (this.outbox.offline) this.outbox.retry();
    } catch (error) { if (!(error instanceof Unreachable)) this.failed(error); }
    this.asking = false;
  }

  // Somebody wrote the judgements as an edit batch.
  renewed(place) {
    this.place = placeOf(place);
    this.answers.begin();
    this.answers.judged = place.judged;
    if (place.answers) this.answers.learn(place.answers);
    this.load(true);
    this.count();
  }

  count() { json("/api/counts").then(counts => { this.counts = counts; this.side.draw(); }).catch(error => this.failed(error)); }

  failed(error) {
    if (error instanceof Gone) { if (!this.again) { this.again = true; this.load(true).finally(() => { this.again = false; }); } return; }
    if (error instanceof Unreachable) { toast("the server does not answer; judgements are kept in this browser until it does"); return; }
    toast(error.hint ? `${error.message}: ${error.hint}` : error.message, 12);
  }

  done() {
    const {outbox} = this, wait = element("p", {}, `${count(this.answers.judged, "image")} judged since the last edit batch, by everybody on this page. ` +
      "One edit batch is written with the judgements that change something. It is in git, like code; later batches may override it.");
    const write = button("write the edit batch", async () => {
      write.disabled = true;
      try {
        if (outbox.pending) throw new Refused("some judgements are not saved yet", "wait until the server answers", 0);
        const said = await send("/api/done", {});
        const changes = Object.entries(said.written).map(([op, n]) => `${number.format(n)} ${op}`).join(", ") || "nothing new";
        wait.textContent = `${changes}; ${number.format(said.unchanged)} as before, ${number.format(said.skipped)} skipped, ${(said.seconds / 60).toFixed(1)} minutes. ` +
          (said.batch ? `Written: ${said.batch}. Next: commit it, dvc repro.` : "No batch was written.");
        if (said.disputed.length) made.append(element("p", {}, `${count(said.disputed.length, "image")} with different answers of several people: all are in the batch, the last one counts.`));
        write.remove();
        this.news();
      } catch (error) { wait.textContent = error.hint ? `${error.message}: ${error.hint}` : error.message; write.disabled = false; }
    }, {className: "primary"});
    const made = dialog("Done", wait, write);
    write.focus();
  }

  // --- keys

  pressed(event) {
    if (event.key === "Escape" && event.target.closest("#side")) { $("side").classList.remove("open"); this.focus(); return; }
    if (event.isComposing || document.querySelector("dialog[open]") || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const k = keyOf(event), control = event.ctrlKey || event.metaKey;
    if (this.now?.editor?.input.key(event)) { event.preventDefault(); return; } // the focus is elsewhere on the page
    const run = control ? {z: () => event.shiftKey ? this.redo() : this.undo(), y: () => this.redo(), a: () => this.selectAll()}[k] : event.altKey ? null : this.command(k, event);
    if (!run || ((k === "Enter" || k === " ") && event.target.closest("button, a, summary"))) return;
    event.preventDefault();
    this.inTurn(run);
  }

  // Acts in the order of keys and clicks, also while one waits for its rows: the next one is for the image after it.
  inTurn(run) {
    const going = this.acting ? this.acting.then(run) : run();
    if (!(going instanceof Promise)) return;
    const last = going.catch(error => this.failed(error)).finally(() => { if (this.acting === last) this.acting = null; });
    this.acting = last;
  }

  command(k, event) {
    const grid = this.look === "grid" ? this.now : null, step = by => () => grid && event.shiftKey ? grid.extend(Math.max(0, Math.min(this.rows.n - 1, this.at + by))) : this.go(this.at + by, false);
    const page = grid ? Math.max(1, Math.floor(grid.view / grid.height)) * grid.columns : 10;
    const found = {
      "?": () => this.help(), m: () => this.see("map"), g: () => this.see("grid"), f: () => { $("side").classList.add("open"); $("side").querySelector("a, input")?.focus(); },
      "/": () => { $("side").classList.add("open"); $("text")?.focus(); }, Escape: () => this.escape(),
    };
    if (this.now) Object.assign(found, {
      ArrowRight: step(1), ArrowLeft: step(-1), ArrowDown: step(grid ? grid.columns : 1), ArrowUp: step(grid ? -grid.columns : -1),
      PageDown: step(page), PageUp: step(-page), Home: () => this.go(0, false), End: () => this.go(this.rows.n - 1, false), Enter: () => grid ? this.open() : this.confirm(),
      " ": () => grid && grid.toggle(this.at), a: () => grid && grid.selectGroup().then(found => found || toast("this view has no groups")),
      k: () => this.keep(), t: () => this.take(), x: () => this.exclude(), s: () => this.skip(), u: () => event.shiftKey ? this.redo() : this.undo(), l: () => this.find(), n: () => this.nextOpen(),
    });
    const one = this.draws ? undefined : this.keys.classOf.get(k); // while drawing, digits are classes
    return found[k] ?? (one !== undefined && this.now ? () => this.choose(one) : null);
  }

  escape() {
    if ($("side").classList.contains("open")) { $("side").classList.remove("open"); return; }
    if (this.look !== "grid") this.see("grid"); else this.now?.clear();
  }

  selectAll() {
    if (this.look !== "grid" || !this.now) return;
    const n = Math.min(this.rows.n, MOST_SELECTED);
    this.now.select(Array.from({length: n}, (_, at) => at));
    if (n < this.rows.n) toast(`the first ${number.format(n)} are selected`);
  }
}

const app = new App();
window.review = app;
app.start().catch(error => { $("stage").replaceChildren(element("div", {className: "empty"}, element("b", {}, "assay review"), element("p", {}, error.message))); });
