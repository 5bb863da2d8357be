// Active time: from act to act of a person, at most IDLE seconds of each pause, and none while the page is hidden.

const IDLE = 30_000;

export class Clock {
  constructor() {
    this.spent = 0;
    this.last = performance.now();
    for (const kind of ["keydown", "pointermove", "pointerdown", "wheel"]) {
      window.addEventListener(kind, () => this.tick(), {capture: true, passive: true});
    }
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.tick(); else this.last = performance.now(); });
  }

  tick() {
    const now = performance.now();
    this.spent += Math.min(now - this.last, IDLE);
    this.last = now;
  }

  // Seconds since the last call.
  take() {
    this.tick();
    const seconds = Math.round(this.spent) / 1000;
    this.spent = 0;
    return seconds;
  }
}
