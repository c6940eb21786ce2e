// What the server's frames mean for this page. Frames may be dropped, doubled or reordered: that costs a refresh, never truth.

const HEAL_AFTER_MS = 30_000;

/** The frame in a message, or null if it is none that we know. */
export function readFrame(text) {
  try {
    const frame = JSON.parse(text);
    return typeof frame?.type === "string" && Number.isFinite(frame.number) ? frame : null;
  } catch {
    return null;
  }
}

export const NOTHING = { all: false, topics: [] };
const EVERYTHING = { all: true, topics: [] };

/** How far this page has followed the events. */
export class Progress {
  #complete; // every event up to this number is known to be shown
  #completeAt;
  #greeted = false;

  constructor(number, now) {
    this.number = number;
    this.#complete = number - 1; // the page may have read a row just before the event that the number is of
    this.#completeAt = now;
  }

  /** What has to be refreshed because of `frame`: `{all, topics}`. */
  hear(frame, now) {
    if (frame.type === "hello") return this.#greet(frame.number);
    this.number = Math.max(this.number, frame.number);
    switch (frame.type) {
      case "changed":
        return { all: false, topics: frame.topics ?? [] };
      case "behind":
        return EVERYTHING;
      case "beat":
        return this.#doubt(frame.number, now) ? EVERYTHING : NOTHING;
      default:
        return NOTHING;
    }
  }

  /** All regions were refreshed by a request that began when the page knew `number`. */
  refreshedAll(number, now) {
    this.#complete = Math.max(this.#complete, number);
    this.#completeAt = now;
  }

  // The first greeting is followed by what happened since the page was rendered. After a later one everything is
  // looked at again, unless nothing happened meanwhile; numbers that went back mean that a backup was restored.
  #greet(number) {
    const again = this.#greeted && number !== this.#complete;
    const restored = number < this.number;
    this.#greeted = true;
    if (restored) this.number = this.#complete = number;
    return again || restored ? EVERYTHING : NOTHING;
  }

  // A dropped frame leaves no trace but a number that has moved on: now and then all is looked at again.
  #doubt(number, now) {
    return number > this.#complete && now - this.#completeAt >= HEAL_AFTER_MS;
  }
}
