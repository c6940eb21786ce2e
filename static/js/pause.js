// The state of the connection, in words, and the switch that pauses updates.

import { prefer } from "./http.js";

const STALE_AFTER_MS = 10_000;

const WORDS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", paused: "Paused" };

/** What to show: the state's name and its words. `provenAt` is when the page was last known to be true. */
export function describe({ up, paused, provenAt, now }) {
  if (paused) return { state: "paused", words: WORDS.paused };
  if (up) return { state: "live", words: WORDS.live };
  if (now - provenAt < STALE_AFTER_MS) return { state: "reconnecting", words: WORDS.reconnecting };
  return { state: "stale", words: `Stale since ${timeOfDay(provenAt)}` };
}

function timeOfDay(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

export class LiveState {
  #button = document.getElementById("live-state");
  #news = document.getElementById("live-news");
  #shown = "connecting";
  #onPause;

  constructor({ paused, onPause }) {
    this.up = false;
    this.how = "as things happen";
    this.paused = paused;
    this.provenAt = Date.now();
    this.#onPause = onPause;
    this.#button?.addEventListener("click", () => this.#toggle());
    setInterval(() => this.show(), 1000);
    this.show();
  }

  /** The page was true just now. */
  proven(how) {
    this.up = true;
    this.how = how;
    this.provenAt = Date.now();
    this.show();
  }

  lost() {
    if (this.up) this.provenAt = Date.now();
    this.up = false;
    this.show();
  }

  show() {
    if (!this.#button) return;
    const { state, words } = describe({ ...this, now: Date.now() });
    this.#button.hidden = false;
    this.#button.dataset.state = state;
    this.#button.setAttribute("aria-pressed", String(this.paused));
    this.#button.title = this.paused ? "Updates are paused; click to go on" : `${words}: updates ${this.how}; click to pause`;
    setText(this.#button.querySelector(".live-word"), words);
    this.#announce(state, words);
  }

  // Short interruptions are not worth a listener's attention.
  #announce(state, words) {
    if (state === this.#shown || state === "reconnecting") return;
    const first = this.#shown === "connecting";
    this.#shown = state;
    if (!first) setText(this.#news, state === "live" ? "Live again" : words);
  }

  #toggle() {
    this.paused = !this.paused;
    prefer({ updates: this.paused ? "paused" : "on" });
    this.#onPause(this.paused);
    this.show();
  }
}

function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}
