// Keeps the text of the editor in this browser until it is published, one draft for each workflow.

import { oneUnit } from "./clock.js";

const PREFIX = "definition:";
const PAUSE_MS = 500;

export class Draft {
  #timer = null;

  constructor(name, upon) {
    this.key = `${PREFIX}${name || "+new"}`;
    this.upon = upon;
  }

  /** The text kept, or null; how long ago in words. */
  get kept() {
    const kept = read(this.key);
    return kept && { text: kept.text, upon: kept.upon, age: oneUnit(Math.max(0, Date.now() - kept.at) / 1000) };
  }

  later(text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.keep(text), PAUSE_MS);
  }

  /** `sent` says that it is on its way to being published. */
  keep(text, sent = false) {
    clearTimeout(this.#timer);
    write(this.key, { text, upon: this.upon, at: Date.now(), sent });
  }

  forget() {
    clearTimeout(this.#timer);
    write(this.key, null);
  }
}

/** The page after publishing the workflow `name`: what was sent is not needed any more. */
export function forgetPublished(name) {
  for (const key of [`${PREFIX}${name}`, `${PREFIX}+new`]) if (read(key)?.sent) write(key, null);
}

function read(key) {
  try {
    const kept = JSON.parse(localStorage.getItem(key));
    return typeof kept?.text === "string" ? kept : null;
  } catch {
    return null;
  }
}

function write(key, draft) {
  try {
    if (draft) localStorage.setItem(key, JSON.stringify(draft));
    else localStorage.removeItem(key);
  } catch {
    // A full or forbidden store: then there is no draft.
  }
}
