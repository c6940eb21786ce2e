// Text that a call is still writing: htmx asks for it again and again; here is when not to, and what stays in view.

import { FREE, holdOf } from "./morph.js";

const LIVE = "[data-live-text]";
const NEAR_PX = 24;

export function startLiveText() {
  document.addEventListener("htmx:beforeRequest", (event) => {
    const text = event.target.closest?.(LIVE);
    if (text && (document.hidden || isPaused() || holdOf(text) !== FREE)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const text = event.target.closest?.(LIVE);
    if (text && holdOf(text) !== FREE) event.detail.shouldSwap = false; // selected while we asked
    if (text) remember(text);
  });
  document.addEventListener("htmx:afterSwap", () => follow());
  document.addEventListener("regions:refreshed", () => {
    for (const text of document.querySelectorAll(LIVE)) globalThis.htmx.process(text); // a region may have brought it
    follow();
  });
  follow();
}

const reading = new Set(); // ids of texts whose reader has scrolled up, and is left there

const isPaused = () => document.getElementById("live-state")?.dataset.state === "paused";

function remember(text) {
  const pre = text.querySelector("pre");
  const isAtEnd = !pre || pre.scrollHeight - pre.scrollTop - pre.clientHeight < NEAR_PX;
  reading[isAtEnd ? "delete" : "add"](text.id);
}

function follow() {
  for (const text of document.querySelectorAll(LIVE)) {
    const pre = text.querySelector("pre");
    if (pre && !reading.has(text.id)) pre.scrollTop = pre.scrollHeight;
  }
}
