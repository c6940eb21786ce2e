// Tells of new alerts and reviews: by the desktop if the person has allowed that in this browser, else by a short message.
// Whichever page of this browser is first asks what is new and shows it; the others find that it has been shown.

import { fetchJson } from "./http.js";
import { notify } from "./toasts.js";

export const TOPICS = ["notification", "inquiry"];
const SWITCH = "desktop-notifications";
const CURSOR = "news-since";
const LOCK = "orchestra-news";
const ASKED = "news-asked";
const FIRST_MS = 1500; // pages are shown first
const GAP_MS = 3000; // however much happens
const MOST_AT_ONCE = 3;

/** What to show of `items`: all of a few, of many the newest and how many more. */
export function chosen(items, most = MOST_AT_ONCE) {
  const shown = items.slice(-most);
  return { shown, others: items.length - shown.length };
}

/** How to tell now: "desktop", "page" or not at all. */
export function wayNow({ on, permission, hidden, paused }) {
  if (paused) return "none";
  if (on && permission === "granted") return "desktop";
  return hidden ? "none" : "page";
}

export class News {
  #url;
  #timer = null;
  #heardAt = 0;
  #askedAt = 0;

  gapMs = GAP_MS;

  /** @param options {url, isPaused(), store?, locks?, ask?(url), Desktop?, gapMs?} */
  constructor(options) {
    const own = { store: globalThis.localStorage, locks: navigator.locks, ask: fetchJson, Desktop: globalThis.Notification };
    Object.assign(this, own, options);
    this.#url = options.url;
  }

  get way() {
    const on = this.store.getItem(SWITCH) === "on";
    return wayNow({ on, permission: this.Desktop?.permission, hidden: document.hidden, paused: this.isPaused() });
  }

  /** Something may be new: ask soon, unless nobody would see it. */
  look(now = Date.now()) {
    this.#heardAt = now;
    if (this.#timer !== null || this.way === "none") return;
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, this.#askedAt + this.gapMs - now));
  }

  async #ask() {
    this.#timer = null;
    this.#askedAt = Date.now();
    try {
      await (this.locks ? this.locks.request(LOCK, () => this.#once()) : this.#once());
    } catch {
      // without a connection it is asked again with the next change
    }
  }

  // One page of the browser at a time reads where the browser stands, asks, and moves on.
  async #once() {
    if (Number(this.store.getItem(ASKED)) > this.#heardAt) return; // another page has, since we heard
    const since = this.store.getItem(CURSOR);
    const asked = String(Date.now());
    const { number, items } = await this.ask(since ? `${this.#url}?since=${since}` : this.#url);
    this.store.setItem(CURSOR, String(number));
    this.store.setItem(ASKED, asked);
    this.show(items);
  }

  show(items) {
    const { shown, others } = chosen(items);
    for (const item of shown) this.way === "desktop" ? this.#onDesktop(item) : onPage(item);
    if (others > 0) notify(`${others} more since you looked last.`, { link: { href: this.#url.replace("fresh/", ""), text: "Show them" } });
  }

  #onDesktop({ number, title, text, url }) {
    const note = new this.Desktop(title, { body: text, tag: `orchestra-${number}` });
    note.onclick = () => {
      window.focus();
      location.assign(url);
    };
  }
}

function onPage({ title, url }) {
  notify(title, { tone: "warning", link: { href: url, text: "Open" } });
}

/** The switch in the menu of the person; it asks the browser for permission when it is pressed, never by itself. */
export function startSwitch(button, store = localStorage, Desktop = globalThis.Notification) {
  if (!button) return;
  if (!Desktop) return void (button.hidden = true);
  const isOn = () => store.getItem(SWITCH) === "on" && Desktop.permission === "granted";
  const show = () => button.setAttribute("aria-pressed", String(isOn()));
  button.addEventListener("click", async () => {
    if (isOn()) store.removeItem(SWITCH);
    else if ((await Desktop.requestPermission()) === "granted") store.setItem(SWITCH, "on");
    else notify("This browser does not let Orchestra notify you; allow it in the settings of the page.", { tone: "error" });
    show();
  });
  show();
}

/** Begins to tell of news; `live` is how the page hears that something has changed. */
export function startNews() {
  startSwitch(document.querySelector("[data-desktop-switch]"));
  const url = document.body.dataset.newsUrl;
  if (!url) return;
  const news = new News({ url, isPaused: () => document.getElementById("live-state")?.dataset.state === "paused" });
  document.addEventListener("live:changed", (event) => {
    const { all, topics } = event.detail;
    if (all || TOPICS.some((topic) => topics.includes(topic))) news.look();
  });
  document.addEventListener("visibilitychange", () => document.hidden || news.look());
  setTimeout(() => news.look(), FIRST_MS);
}
