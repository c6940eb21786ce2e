// Joins connection, polling and regions: how this page learns what has changed.

import { Progress } from "./frames.js";
import { fetchRegions } from "./http.js";
import { LiveConnection, socketAddress } from "./live.js";
import { TOPICS as NEWS_TOPICS } from "./news.js";
import { LiveState } from "./pause.js";
import { Regions } from "./regions.js";
import { notify } from "./toasts.js";

const POLL_MS = 5000;
const SOON_MS = 2000;
const EVERY_MS = 1000;
const TRIES_BEFORE_POLLING = 3;
const SIGNED_OUT = 4401;
const MOST_TOPICS = 64; // the server refuses to listen for more

export function startUpdates() {
  const { liveSince, liveUrl, updates } = document.body.dataset;
  if (document.querySelector("[data-region]")) new Updates(Number(liveSince) || 0, liveUrl, updates === "paused").start();
  else document.getElementById("live-state")?.remove();
}

class Updates {
  #poll = null;
  #topics = "";

  constructor(since, url, paused) {
    this.progress = new Progress(since, performance.now());
    this.regions = new Regions({
      fetchRegions,
      known: () => this.progress.number,
      onFresh: (all, known) => this.#fresh(all, known),
      onFailed: (error) => this.#failed(error),
    });
    this.regions.paused = paused;
    this.state = new LiveState({ paused, onPause: (is) => this.#pause(is) });
    this.connection = new LiveConnection({
      url: socketAddress(url),
      since: () => this.progress.number,
      topics: () => this.#wanted(),
      onFrame: (frame) => this.#hear(frame),
      onUp: () => this.#stopPolling(),
      onDown: (failures, code) => this.#down(failures, code),
    });
  }

  start() {
    this.connection.start();
    addEventListener("online", () => this.connection.retryNow());
    addEventListener("offline", () => this.connection.lost());
    addEventListener("pagehide", () => this.connection.stop());
    addEventListener("pageshow", (event) => event.persisted && this.#returned());
    document.addEventListener("visibilitychange", () => document.hidden || this.#looked());
    document.addEventListener("htmx:afterSettle", () => this.#subscribe());
    document.addEventListener("regions:refreshed", () => this.#subscribe());
    document.addEventListener("click", (event) => this.#showRows(event.target.closest("[data-show-rows]")));
    setInterval(() => this.regions.markSoon(), SOON_MS);
    setInterval(() => this.regions.markEvery(), EVERY_MS);
  }

  #hear(frame) {
    this.state.proven("as things happen");
    const changed = this.progress.hear(frame, performance.now());
    this.regions.mark(changed);
    if (changed.all || changed.topics.length) document.dispatchEvent(new CustomEvent("live:changed", { detail: changed }));
  }

  #fresh(all, known) {
    if (all) this.progress.refreshedAll(known, performance.now());
    if (this.#poll) this.state.proven("every 5 s");
  }

  #down(failures, code) {
    if (!this.#poll) this.state.lost();
    if (code === SIGNED_OUT) this.#ask(); // the answer says so, and how to go on
    if (failures >= TRIES_BEFORE_POLLING && !this.#poll) {
      this.#poll = setInterval(() => this.#ask(), POLL_MS);
      this.#ask();
    }
  }

  #ask() {
    if (!document.hidden && !this.regions.paused) this.regions.refreshAll();
  }

  #stopPolling() {
    clearInterval(this.#poll);
    this.#poll = null;
  }

  #failed(error) {
    if (this.#poll) this.state.lost();
    if (error.signedOut) this.#end("You are signed out. What you typed is still here.", signInAddress());
    else if (error.status === 403) this.#end("Your role no longer allows this page.");
    else if (error.status === 404) this.#end("What this page shows is no longer there.");
  }

  #end(text, href) {
    this.connection.stop();
    this.#stopPolling();
    this.regions.paused = true;
    this.state.lost();
    notify(text, { tone: "error", stays: true, link: href && { href, text: "Sign in again" } });
  }

  #pause(paused) {
    this.regions.paused = paused;
    this.regions.flush();
  }

  #looked() {
    this.connection.retryNow();
    if (this.#poll) this.#ask();
    this.regions.flush();
  }

  // Back from the browser's memory of pages: nothing was heard meanwhile.
  #returned() {
    this.regions.mark({ all: true, topics: [] });
    this.connection.start();
  }

  // What the page shows, and what it tells of wherever somebody is.
  #wanted() {
    const told = document.body.dataset.newsUrl ? NEWS_TOPICS : [];
    return [...new Set([...this.regions.topics(), ...told])].sort().slice(0, MOST_TOPICS);
  }

  #subscribe() {
    const topics = this.#wanted();
    if (topics.join(" ") === this.#topics) return;
    this.#topics = topics.join(" ");
    this.connection.subscribe(topics);
  }

  #showRows(button) {
    const region = button?.closest("[data-region]");
    if (!region) return;
    document.addEventListener("regions:refreshed", () => firstRow(region.id)?.focus(), { once: true });
    this.regions.release(region);
  }
}

const firstRow = (id) => document.getElementById(id)?.querySelector("[data-rows] a[href], [data-rows] button");

function signInAddress() {
  return `${document.body.dataset.loginUrl}?next=${encodeURIComponent(location.pathname + location.search)}`;
}
