// Levels across a chart. One that has a field of a form stands where the field says, and can be dragged to write it;
// who does not drag types into the field, and the line follows.

import { words } from "./chart-words.js";

const NEAR_PX = 6;
const GRIP_PX = 28; // as in chart-plot.css
const HEADROOM = 1.25; // so that a line can always be dragged further up

export class Limits {
  #chart = null;
  #content = { limits: [], unit: "count" };
  #dragged = null;
  #distance = NaN; // of what the field that is being typed in carries along

  constructor(figure, plot, root) {
    Object.assign(this, { figure, plot, root });
    document.addEventListener("input", this.#hear);
    document.addEventListener("focusin", this.#remember);
    document.addEventListener("change", this.#carry, true); // before the form is checked
    plot.addEventListener("pointerdown", (event) => this.#grab(event));
    plot.addEventListener("pointermove", (event) => plot.toggleAttribute("data-at-limit", Boolean(this.#at(event))));
  }

  /** How far the axis of values must reach for the sake of the limits. */
  levels({ limits = [] }) {
    return limits.map((limit) => levelOf(limit) * (limit.field ? HEADROOM : 1)).filter(Number.isFinite);
  }

  /** Called by uPlot at each drawing. */
  draw(chart, content) {
    [this.#chart, this.#content] = [chart, content];
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const [index, limit] of this.#limits().entries()) {
      const level = levelOf(limit);
      const y = chart.valToPos(level, "y", true);
      const isSeen = Number.isFinite(y) && y >= bbox.top - 1 && y <= bbox.top + bbox.height + 1;
      this.#tell(index, limit, level);
      this.#place(index, limit, isSeen ? chart.valToPos(level, "y") : null);
      if (!isSeen) continue;
      ctx.strokeStyle = this.#colour(index);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  #limits() {
    return this.#content.limits ?? [];
  }

  #colour(index) {
    return getComputedStyle(this.figure.querySelectorAll("[data-chart-limit]")[index]).color;
  }

  #tell(index, limit, level) {
    const place = this.figure.querySelectorAll("[data-chart-limit-value]")[index];
    if (place && limit.field) place.textContent = Number.isFinite(level) ? exactly(level, this.#content.unit) : "–";
  }

  // The grip at the right end of a line that can be dragged.
  #place(index, limit, top) {
    let grip = this.root.getElementById(`grip-${index}`);
    if (!grip && fieldOf(limit)) {
      grip = Object.assign(document.createElement("div"), { id: `grip-${index}`, className: "grip", ariaHidden: "true" });
      this.root.append(grip);
    }
    if (!grip) return;
    grip.hidden = top === null || !fieldOf(limit);
    grip.style.top = `${this.#chart.over.offsetTop + (top ?? 0)}px`;
    grip.style.right = `${index * GRIP_PX}px`; // side by side, so that none hides another
    grip.style.color = this.#colour(index);
  }

  /** The limit that the pointer is at: on its grip, or with a mouse on its line. */
  #at(event) {
    if (!this.#chart) return null;
    const grip = event.composedPath().find((node) => node.className === "grip");
    if (grip) return this.#limits()[Number(grip.id.slice("grip-".length))];
    if (event.pointerType !== "mouse") return null;
    const y = this.#heightOf(event);
    return this.#limits().find((limit) => fieldOf(limit) && Math.abs(this.#chart.valToPos(levelOf(limit), "y") - y) <= NEAR_PX);
  }

  #heightOf(event) {
    return event.clientY - this.#chart.over.getBoundingClientRect().top;
  }

  #grab(event) {
    const limit = event.button === 0 && this.#at(event);
    if (!limit || !fieldOf(limit)) return;
    event.preventDefault();
    const taken = new AbortController();
    const distance = distanceOf(limit);
    const drag = (moved) => this.#drag(limit, moved, distance);
    const end = () => {
      taken.abort();
      this.#dragged = null;
      fieldOf(limit).dispatchEvent(new Event("change", { bubbles: true }));
      this.#chart.setData(this.#chart.data); // the axis may have to reach further now
    };
    this.#dragged = limit;
    for (const [name, listener] of [["pointermove", drag], ["pointerup", end], ["pointercancel", end]]) {
      document.addEventListener(name, listener, { signal: taken.signal });
    }
  }

  #drag(limit, event, distance) {
    const { over, scales } = this.#chart;
    const y = Math.min(over.clientHeight, Math.max(0, this.#heightOf(event)));
    const perPixel = (scales.y.max - scales.y.min) / over.clientHeight / limit.factor;
    const field = fieldOf(limit);
    const value = rounded(this.#chart.posToVal(y, "y") / limit.factor, perPixel);
    if (Number.isFinite(distance)) carriedBy(limit).value = rounded(Math.max(0, Number(value) + distance), perPixel);
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #remember = ({ target }) => {
    const limit = this.#limits().find((each) => each.field === target.id);
    this.#distance = limit ? distanceOf(limit) : NaN;
  };

  // Who types another limit moves what it carries along, as who drags it does.
  #carry = ({ target }) => {
    const limit = this.#limits().find((each) => each.field === target.id);
    const carried = limit && !this.#dragged && carriedBy(limit);
    const value = Number.parseFloat(target.value) + this.#distance;
    if (!carried || !Number.isFinite(value)) return;
    carried.value = String(Number(Math.max(0, value).toPrecision(12)));
    carried.dispatchEvent(new Event("input", { bubbles: true }));
  };

  #hear = ({ target }) => {
    if (!this.figure.isConnected) this.#leave();
    else if (this.#chart && this.#limits().some((limit) => limit.field === target.id)) {
      if (this.#dragged) this.#chart.redraw(false);
      else this.#chart.setData(this.#chart.data);
    }
  };

  #leave() {
    document.removeEventListener("input", this.#hear);
    document.removeEventListener("focusin", this.#remember);
    document.removeEventListener("change", this.#carry, true);
  }
}

const fieldOf = (limit) => (limit.field ? document.getElementById(limit.field) : null);

const carriedBy = (limit) => (limit.carries ? document.getElementById(limit.carries) : null);

const distanceOf = (limit) => Number.parseFloat(carriedBy(limit)?.value) - Number.parseFloat(fieldOf(limit)?.value);

/** Where the limit stands; NaN while its field says no number. */
function levelOf(limit) {
  const field = fieldOf(limit);
  return field ? Number.parseFloat(field.value) * limit.factor : limit.value;
}

/** A number as exact as a pixel: the next of 1, 2, 5 and their tenfolds. */
export function rounded(value, perPixel) {
  const power = Math.floor(Math.log10(perPixel));
  const step = [1, 2, 5, 10].map((digit) => digit * 10 ** power).find((size) => size >= perPixel * 0.999);
  return String(Number((Math.round(value / step) * step).toFixed(Math.max(0, -power))));
}

function exactly(level, unit) {
  const plain = (value) => String(Number(value.toPrecision(6)));
  if (unit === "share") return `${plain(level * 100)} %`;
  if (unit === "seconds" && level < 60) return `${plain(level)} s`;
  return unit === "percent" ? `${plain(level)} %` : words(level, unit);
}
