// The command palette: go to a room, do something, or find an object, all from one line. The input keeps the focus; arrows choose.

import { fetchPart } from "./http.js";
import { recall } from "./recent.js";

const PAUSE_MS = 150;
const MOST_SHOWN = 7; // of rooms and commands while nothing is typed, so that the recent ones are in sight

export function startPalette() {
  const dialog = document.querySelector("[data-palette]");
  if (dialog) new Palette(dialog).start();
}

/** Entries whose label has every word of `text`, those that begin with it first. */
export function matching(entries, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter(({ label }) => words.every((word) => label.toLowerCase().includes(word)));
  const begins = ({ label }) => label.toLowerCase().startsWith(words.join(" "));
  return [...found.filter(begins), ...found.filter((entry) => !begins(entry))];
}

class Palette {
  #entries = []; // as shown, with their elements
  #chosen = null;
  #moved = false;
  #found = [];
  #timer = null;
  #asking = null;

  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("input");
    this.list = dialog.querySelector("[role=listbox]");
    this.count = dialog.querySelector("[data-palette-count]");
  }

  start() {
    this.dialog.addEventListener("toggle", (event) => event.newState === "open" && this.#show());
    this.dialog.addEventListener("close", () => this.#clear());
    this.input.addEventListener("input", () => this.#typed());
    this.dialog.addEventListener("keydown", (event) => this.#press(event));
    this.list.addEventListener("click", (event) => this.#run(event, this.#entryAt(event.target)));
    this.list.addEventListener("mousemove", (event) => this.#choose(this.#entryAt(event.target), { moved: true }));
  }

  /** For the next time: not when it opens, since "toggle" comes late and would take what was typed by then. */
  #clear() {
    this.#stop();
    this.input.value = "";
    this.#found = [];
    this.#moved = false;
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  #typed() {
    this.#stop();
    this.#found = [];
    this.#moved = false;
    this.#show();
    const text = this.input.value.trim();
    if (text) this.#timer = setTimeout(() => this.#search(text), PAUSE_MS);
  }

  async #search(text) {
    this.#asking = new AbortController();
    const url = `${this.dialog.dataset.searchUrl}?${new URLSearchParams({ q: text })}`;
    const html = await fetchPart(url, "palette-found", this.#asking.signal).catch(() => "");
    if (this.input.value.trim() !== text) return;
    this.#found = readFound(html);
    this.#show();
  }

  #groups() {
    const text = this.input.value.trim();
    if (!text) return [["Recent", recall()], ["Go to", rooms()], ["Do", commands(this.dialog).slice(0, MOST_SHOWN)]];
    const everything = { label: `Search everything for “${text}”`, href: `${this.dialog.dataset.searchUrl}?${new URLSearchParams({ q: text })}`, icon: "search" };
    return [["Go to", matching(rooms(), text)], ["Do", matching(commands(this.dialog), text)], ...this.#found, ["", [everything]]];
  }

  #show() {
    const before = this.#moved && this.#chosen ? keyOf(this.#chosen) : "";
    this.#entries = [];
    const groups = this.#groups().filter(([, entries]) => entries.length);
    this.list.replaceChildren(...groups.map(([label, entries], index) => this.#group(label, entries, index)));
    this.#choose(this.#entries.find((entry) => keyOf(entry) === before) ?? this.#entries[0]);
    const words = `${this.#entries.length} suggestion${this.#entries.length === 1 ? "" : "s"}`;
    if (this.count.textContent !== words) this.count.textContent = words;
  }

  #group(label, entries, index) {
    const group = element("div", { role: "group", className: "palette-group" });
    if (label) {
      const id = `palette-group-${index}`;
      group.append(element("div", { id, className: "section-label", textContent: label }));
      group.setAttribute("aria-labelledby", id);
    } else group.setAttribute("aria-label", "More");
    for (const entry of entries) group.append(this.#option(entry));
    return group;
  }

  #option(entry) {
    const option = element(entry.href ? "a" : "div", { id: `palette-${this.#entries.length}`, role: "option", className: "palette-option" });
    if (entry.href) Object.assign(option, { href: entry.href, tabIndex: -1 });
    option.setAttribute("aria-selected", "false");
    if (entry.icon) option.append(this.#icon(entry.icon));
    option.append(element("span", { className: "palette-label clip", textContent: entry.label }));
    if (entry.detail) option.append(element("span", { className: "palette-detail clip", textContent: entry.detail }));
    this.#entries.push({ ...entry, option });
    return option;
  }

  #icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(svg.namespaceURI, "use");
    use.setAttribute("href", name.includes("#") ? name : `${this.dialog.dataset.icons}#${name}`);
    svg.append(use);
    return svg;
  }

  #entryAt(target) {
    const option = target.closest("[role=option]");
    return this.#entries.find((entry) => entry.option === option);
  }

  #choose(entry, { moved = false } = {}) {
    if (!entry && moved) return;
    this.#chosen?.option.setAttribute("aria-selected", "false");
    this.#chosen = entry ?? null;
    this.#moved ||= moved;
    if (!entry) return this.input.removeAttribute("aria-activedescendant");
    entry.option.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", entry.option.id);
  }

  #press(event) {
    const { key } = event;
    if (key === "k" && (event.ctrlKey || event.metaKey)) this.dialog.close();
    else if (event.target !== this.input || event.isComposing) return;
    else if (key === "ArrowDown" || key === "ArrowUp") this.#step(key === "ArrowDown" ? 1 : -1);
    else if (key === "Enter" && this.#chosen) this.#chosen.option.click();
    else return;
    event.preventDefault();
  }

  #step(by) {
    const at = this.#entries.indexOf(this.#chosen);
    this.#choose(this.#entries.at((at + by) % this.#entries.length), { moved: true });
    this.#chosen?.option.scrollIntoView({ block: "nearest" });
  }

  // A link leads where it says by itself; a command presses what the page has for it, with the palette out of the way.
  #run(event, entry) {
    if (!entry || entry.href) return;
    event.preventDefault();
    this.dialog.close();
    entry.press();
  }
}

const keyOf = ({ href, label }) => href ?? label;

function element(tag, properties) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) if (name !== "role") made[name] = value;
  if (properties.role) made.setAttribute("role", properties.role);
  return made;
}

function rooms() {
  return [...document.querySelectorAll(".bar-room")].map((link) => ({
    label: link.querySelector(".bar-text").textContent.trim(),
    href: link.getAttribute("href"),
    icon: link.querySelector("use")?.getAttribute("href"),
  }));
}

function commands(dialog) {
  const own = [...document.querySelectorAll(".page-head-actions a.btn[href]")].map((link) => ({ label: link.textContent.trim(), href: link.getAttribute("href"), icon: link.querySelector("use")?.getAttribute("href") }));
  const offered = [...dialog.querySelectorAll("[data-palette-commands] a")].map(readLink);
  const here = [...document.querySelectorAll("[data-command]")].filter((control) => !control.hidden).map((control) => ({
    label: control.dataset.command,
    icon: control.dataset.icon,
    press: () => control.click(),
  }));
  const all = [...own, ...offered, ...here];
  return all.filter((entry, index) => !entry.href || all.findIndex((other) => other.href === entry.href) === index);
}

const readLink = (link) => ({ label: link.textContent.trim(), href: link.getAttribute("href"), detail: link.dataset.detail, icon: link.dataset.icon });

function readFound(html) {
  const lists = new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-group]");
  return [...lists].map((list) => [list.dataset.group, [...list.querySelectorAll("a")].map((link) => ({ ...readLink(link), icon: list.dataset.icon }))]);
}
