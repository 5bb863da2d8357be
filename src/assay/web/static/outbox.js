// Judgements on their way to the server. Each is stored in this browser before it is sent, and removed when the server
// has it on disk; what is left of an earlier visit, or of one without a network, is sent again. The server stores an
// event once, however often it comes.

import {Refused, send} from "./api.js";

const AT_ONCE = 100, SIZE = 40_000, LARGE = 32_000; // events and bytes of a request; a larger event goes alone
const TOO_LARGE = 413;
const size = event => new TextEncoder().encode(JSON.stringify(event)).length;
const PAUSES = [500, 1000, 2000, 4000, 8000]; // ms

export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, "0")).join("");

export class Outbox {
  // `changed()`: its state is another one; `saved(events, place)`; `refused(event, why)`
  constructor(name, {changed, saved, refused}) {
    this.prefix = `assay review ${name} event `;
    Object.assign(this, {changed, saved, refused});
    this.waiting = new Map(); // event id -> event, in order
    this.unstored = 0; // events that this browser refused to keep: only in this tab
    this.failures = 0;
    this.locked = ""; // why the server takes nothing
    this.sending = false;
    this.number = 0;
    for (const [key, event] of this.left()) { this.waiting.set(event.event, {...event, key}); }
    window.addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.retry(); });
    window.addEventListener("beforeunload", event => { if (this.unstored) event.preventDefault(); });
    this.flush();
  }

  left() {
    try {
      const keys = Object.keys(localStorage).filter(key => key.startsWith(this.prefix)).sort();
      return keys.map(key => [key, JSON.parse(localStorage.getItem(key))]);
    } catch { return []; }
  }

  get pending() { return this.waiting.size; }
  get offline() { return this.failures > 0; }

  push(events) {
    for (const event of events) {
      const key = `${this.prefix}${Date.now().toString(36).padStart(9, "0")} ${String(this.number++).padStart(9, "0")} ${event.event}`;
      const held = {...event, key, given: Date.now()};
      try { localStorage.setItem(key, JSON.stringify(held)); } catch { held.key = null; this.unstored++; }
      this.waiting.set(event.event, held);
    }
    this.changed();
    setTimeout(() => this.flush(), 0); // it is kept by now: the next image is painted first
  }

  retry() { clearTimeout(this.timer); this.flush(); }

  next() {
    const events = [];
    let whole = 0;
    for (const event of this.waiting.values()) {
      const more = size(event);
      if (events.length && (events.length >= AT_ONCE || whole + more > SIZE)) break;
      events.push(event);
      whole += more;
      if (more > LARGE) break;
    }
    return [events, whole > LARGE ? "/api/judge/objects" : "/api/judge"];
  }

  async flush() {
    if (this.sending || !this.waiting.size) return;
    this.sending = true;
    const [events, path] = this.next();
    const plain = events.map(({key, given, ...event}) => ({...event, age: Math.max(0, (Date.now() - given) / 1000)}));
    try {
      const said = await send(path, {events: plain});
      this.failures = 0;
      this.locked = "";
      const why = new Map(said.refused.map(one => [one.event, one.why]));
      for (const event of events) this.forget(event);
      this.saved(events.filter(event => !why.has(event.event)), said);
      for (const event of events) if (why.has(event.event)) this.refused(event, why.get(event.event));
    } catch (error) {
      if (error.status === TOO_LARGE && events.length === 1) { // it would never pass, nor those behind it
        this.forget(events[0]);
        this.refused(events[0], error.message);
      } else {
        this.failures++;
        this.locked = error instanceof Refused && error.status !== 429 && error.status < 500 ? error.message : "";
        this.timer = setTimeout(() => this.flush(), PAUSES[Math.min(this.failures, PAUSES.length) - 1]);
      }
    }
    this.sending = false;
    this.changed();
    if (!this.failures) this.flush();
  }

  forget(event) {
    this.waiting.delete(event.event);
    if (event.key === null) this.unstored--;
    else try { localStorage.removeItem(event.key); } catch { /* a browser that keeps nothing */ }
  }
}
