// Chosen rows: by click, by Shift over a range, by x on the keyboard, or all that the filter finds. A choice outlives every refresh.

import { fetchRegions } from "./http.js";

const TYPED_IN = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])";

export function startSelection() {
  const bar = document.querySelector("[data-bulk]");
  if (bar) new Selection(bar).start();
}

/** How the number of chosen rows is said. `all` is the count of all that match, in words, if they all are chosen. */
export function countText({ count, elsewhere, all, noun, nouns }) {
  if (all) return `All ${all} matching ${nouns} selected`;
  const words = `${count} ${count === 1 ? noun : nouns} selected`;
  return elsewhere ? `${words}, ${elsewhere} not on this page` : words;
}

/** The values from `anchor` to `target` in `order`, both included; the target alone if the anchor is gone. */
export function between(order, anchor, target) {
  const ends = [order.indexOf(anchor), order.indexOf(target)].sort((a, b) => a - b);
  return ends[0] < 0 ? [target] : order.slice(ends[0], ends[1] + 1);
}

class Selection {
  #ids = new Set();
  #all = ""; // how many all are, in words; empty unless all that match are chosen
  #matching = null; // {count, words} of what matches, once it was asked for
  #anchor = "";

  constructor(bar) {
    this.bar = bar;
  }

  start() {
    document.addEventListener("mousedown", (event) => event.shiftKey && event.target.closest(".select") && event.preventDefault());
    document.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("click", (event) => this.#ask(event.target.closest("[data-bulk-action]")), { capture: true });
    document.addEventListener("keydown", (event) => this.#press(event));
    document.addEventListener("regions:refreshed", () => this.#show());
    this.bar.querySelector("[data-bulk-clear]").addEventListener("click", () => this.#clear());
    this.bar.querySelector("[data-bulk-all]").addEventListener("click", () => this.#chooseAll());
    this.bar.addEventListener("submit", () => this.#fill());
    this.#show();
  }

  #boxes() {
    return [...document.querySelectorAll("[data-select]")];
  }

  #clicked({ target, shiftKey }) {
    if (target.matches("[data-select-page]")) this.#choosePage(target.checked);
    else if (target.matches("[data-select]")) this.#choose(target.value, target.checked, shiftKey);
  }

  /** Chooses one row, or with `range` all from the last one that was chosen. */
  #choose(value, chosen, range) {
    this.#enumerate();
    const order = this.#boxes().map((box) => box.value);
    for (const id of range ? between(order, this.#anchor, value) : [value]) this.#ids[chosen ? "add" : "delete"](id);
    this.#anchor = value;
    this.#show();
  }

  #choosePage(chosen) {
    this.#enumerate();
    for (const box of this.#boxes()) this.#ids[chosen ? "add" : "delete"](box.value);
    this.#show();
    if (chosen) this.#count();
  }

  // All are no longer chosen once one of them is changed: what is left are the rows of this page.
  #enumerate() {
    if (this.#all) this.#ids = new Set(this.#boxes().map((box) => box.value));
    this.#all = "";
  }

  async #count() {
    const html = await fetchRegions(["bulk-matching"]).catch(() => "");
    const answer = new DOMParser().parseFromString(html, "text/html").getElementById("bulk-matching");
    this.#matching = answer && { count: Number(answer.dataset.count), words: answer.textContent.trim() };
    this.#show();
  }

  #chooseAll() {
    this.#all = this.#matching.words;
    this.#show();
    this.bar.querySelector("[data-bulk-action]")?.focus();
  }

  #clear() {
    this.#all = "";
    this.#ids.clear();
    this.#show();
    document.querySelector("[data-select-page]")?.focus();
  }

  #isChosen(box) {
    return Boolean(this.#all) || this.#ids.has(box.value);
  }

  #show() {
    const boxes = this.#boxes();
    for (const box of boxes) box.checked = this.#isChosen(box);
    const here = boxes.filter((box) => box.checked).length;
    const whole = boxes.length > 0 && here === boxes.length;
    const head = document.querySelector("[data-select-page]");
    if (head) Object.assign(head, { checked: whole, indeterminate: here > 0 && !whole });
    this.bar.hidden = !(this.#all || this.#ids.size);
    this.bar.querySelector("[data-bulk-count]").textContent = this.bar.hidden ? "" : this.#words(here);
    this.#offer(whole && !this.#all && this.#matching?.count > this.#ids.size);
  }

  #words(here) {
    return countText({ count: this.#ids.size, elsewhere: this.#ids.size - here, all: this.#all, ...this.bar.dataset });
  }

  #offer(offered) {
    const button = this.bar.querySelector("[data-bulk-all]");
    button.hidden = !offered;
    if (offered) button.textContent = `Select all ${this.#matching.words} matching`;
  }

  // The dialog says what will happen to how many, before it opens.
  #ask(button) {
    if (!button) return;
    const { bulkAction, says, needsReason, danger } = button.dataset;
    const label = button.textContent.trim().replace(/…$/, "");
    const { noun, nouns } = this.bar.dataset;
    const many = this.#all ? `all ${this.#all} matching ${nouns}` : `${this.#ids.size} ${this.#ids.size === 1 ? noun : nouns}`;
    const go = this.bar.querySelector("[data-bulk-go]");
    go.value = bulkAction;
    go.textContent = `${label} ${many}`;
    go.classList.toggle("btn-danger", danger !== undefined);
    go.classList.toggle("btn-primary", danger === undefined);
    this.bar.querySelector("#bulk-dialog-title").textContent = `${label} ${many}?`;
    this.bar.querySelector("[data-bulk-says]").textContent = says;
    this.bar.querySelector("[data-bulk-optional]").hidden = needsReason !== undefined;
    this.bar.querySelector("[name=reason]").required = needsReason !== undefined;
  }

  #fill() {
    const { ids, all } = this.bar.elements;
    all.value = this.#all ? "1" : "";
    ids.value = this.#all ? "" : [...this.#ids].join(",");
  }

  #press(event) {
    const plain = !(event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing);
    const free = document.body.dataset.shortcuts !== "off" && !document.querySelector("dialog:modal") && !event.target.closest?.(TYPED_IN);
    const act = { x: () => this.#toggle(false), X: () => this.#toggle(true), j: () => this.#step(1), k: () => this.#step(-1) }[event.key];
    if (!(plain && free && act) || !this.#boxes().length) return;
    event.preventDefault();
    act();
  }

  #toggle(range) {
    const box = this.#current() ?? this.#boxes()[0];
    this.#choose(box.value, range || !this.#isChosen(box), range);
  }

  #step(by) {
    const boxes = this.#boxes();
    const at = boxes.indexOf(this.#current());
    const next = boxes[at < 0 ? 0 : Math.min(Math.max(at + by, 0), boxes.length - 1)];
    (rowOf(next).querySelector("a[href]") ?? next).focus();
  }

  // The row that has the focus, or else the one pointed at.
  #current() {
    const boxes = this.#boxes();
    return boxes.find((box) => rowOf(box).contains(document.activeElement)) ?? boxes.find((box) => rowOf(box).matches(":hover"));
  }
}

const rowOf = (box) => box.closest("[data-rows] > *") ?? box.parentElement;
