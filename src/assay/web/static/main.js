// The page: an address is a view with filters, a place in it, and a look (grid, single image, map).

import {Acts} from "./acts.js";
import {Gone, Refused, Unreachable, json} from "./api.js";
import {Answers} from "./answers.js";
import {Bars} from "./bars.js";
import {Clock} from "./clock.js";
import {button, count, element, prose, say, toast} from "./dom.js";
import {Grid} from "./grid.js";
import {Drawing} from "./drawing.js";
import {ClassKeys} from "./keys.js";
import {MapLook} from "./map.js";
import {Outbox} from "./outbox.js";
import {Rows} from "./rows.js";
import {pressed} from "./shortcuts.js";
import {Side} from "./side.js";
import {Single} from "./single.js";

const NEWS = 4000; // ms between two questions for answers of others
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
    this.side = new Side(this, $("side"));
    this.bars = new Bars(this, $("bar"), $("judge"));
    this.acts = new Acts(this);
    const name = `${project.id} ${project.person.name}`;
    this.outbox = new Outbox(name, {
      changed: () => this.bars.draw(), saved: (_, said) => this.arrived(said),
      refused: (event, why) => { this.now?.refused?.(event); this.answers.refuse(event); toast(`not saved: ${why}`, 12); },
    });
    this.answers = new Answers(project.person.name, this.outbox, ids => this.answered(ids));
    this.place = placeOf(project);
    this.answers.judged = project.judged;
    this.keys = new ClassKeys(project.id, project.classes);
    this.clock = new Clock();
    document.addEventListener("keydown", event => pressed(this, event));
    window.addEventListener("popstate", () => { this.query = new URLSearchParams(location.search); this.load(); });
    json("/api/counts").then(counts => { this.counts = counts; this.side.draw(); this.begin(); }).catch(error => this.failed(error));
    if (this.query.has("view")) this.load(); else { this.bars.draw(); $("stage").replaceChildren(element("p", {className: "empty"}, "…")); }
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
    this.side.hide();
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
      this.rows = new Rows(made, (start, end, answers) => { this.answers.learn(answers); this.now?.refresh?.(start, end); this.bars.told(); }, error => this.failed(error));
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
    this.bars.draw();
    this.bars.judging();
  }

  // Keys go to the images.
  focus() { (this.now?.editor?.stage ?? (this.look === "single" || !this.now ? $("stage") : this.now.canvas ?? this.now.node)).focus({preventScroll: true}); }

  empty() {
    const filtered = this.rows && this.rows.of > 0;
    const what = this.error ? [this.error.message, this.error.hint ?? ""] : filtered ? ["No image passes these filters", ""] : [this.view.empty, ""];
    const all = filtered ? button("clear all filters", () => this.address({view: this.view.name}, true)) : button("look at all images", () => this.address({view: "all"}, true));
    return element("div", {className: "empty"}, element("b", {}, this.view.title), element("p", {}, ...prose(what[0])), what[1] ? element("p", {}, ...prose(`what to do: ${what[1]}`)) : null, all);
  }

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
    this.bars.told();
    this.noted();
  }

  async nextOpen() {
    for (let at = this.at + 1; at < this.rows.n; at++) {
      const row = await this.rows.wait(at);
      if (row && !this.answers.of.has(row.id)) { this.go(at); return; }
    }
    toast("no open image after this one");
  }

  // The current image, to a screen reader.
  tellRow() {
    const row = this.row;
    if (row) say(`image ${row.at + 1}: ${row.label ?? "no label"}`);
    else this.rows.wait(this.at).then(found => { if (found?.at === this.at) this.tellRow(); });
  }

  answered() { this.now?.refresh?.(); if (this.look === "single") this.now?.tellSoon?.(); this.bars.told(); }

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
        this.bars.draw();
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
}

const app = new App();
window.review = app;
app.start().catch(error => { $("stage").replaceChildren(element("div", {className: "empty"}, element("b", {}, "assay review"), element("p", {}, error.message))); });
