// The editor of definitions: checked by the server while one types. The text, its caret and its scroll are the person's alone.

import { Draft, forgetPublished } from "./editor-draft.js";
import { lineOfStep, placed, rangeOfLine } from "./editor-text.js";
import { startTabKey, type } from "./editor-typing.js";
import { post } from "./http.js";

const PAUSE_MS = 400;

export function startEditor() {
  const form = document.querySelector("[data-editor]");
  if (form) new Editor(form).start();
  const published = document.querySelector("[data-published-name]");
  if (published && location.hash === "#published") {
    forgetPublished(published.dataset.publishedName);
    history.replaceState(history.state, "", location.pathname + location.search);
  }
}

class Editor {
  #timer = null;
  #asked = 0;
  #shown = "";

  constructor(form) {
    this.form = form;
    this.area = form.querySelector("[data-editor-text]");
    this.gutter = this.part("gutter");
    this.draft = new Draft(form.dataset.name, form.dataset.upon);
    this.lines = this.marked();
  }

  part(name) {
    return this.form.querySelector(`[data-editor-${name}]`);
  }

  start() {
    for (const element of this.form.querySelectorAll("[data-editor-script]")) element.hidden = false;
    this.area.addEventListener("input", () => this.changed());
    this.area.addEventListener("scroll", () => (this.gutter.scrollTop = this.area.scrollTop));
    this.form.addEventListener("click", (event) => this.clicked(event));
    this.form.addEventListener("submit", (event) => event.defaultPrevented || this.draft.keep(this.area.value, true));
    startTabKey(this.area, this.part("tab"));
    this.number();
    this.offerDraft();
    if (this.area.value !== this.area.defaultValue) this.changed(); // the browser brought an older text back
  }

  changed() {
    this.number();
    if (this.area.value === this.area.defaultValue && this.form.dataset.bound === undefined) this.draft.forget();
    else this.draft.later(this.area.value);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.check(), PAUSE_MS);
  }

  async check() {
    const asked = ++this.#asked;
    const { checkUrl, name } = this.form.dataset;
    const answer = await post(checkUrl, { source: this.area.value, name }).catch((error) => ({ error }));
    if (asked !== this.#asked) return; // a newer text is being checked
    if (answer.error) return this.say(`Not checked${answer.error.signedOut ? ": you are signed out, the text is kept in this browser" : `: ${answer.error.message}`}`);
    this.say(answer.words);
    this.lines = new Set(answer.lines);
    put(this.part("findings"), answer.findings);
    if (answer.graph) put(this.part("graph"), answer.graph);
    this.part("stale").hidden = Boolean(answer.graph) || !this.part("graph").querySelector("svg");
    this.number();
  }

  say(words) {
    const place = this.part("words");
    if (place.textContent !== words) place.textContent = words;
  }

  marked() {
    return new Set([...this.form.querySelectorAll("[data-line]")].map((link) => Number(link.dataset.line)));
  }

  /** The numbers of the lines, those with a fault marked. */
  number() {
    const count = this.area.value.split("\n").length;
    const shown = `${count}:${[...this.lines]}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.gutter.replaceChildren(...Array.from({ length: count }, (_, index) => numbered(index + 1, this.lines.has(index + 1))));
    this.gutter.scrollTop = this.area.scrollTop;
  }

  clicked(event) {
    const { target } = event;
    const line = Number(target.closest("[data-line]")?.dataset.line) || this.lineOfNode(target.closest("[data-node]"));
    const sample = target.closest("[data-sample]");
    if (line) {
      event.preventDefault();
      this.jump(line);
    } else if (sample) this.insert(placed(this.area.value, sample.dataset.sample));
    else if (target.closest("[data-editor-restore]")) this.restore();
    else if (target.closest("[data-editor-discard]")) this.discard();
  }

  lineOfNode(node) {
    const name = node?.getAttribute("href").split("#step-")[1];
    return name ? lineOfStep(this.area.value, decodeURIComponent(name).split(".")[0]) : 0;
  }

  jump(line) {
    const [start, end] = rangeOfLine(this.area.value, line);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(start, end);
    const height = parseFloat(getComputedStyle(this.area).lineHeight);
    this.area.scrollTop = Math.max(0, (line - 1) * height - this.area.clientHeight / 3);
    this.area.scrollLeft = 0;
    this.area.closest(".editor-box").scrollIntoView({ block: "nearest" });
  }

  insert({ at, text }) {
    const line = this.area.value.slice(0, at).split("\n").length + (/^\n+/.exec(text)?.[0].length ?? 0);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(at, at);
    type(this.area, text);
    this.jump(line);
  }

  offerDraft() {
    const kept = this.draft.kept;
    if (!kept || kept.text === this.area.value) return;
    this.part("draft-age").textContent = `, ${kept.age} old`;
    this.part("draft").hidden = false;
  }

  restore() {
    const kept = this.draft.kept;
    this.part("draft").hidden = true;
    this.area.focus();
    if (!kept) return;
    this.form.elements.upon.value = this.draft.upon = kept.upon; // a version published since then shows when it is sent
    this.area.select();
    type(this.area, kept.text);
    this.area.setSelectionRange(0, 0);
    this.area.scrollTop = 0;
  }

  discard() {
    this.draft.forget();
    this.part("draft").hidden = true;
    this.area.focus();
  }
}

function numbered(number, marked) {
  const line = document.createElement("span");
  line.textContent = number;
  line.toggleAttribute("data-marked", marked);
  return line;
}

function put(place, html) {
  globalThis.Idiomorph.morph(place, html, { morphStyle: "innerHTML" });
}
