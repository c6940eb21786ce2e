// Which parts of the page are out of date, and fetching them: one request at a time, at most two a second.

import { delayBefore, gapAfter } from "./backoff.js";
import { holdOf, morphRegion, ALL, FREE } from "./morph.js";

const LOOK_AGAIN_MS = 500;
const MOST_TOPICS = 64; // the server refuses to listen for more

export class Regions {
  #options;
  #dirty = new Set();
  #skipped = new Set(); // refreshed but for what the person is at; due again once they let go
  #fetchedAt = new Map(); // by region
  #released = new Set(); // the person asked to see the rows that were held back
  #timer = null;
  #busy = false;
  #notBefore = 0;
  #failures = 0;
  #began = performance.now();
  paused = false;

  /** @param options {fetchRegions(ids, seen, known) → HTML, known() → number, onFresh(all, known), onFailed(error), hidden?()} */
  constructor(options) {
    this.#options = { hidden: () => document.hidden, ...options };
  }

  all() {
    return [...document.querySelectorAll("[data-region][id]")];
  }

  /** What to listen for; on a page of very many objects their kinds. */
  topics() {
    const topics = [...new Set(this.all().flatMap(topicsOf))].sort();
    return topics.length > MOST_TOPICS ? [...new Set(topics.map(kindOf))] : topics;
  }

  /** Marks what shows one of `topics`; `{all: true}` marks everything. */
  mark({ all, topics }) {
    const wanted = new Set(topics);
    for (const region of this.all()) {
      if (all || topicsOf(region).some((topic) => wanted.has(topic) || wanted.has(kindOf(topic)))) this.#dirty.add(region.id);
    }
    this.flush();
  }

  /** Marks what says of itself that it changes soon without anybody telling (`data-soon`): work that is about to begin. */
  markSoon() {
    const soon = this.all().filter((region) => region.dataset.soon !== undefined);
    for (const region of soon) this.#dirty.add(region.id);
    if (soon.length) this.flush();
  }

  /** Marks what nobody tells of (`data-every="30"`): figures that were measured meanwhile, in so many seconds once more. */
  markEvery() {
    const since = (region) => performance.now() - (this.#fetchedAt.get(region.id) ?? this.#began);
    const due = this.all().filter((region) => since(region) >= Number(region.dataset.every ?? Infinity) * 1000);
    for (const region of due) this.#dirty.add(region.id);
    if (due.length) this.flush();
  }

  /** Shows the rows that a list has held back. */
  release(region) {
    this.#released.add(region.id);
    this.#dirty.add(region.id);
    this.#notBefore = 0;
    this.flush();
  }

  /** Refreshes when it may; called whenever something has changed about that. */
  flush() {
    clearTimeout(this.#timer);
    if (this.#busy || this.#sleeping() || !(this.#dirty.size || this.#skipped.size)) return;
    const wait = Math.max(0, this.#notBefore - performance.now());
    this.#timer = setTimeout(() => this.#refresh(), wait);
  }

  /** Everything now, whatever was heard: for polling. Returns once it is done. */
  async refreshAll() {
    if (this.#sleeping()) return;
    for (const region of this.all()) this.#dirty.add(region.id);
    if (!this.#busy) await this.#refresh();
  }

  #sleeping() {
    return this.#options.hidden() || (this.paused && !this.#released.size);
  }

  async #refresh() {
    clearTimeout(this.#timer);
    const due = this.#due();
    if (due.length) await this.#fetch(due);
    else this.#notBefore = performance.now() + LOOK_AGAIN_MS; // all that is due is in somebody's hands
    this.flush();
  }

  #due() {
    for (const id of this.#skipped) {
      const region = document.getElementById(id);
      if (region && holdOf(region) !== FREE) continue;
      this.#skipped.delete(id);
      if (region) this.#dirty.add(id);
    }
    const known = [...this.#dirty].map((id) => document.getElementById(id)).filter(Boolean);
    this.#dirty = new Set(known.map((region) => region.id));
    const wanted = this.paused ? known.filter((region) => this.#released.has(region.id)) : known;
    const ready = wanted.length === this.all().length ? wanted : wanted.filter((region) => !this.#rests(region));
    return ready.filter((region) => this.#released.has(region.id) || holdOf(region) !== ALL).map((region) => region.id);
  }

  /** Whether it was fetched less than its `data-rest` seconds ago: what costs much and changes little need not come at once. */
  #rests(region) {
    const since = performance.now() - (this.#fetchedAt.get(region.id) ?? 0);
    return !this.#released.has(region.id) && since < Number(region.dataset.rest ?? 0) * 1000;
  }

  async #fetch(ids) {
    this.#busy = true;
    const began = performance.now();
    const address = location.href;
    const all = ids.length === this.all().length;
    const known = this.#options.known();
    for (const id of ids) {
      this.#dirty.delete(id);
      this.#fetchedAt.set(id, began);
    }
    try {
      const html = await this.#options.fetchRegions(ids, this.#seenIn(ids), known);
      if (address === location.href) this.#apply(ids, html);
      else for (const id of ids) this.#dirty.add(id);
      this.#failures = 0;
      this.#notBefore = began + gapAfter(performance.now() - began);
      this.#options.onFresh(all, known);
    } catch (error) {
      for (const id of ids) this.#dirty.add(id);
      this.#notBefore = performance.now() + (error.retryAfterMs ?? delayBefore(this.#failures));
      this.#failures += 1;
      this.#options.onFailed(error);
    } finally {
      this.#busy = false;
    }
  }

  // Where the lists began that must not jump: what comes before is counted by the server, not sent.
  #seenIn(ids) {
    const held = ids.map((id) => document.getElementById(id)).filter((region) => region?.dataset.seen && !this.#released.has(region.id));
    return Object.fromEntries(held.map((region) => [region.id, region.dataset.seen]));
  }

  #apply(ids, html) {
    const answer = new DOMParser().parseFromString(html, "text/html");
    for (const id of ids) {
      const region = document.getElementById(id);
      const next = answer.getElementById(id);
      if (!region || !next) continue;
      if (holdOf(region) === ALL && !this.#released.has(id)) {
        this.#dirty.add(id); // the person began something while we asked
      } else if (morphRegion(region, next, { release: this.#released.delete(id) })) {
        this.#skipped.add(id);
      }
    }
    document.dispatchEvent(new CustomEvent("regions:refreshed", { detail: { ids } }));
  }
}

const kindOf = (topic) => topic.split(":")[0];

function topicsOf(region) {
  return (region.dataset.topics ?? "").split(/\s+/).filter(Boolean);
}
