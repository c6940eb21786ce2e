// Charts: drawn once by uPlot within a shadow root, which live updates never touch, and brought up to date in place.

import { Limits } from "./chart-limits.js";
import { columnsOf, optionsOf } from "./chart-options.js";
import { drawShades } from "./chart-shades.js";
import { timesIn, words } from "./chart-words.js";

const views = new WeakMap();
const MARK_WIDTH = 24; // as in charts.css
let library = null;

export function startCharts() {
  drawAll();
  document.addEventListener("regions:refreshed", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  new MutationObserver(repaintAll).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaintAll);
}

const figures = () => [...document.querySelectorAll("[data-chart]")];

async function drawAll() {
  const shown = figures();
  if (!shown.length) return;
  library ??= load(shown[0].dataset.chartLibrary);
  for (const figure of shown) views.get(figure)?.update(); // at once: what an update has reset must not be seen
  await library;
  for (const figure of figures()) if (!views.get(figure)?.isWhole) views.set(figure, new View(figure));
  document.documentElement.dataset.charts = "";
}

function repaintAll() {
  for (const figure of figures()) views.get(figure)?.repaint();
}

function load(address) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: address, onload: resolve, onerror: reject });
    document.head.append(script);
  });
}

class View {
  #text;
  #content;
  #drawn = null;
  #index = null; // the point that the keyboard is at

  constructor(figure) {
    this.figure = figure;
    this.plot = figure.querySelector("[data-chart-plot]");
    this.root = this.plot.shadowRoot ?? this.plot.attachShadow({ mode: "open" });
    this.times = timesIn(figure.dataset.chartZone);
    this.#read();
    this.#furnish();
  }

  /** Whether what was drawn is still in the page. */
  get isWhole() {
    return this.plot.isConnected && this.figure.contains(this.plot);
  }

  /** Takes in what an update of the page has brought; the cursor stays where it is. */
  update() {
    if (!this.isWhole || !this.#drawn) return;
    if (this.#text !== this.figure.dataset.chart) {
      const [before, at] = [this.#content, this.#content.times[this.#index]];
      this.#read();
      if (isAlike(before, this.#content)) this.#drawn.setData(columnsOf(this.#content));
      else this.#draw();
      if (this.#index !== null) queueMicrotask(() => this.#go(this.#content.times.indexOf(at))); // once uPlot has its scales
    }
    this.#place();
    this.#show();
  }

  repaint() {
    this.#drawn?.redraw(false);
  }

  #read() {
    this.#text = this.figure.dataset.chart;
    this.#content = JSON.parse(this.#text);
  }

  #furnish() {
    const styles = this.figure.dataset.chartStyles.split(" ").map((href) => Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
    this.box = Object.assign(document.createElement("div"), { className: "plot", ariaHidden: "true" });
    this.said = Object.assign(document.createElement("p"), { className: "said", role: "status" });
    const loaded = styles.map((link) => new Promise((resolve) => Object.assign(link, { onload: resolve, onerror: resolve })));
    this.root.replaceChildren(...styles, this.box, document.createElement("slot"), this.said);
    this.plot.addEventListener("keydown", (event) => this.#press(event));
    this.plot.addEventListener("blur", () => this.#go(null));
    this.limits = new Limits(this.figure, this.plot, this.root);
    Promise.all(loaded).then(() => {
      this.#draw();
      new ResizeObserver(() => this.#resize()).observe(this.plot);
    });
  }

  #draw() {
    this.#drawn?.destroy();
    const onClear = (chart) => drawShades(chart, this.figure, this.#content.shades);
    const onDraw = (chart) => {
      this.limits.draw(chart, this.#content);
      if (this.#drawn) this.#drawMarks(chart);
    };
    const handlers = { ...this.#size(), reach: () => this.limits.levels(this.#content), onCursor: () => this.#show(), onClear, onDraw };
    this.#drawn = new globalThis.uPlot(optionsOf(this.figure, this.#content, handlers), columnsOf(this.#content), this.box);
  }

  #size() {
    return { width: this.plot.clientWidth, height: this.plot.clientHeight };
  }

  #resize() {
    const size = this.#size();
    if (!size.width || (size.width === this.#drawn.width && size.height === this.#drawn.height)) return;
    this.#drawn.setSize(size);
  }

  #marks() {
    return [...this.plot.querySelectorAll("[data-chart-mark]")];
  }

  // Puts the marks above their moments, the latest first, each clear of the one after it; those that are outside the
  // drawing, or find no room, are only in the table.
  #place() {
    const width = this.plot.clientWidth;
    let room = Infinity;
    for (const mark of this.#marks().sort((one, other) => other.dataset.chartMark - one.dataset.chartMark)) {
      const moment = this.#leftOf(mark);
      const left = Math.min(moment, room);
      mark.parentElement.hidden = moment < 0 || moment > width || left < 0;
      if (mark.parentElement.hidden) continue;
      room = left - MARK_WIDTH;
      mark.style.left = `${left - MARK_WIDTH / 2}px`;
      mark.dataset.side = left > width / 2 ? "left" : "right";
    }
  }

  #leftOf(mark) {
    return this.#drawn.over.offsetLeft + this.#drawn.valToPos(Number(mark.dataset.chartMark), "x");
  }

  #drawMarks({ ctx, bbox, valToPos }) {
    this.#place();
    ctx.save();
    ctx.setLineDash([2, 3]);
    for (const mark of this.#marks()) {
      const x = Math.round(valToPos(Number(mark.dataset.chartMark), "x", true)) + 0.5;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = getComputedStyle(mark).color;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  #press(event) {
    if (event.target !== this.plot || event.ctrlKey || event.altKey || event.metaKey) return;
    const last = this.#content.times.length - 1;
    const at = this.#index ?? last + 1;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#go(to === null ? null : Math.min(last, Math.max(0, to)), { aloud: true });
  }

  /** Puts the cursor on a point and says it; null takes it away. */
  #go(index, { aloud = false } = {}) {
    if (index === null && this.#index === null) return;
    this.#index = index === -1 ? this.#content.times.length - 1 : index;
    const left = index === null ? -10 : this.#drawn.valToPos(this.#content.times[this.#index], "x");
    this.#drawn.setCursor({ left, top: index === null ? -10 : 0 });
    if (aloud && index !== null) this.said.textContent = this.#spoken(this.#index);
  }

  #spoken(index) {
    const values = this.#content.lines.map((line) => `${line.label} ${words(line.values[index], this.#content.unit)}`);
    return `${this.times.clock(this.#content.times[index])}: ${values.join(", ")}`;
  }

  // The legend says the values at the cursor, else the latest.
  #show() {
    const index = this.#drawn?.cursor.idx;
    const { lines, times, unit } = this.#content;
    const texts = lines.map(({ values }) => words(index == null ? values.findLast((value) => value !== null) : values[index], unit));
    const places = this.figure.querySelectorAll("[data-chart-value]");
    for (const [number, place] of places.entries()) place.textContent = texts[number] ?? "";
    this.figure.querySelector("[data-chart-at]").textContent = index == null ? "" : this.times.clock(times[index]);
  }
}

const isAlike = (one, other) => one.unit === other.unit && one.lines.length === other.lines.length && one.limits?.length === other.limits?.length && one.lines.every((line, index) => line.shape === other.lines[index].shape);
