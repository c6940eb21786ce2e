// Shortcuts: an element with data-key="a" is pressed by that key; "?" lists those of the page.

import { prefer } from "./http.js";

const TYPED_IN = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button], [type=submit])";
const NAMES = { Control: "Ctrl", Enter: "⏎" };

/** A key event as it is written in data-key: `a`, `?`, `Control+Enter`. */
export function combination(event) {
  const held = [(event.ctrlKey || event.metaKey) && "Control", event.altKey && "Alt"].filter(Boolean);
  return [...held, event.key].join("+");
}

export const isSingle = (keys) => !/^(Control|Alt)\+/.test(keys);

export function startKeys() {
  document.addEventListener("keydown", press);
  const list = document.getElementById("shortcuts");
  list?.addEventListener("toggle", () => list.open && fill(list.querySelector("[data-shortcut-list]")));
  list?.querySelector("[data-shortcut-switch]")?.addEventListener("change", (event) => switchTo(event.target.checked));
}

function press(event) {
  if (event.defaultPrevented || event.repeat || event.isComposing) return;
  const keys = combination(event);
  if (isSingle(keys) && (document.body.dataset.shortcuts === "off" || event.target.closest?.(TYPED_IN))) return;
  const element = targets().find((candidate) => candidate.dataset.key === keys);
  if (!element) return;
  event.preventDefault();
  if (element.matches(TYPED_IN)) element.focus();
  else element.click();
}

// While a dialog is open only its own keys count.
function targets() {
  const scope = document.querySelector("dialog:modal") ?? document;
  return [...scope.querySelectorAll("[data-key]")].filter(isUsable);
}

function isUsable(element) {
  return !element.disabled && (element.closest("[data-menu]") || element.checkVisibility());
}

function fill(place) {
  const pressed = [...document.querySelectorAll("[data-key]")].filter(isUsable);
  const noted = document.querySelectorAll("[data-key-note]"); // keys that a script of the page answers itself
  const entries = [...pressed, ...noted].flatMap((element) => [
    named("dt", labelOf(element)),
    keyHint(element.dataset.key ?? element.dataset.keyNote),
  ]);
  place.replaceChildren(...entries);
}

function labelOf(element) {
  if (element.dataset.keyLabel) return element.dataset.keyLabel;
  const copy = element.cloneNode(true);
  for (const hint of copy.querySelectorAll(".keys, svg")) hint.remove();
  return element.getAttribute("aria-label") || copy.textContent.trim();
}

function keyHint(keys) {
  const place = document.createElement("dd");
  place.className = "keys";
  place.append(...keys.split("+").map((key) => named("kbd", NAMES[key] ?? key.toUpperCase())));
  return place;
}

function named(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function switchTo(on) {
  document.body.dataset.shortcuts = on ? "on" : "off";
  prefer({ shortcuts: on ? "on" : "off" });
}
