// Owns the connection: one WebSocket that comes back after every close, whatever its code.

import { delayBefore } from "./backoff.js";
import { readFrame } from "./frames.js";

const SILENCE_MS = 40_000; // the server beats every 15 s
const HEALTHY_MS = 20_000;

export class LiveConnection {
  #options;
  #socket = null;
  #retry = null;
  #watchdog = null;
  #stopped = false;
  #heardAt = 0;
  failures = 0;

  /** @param options {url, since(), topics(), onFrame(frame), onUp(), onDown(failures, code), Socket?, random?} */
  constructor(options) {
    this.#options = { Socket: globalThis.WebSocket, random: Math.random, ...options };
  }

  start() {
    this.#stopped = false;
    this.#open();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#drop();
  }

  /** Try now: the network is back, or the page is looked at again. A healthy connection is left alone. */
  retryNow() {
    if (this.#stopped || (this.#socket && Date.now() - this.#heardAt < HEALTHY_MS)) return;
    this.#drop();
    this.#open();
  }

  /** Something says that the network is gone; do not wait for the silence. */
  lost() {
    if (!this.#stopped && this.#socket) this.#down();
  }

  subscribe(topics) {
    this.#say({ type: "subscribe", topics });
  }

  #say(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #open() {
    clearTimeout(this.#retry);
    const socket = this.#connect();
    if (!socket) return this.#down();
    this.#socket = socket;
    this.#heardAt = Date.now();
    this.#expectSignOfLife();
    socket.onmessage = (message) => socket === this.#socket && this.#hear(message.data);
    socket.onclose = (event) => socket === this.#socket && this.#down(event.code);
  }

  #connect() {
    const { Socket, url, since, topics } = this.#options;
    const query = new URLSearchParams([["since", since()], ...topics().map((topic) => ["topic", topic])]);
    try {
      return new Socket(`${url}?${query}`);
    } catch {
      return null; // the address or a policy forbids WebSockets
    }
  }

  #hear(text) {
    this.#heardAt = Date.now();
    this.#expectSignOfLife();
    const frame = readFrame(text);
    if (!frame) return;
    if (frame.type === "beat") this.#say({ type: "beat" }); // proves that we read
    if (frame.type === "hello") {
      this.failures = 0;
      this.#options.onUp();
    }
    this.#options.onFrame(frame);
  }

  #expectSignOfLife() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#down(), SILENCE_MS);
  }

  #down(code) {
    this.#drop();
    if (this.#stopped) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), delayBefore(this.failures, this.#options.random));
    this.failures += 1;
    this.#options.onDown(this.failures, code);
  }

  #drop() {
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState < 2) socket.close();
  }
}

/** The address of the live feed as a WebSocket's. */
export function socketAddress(path, location = globalThis.location) {
  const address = new URL(path, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
