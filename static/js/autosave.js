// Keeps what is being written: on the server a moment after each key, in this tab until the server has it.

import { delayBefore } from "./backoff.js";
import { post } from "./http.js";
import { oneUnit } from "./clock.js";

const PAUSE_MS = 800;
const drafts = new WeakMap();

export function startAutosave() {
  document.addEventListener("input", (event) => event.target.matches("[data-autosave-url]") && draftOf(event.target).changed());
  document.addEventListener("submit", (event) => leave(event.target), { capture: true });
  addEventListener("pagehide", () => each((draft) => draft.flush()));
  document.addEventListener("htmx:load", () => each((draft) => draft.restore()));
  each((draft) => draft.restore());
  setInterval(() => each((draft) => draft.show()), 5000);
}

function each(act) {
  for (const area of document.querySelectorAll("[data-autosave-url]")) act(draftOf(area));
}

function leave(form) {
  for (const area of form.elements) if (drafts.has(area)) drafts.get(area).finish();
}

function draftOf(area) {
  if (!drafts.has(area)) drafts.set(area, new Draft(area));
  return drafts.get(area);
}

class Draft {
  #timer = null;
  #failures = 0;
  #saving = false;
  #stopped = false;
  #touched = false;
  #savedAt = 0;
  #note = "";

  constructor(area) {
    this.area = area;
    this.savedText = area.value;
    this.key = `draft:${area.dataset.autosaveUrl}`;
  }

  /** The version that the text was written upon; the server refuses a save upon an older one. */
  get version() {
    return this.area.dataset.autosaveVersion ?? "";
  }

  changed() {
    if (this.#stopped) return;
    this.#touched = true;
    keep(this.key, { version: this.version, text: this.area.value });
    this.#say("saving", "Not saved yet");
    this.#later(PAUSE_MS);
  }

  /** Brings back text that this tab kept and the server does not have; upon another version only if asked to. */
  restore() {
    const kept = readKept(this.key);
    if (!kept || this.#touched || this.area.readOnly || kept.text === this.area.value) return;
    if (kept.version === this.version) this.#write(kept.text);
    else this.#offer(kept.text);
  }

  flush() {
    if (this.#touched && !this.#stopped && this.area.value !== this.savedText) this.#send({ keepalive: true }).catch(() => null);
  }

  /** The text goes out with its form: from here on the form is responsible. */
  finish() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  show() {
    if (this.#savedAt && this.#note === "saved") this.#say("saved", `Saved ${oneUnit((Date.now() - this.#savedAt) / 1000)} ago`);
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), wait);
  }

  async #save() {
    if (this.#saving) return this.#later(PAUSE_MS);
    if (this.area.value === this.savedText) return this.#saved(this.savedText);
    this.#saving = true;
    const text = this.area.value;
    try {
      const answer = await this.#send();
      if (answer?.version !== undefined) this.area.dataset.autosaveVersion = answer.version;
      this.#saved(text);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#saving = false;
    }
  }

  #send(options) {
    return post(this.area.dataset.autosaveUrl, { [this.area.name]: this.area.value, version: this.version }, options);
  }

  #saved(text) {
    this.savedText = text;
    this.#failures = 0;
    this.#savedAt = Date.now();
    if (this.area.value !== text) return this.changed();
    forget(this.key);
    this.#say("saved", "Saved");
  }

  // A refusal stands; anything else is tried again for as long as the page is open.
  #failed(error) {
    const refused = [403, 404, 409, 410, 413, 422].includes(error.status);
    if (refused) this.#stopped = true;
    else this.#later(error.retryAfterMs ?? delayBefore(this.#failures++));
    this.#say("failed", refused ? `Not saved: ${error.message}` : `Not saved${error.signedOut ? ", you are signed out" : ""}; the text is kept in this tab`);
  }

  #write(text) {
    this.area.value = text;
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #offer(text) {
    const place = document.getElementById(this.area.dataset.autosaveState);
    if (!place || place.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm";
    button.textContent = "Bring back what you wrote before";
    button.addEventListener("click", () => this.#write(text));
    place.replaceChildren(button);
  }

  #say(state, text) {
    this.#note = state;
    const place = document.getElementById(this.area.dataset.autosaveState);
    if (!place) return;
    place.dataset.state = state;
    if (place.textContent !== text) place.textContent = text;
  }
}

function keep(key, draft) {
  try {
    sessionStorage.setItem(key, JSON.stringify(draft));
  } catch {
    // A full or forbidden store: the server's copy has to do.
  }
}

function readKept(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

function forget(key) {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // Nothing was kept there.
  }
}
