// One image, as large as it fits. The next AHEAD images are decoded already: a key shows the next one at once.

import {Unreachable, blob, json} from "./api.js";
import {button, element} from "./dom.js";
import {draw} from "./thumbnails.js";
import {words} from "./answers.js";

const AHEAD = 8, BEHIND = 3;

export class Single {
  // `app`: rows, answers, at, and what the page does
  constructor(app) {
    this.app = app;
    this.bitmaps = new Map(); // id -> bitmap or promise of one; null: it cannot be shown
    this.about = new Map(); // id -> what is known of it
    this.canvas = element("canvas", {className: "large", role: "img"});
    this.facts = element("div", {className: "facts", tabIndex: 0, role: "region", ariaLabel: "about this image"});
    this.host = element("div", {className: "host"}, this.canvas);
    this.node = element("section", {className: "single", ariaLabel: "image"}, this.host, this.facts);
    this.resized = new ResizeObserver(() => { this.size = [this.canvas.clientWidth, this.canvas.clientHeight]; this.paint(); });
    this.resized.observe(this.canvas);
  }

  get row() { return this.app.rows.get(this.app.at); }
  get shownId() { return null; } // of an image that must not be forgotten yet

  show() {
    const row = this.row;
    if (row) {
      this.paint();
      this.tellSoon();
    } else {
      this.app.rows.wait(this.app.at).then(found => { if (found && found.at === this.app.at) this.show(); });
    }
    setTimeout(() => this.prepare(), 0); // after the paint
  }

  paint() {
    const row = this.row, bitmap = row && this.bitmaps.get(row.id);
    if (!row) return;
    if (!(bitmap instanceof Promise) && bitmap !== undefined) draw(this.canvas, bitmap, undefined, this.size);
    else this.load(row.id).then(() => { if (this.row?.id === row.id && this.bitmaps.has(row.id)) this.paint(); });
  }

  load(id) {
    if (this.bitmaps.has(id)) return Promise.resolve(this.bitmaps.get(id));
    const coming = blob(`/image/${id}`).then(createImageBitmap).then(bitmap => { this.bitmaps.set(id, bitmap); return bitmap; }, error => {
      if (error instanceof Unreachable) this.bitmaps.delete(id); else this.bitmaps.set(id, null); // asked for again, once it answers
      this.app.failed(error);
      if (this.row?.id === id) this.tell();
      return null;
    });
    this.bitmaps.set(id, coming);
    return coming;
  }

  // Fetch the images around, and forget those far away.
  async prepare() {
    const {at, rows} = this.app, near = new Set([this.shownId]);
    for (const step of [0, ...Array.from({length: AHEAD}, (_, n) => n + 1), ...Array.from({length: BEHIND}, (_, n) => -n - 1)]) {
      const row = rows.get(at + step);
      if (row) { near.add(row.id); this.load(row.id); }
    }
    for (const [id, bitmap] of this.bitmaps) {
      if (near.has(id) || this.bitmaps.size <= 2 * (AHEAD + BEHIND)) continue;
      this.bitmaps.delete(id);
      if (bitmap instanceof ImageBitmap) bitmap.close();
    }
    const first = Math.max(0, at), missing = rows.get(first) && !this.about.has(rows.get(first).id);
    const soon = rows.get(at + 4) && !this.about.has(rows.get(at + 4).id);
    if ((missing || soon) && !this.asking) {
      this.asking = true;
      try {
        const found = await json(`/api/about/${rows.key}?start=${first}&count=16`);
        if (this.about.size > 500) this.about.clear();
        for (const one of found) this.about.set(one.id, one);
        if (this.app.rows === rows && found.some(one => one.id === this.row?.id)) this.tell();
      } catch (error) { this.app.failed(error); }
      this.asking = false;
      if (this.app.at !== at) this.prepare(); // keys went on meanwhile, perhaps back to before what was asked for
    }
  }

  // Once, at the end of what a key does.
  tellSoon() {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => { this.telling = false; this.tell(); });
  }

  // The words beside the image.
  tell() {
    const row = this.row;
    if (!row) return;
    const {answers, view} = this.app, known = this.about.get(row.id);
    const line = (title, ...value) => element("div", {className: "fact"}, element("span", {className: "soft"}, title), element("span", {}, ...value));
    const said = answers.of.get(row.id) ?? [];
    const facts = [element("div", {className: "what"}, row.label === null ? "no label" : row.label === "" ? "nothing on it" : row.label)];
    if (this.bitmaps.get(row.id) === null) facts.push(element("div", {className: "badge bad"}, "the image cannot be shown"));
    if (row.excluded) facts.push(element("div", {className: "badge bad"}, "excluded"));
    if (row.suggested !== null) facts.push(line("suggested", row.suggested));
    if (row.score !== null && !Number.isNaN(row.score)) facts.push(line(view.score || "score", row.score.toFixed(3)));
    facts.push(line("split", row.split));
    for (const answer of said) facts.push(element("div", {className: `answer is-${answer.act}`}, `${answer.by}: ${words(answer)}${answer.collected ? ", taken over by a round" : ""}`));
    if (answers.conflict(row.id)) facts.push(element("div", {className: "badge warn"}, "people disagree: the last answer counts"));
    if (this.app.isGuarded(row)) facts.push(element("div", {className: "badge warn"}, "test image: look only, in this view"));
    if (known) {
      if (known.reason) facts.push(element("p", {className: "reason"}, known.reason));
      if (known.suspects.length) facts.push(element("div", {className: "soft"}, "suspected"));
      for (const one of known.suspects) facts.push(button(one.text, () => this.point?.(one), {className: "suspect"}));
      for (const origin of known.origins ?? []) facts.push(line("file", origin));
      facts.push(line("size", `${known.width} × ${known.height} px`));
      if (known.group) facts.push(line("group", known.group));
      if (known.captured_at) facts.push(line("taken", known.captured_at));
      for (const [name, value] of Object.entries(known.metadata)) facts.push(line(name, String(value)));
      for (const one of known.history.slice(-10)) facts.push(line(one.at.slice(0, 10), `${one.by}: ${one.label ?? one.op}${one.why ? ` (${one.why})` : ""}`));
    }
    facts.push(element("div", {className: "id mono"}, row.id.slice(0, 12)));
    this.facts.replaceChildren(...facts);
    this.canvas.ariaLabel = `image ${row.at + 1}: ${row.label === null ? "no label" : row.label}${row.suggested ? `, suggested ${row.suggested}` : ""}`;
  }

  destroy() { this.resized.disconnect(); for (const bitmap of this.bitmaps.values()) if (bitmap instanceof ImageBitmap) bitmap.close(); }
}
