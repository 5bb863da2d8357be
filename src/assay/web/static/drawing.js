// One image with its objects, in the drawing editor. What is drawn is saved a moment after the last change, and when the
// image is left; Enter confirms it and goes on.

import {count, toast} from "./dom.js";
import {Editor} from "./draw/editor.js";
import {Single} from "./single.js";

const PAUSE = 800; // ms

// Annotations as a text, equal for equal ones: the server writes keys in another order, and leaves out defaults.
const textOf = notes => JSON.stringify(notes.map(({category, bbox, segmentation, iscrowd, attributes}) => [
  category, bbox ?? null, segmentation?.counts ? [segmentation.size, segmentation.counts] : segmentation ?? null, iscrowd ?? false,
  Object.entries(attributes ?? {}).sort(([a], [b]) => a < b ? -1 : 1)]));

export class Drawing extends Single {
  constructor(app) {
    super(app);
    this.host.replaceChildren();
    this.editor = new Editor(this.host, {classes: app.project.classes, outlines: app.project.outlines, readOnly: !app.mayJudge, onChange: () => this.drawn()});
    this.drawnOn = null; // the row that the editor shows
    this.given = ""; // the objects as they were loaded or saved last
    this.isRefused = false; // the server did not take them: they stay in the editor, to be corrected
    this.isLeaving = () => { if (document.hidden) this.leave(); };
    document.addEventListener("visibilitychange", this.isLeaving);
    window.addEventListener("pagehide", this.isLeaving);
  }

  get shownId() { return this.drawnOn?.id ?? null; }

  paint() {
    const row = this.row, known = row && this.about.get(row.id), bitmap = row && this.bitmaps.get(row.id);
    if (!row) return;
    this.host.ariaBusy = String(this.shownId !== row.id); // until it is loaded, the image before is shown, faint
    if (bitmap === undefined || bitmap instanceof Promise) { this.load(row.id).then(() => { if (this.row?.id === row.id && this.bitmaps.has(row.id)) this.paint(); }); return; }
    if (!known) return; // `tell` comes again with it
    const said = this.app.answers.mine(row.id) ?? this.app.answers.last(row.id);
    const annotations = said?.act === "label" ? said.annotations : known.annotations ?? [], text = textOf(annotations);
    if (this.shownId === row.id && text === this.given) return;
    if (this.shownId === row.id && (this.waiting || this.isRefused)) return; // being drawn
    if (this.shownId !== row.id) this.leave(); // what was drawn on the image before, while this one was loaded
    this.drawnOn = row;
    this.given = text;
    this.isRefused = false;
    this.host.ariaBusy = "false";
    this.editor.load({bitmap, width: known.width, height: known.height, annotations, predicted: said ? [] : known.predicted ?? []});
    if (!this.host.contains(document.activeElement)) this.editor.stage.focus({preventScroll: true});
  }

  tell() { super.tell(); this.paint(); }

  // Show a suspected object.
  point({boxes, focus}) {
    this.editor.selectAt(boxes);
    this.editor.view.reveal(focus);
    this.editor.stage.focus({preventScroll: true});
  }

  drawn() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.leave(), PAUSE);
  }

  // The server did not take the objects of an image.
  refused({id}) {
    if (id !== this.shownId) return;
    this.isRefused = true;
    this.given = "";
  }

  // Save what was drawn and is not saved yet.
  leave() {
    clearTimeout(this.waiting);
    if (!this.waiting) return;
    this.waiting = 0;
    this.save(false);
  }

  // Enter: save the objects as they are; false while the image is not shown yet, and, once, if there are suggestions that
  // nobody accepted or deleted.
  confirm() {
    const open = this.editor.suggestions, id = this.shownId;
    if (id !== this.row?.id) return false;
    if (open && this.asked !== id) {
      this.asked = id;
      toast(`${count(open, "suggestion")} not accepted. Shift+A accepts all; Enter goes on without`);
      return false;
    }
    this.save(true);
    return true;
  }

  // An answer with the objects as they are; `confirm`: also if nothing changed.
  save(confirm) {
    const row = this.drawnOn;
    if (!row || !this.app.mayJudge) return;
    clearTimeout(this.waiting);
    this.waiting = 0;
    const annotations = this.editor.annotations(), text = textOf(annotations);
    if (text === this.given && !confirm) return;
    this.given = text;
    this.isRefused = false;
    this.app.acts.record(row, {act: "label", annotations});
  }

  destroy() {
    this.leave();
    document.removeEventListener("visibilitychange", this.isLeaving);
    window.removeEventListener("pagehide", this.isLeaving);
    this.editor.destroy();
    super.destroy();
  }
}
