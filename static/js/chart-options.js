// What uPlot is told: axes, scales and lines in the colours of the page, which are asked for anew at every drawing.

import { onAxis, timesIn } from "./chart-words.js";

const MOST_LABEL_CHARS = 8;
const HEADROOM = 1.08;
const FONT = "12px 'Inter Variable', system-ui, sans-serif";

/** @param figure the chart's element, whose legend and plot have the colours */
export function optionsOf(figure, content, { width, height, reach, onCursor, onClear, onDraw }) {
  const plot = figure.querySelector("[data-chart-plot]");
  const quiet = () => getComputedStyle(plot).color;
  const grid = () => ({ show: true, stroke: () => getComputedStyle(plot).borderTopColor, width: 1 });
  const times = timesIn(figure.dataset.chartZone);
  return {
    width,
    height,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, width: 2 } },
    tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1000), figure.dataset.chartZone),
    scales: { y: { range: (_, min, max) => [Math.min(0, min ?? 0, ...reach()), topOf(Math.max(max, ...reach()), content.unit)] } },
    axes: [
      { stroke: quiet, font: FONT, space: 64, size: 26, gap: 4, grid: { show: false }, ticks: { ...grid(), size: 4 },
        values: (_, splits, __, ___, step) => times.axis(splits, step) },
      { stroke: quiet, font: FONT, space: 36, gap: 6, size: (_, values) => axisSize(values), grid: grid(), ticks: { show: false },
        incrs: content.unit === "count" ? ROUND.filter((step) => step >= 1) : ROUND,
        values: (_, splits, __, ___, step) => splits.map((split) => onAxis(split, content.unit, step)) },
    ],
    series: [{}, ...content.lines.map((line, index) => lineOf(figure, line, index))],
    hooks: { setCursor: [onCursor], drawClear: [onClear], draw: [onDraw] },
  };
}

/** The columns of uPlot's data. */
export const columnsOf = (content) => [content.times, ...content.lines.map((line) => line.values)];

/** The colour of a line: that of its swatch in the legend. */
export function colourOf(figure, index) {
  const swatch = figure.querySelectorAll("[data-chart-swatch]")[index];
  return swatch ? getComputedStyle(swatch).color : "";
}

// Steps between the lines of the grid that read well: 1, 2, 5 and their tenfolds.
const ROUND = Array.from({ length: 18 }, (_, power) => [1, 2, 5].map((digit) => Number(`${digit}e${power - 5}`))).flat();

function lineOf(figure, line, index) {
  const { stepped } = globalThis.uPlot.paths;
  return {
    label: line.label,
    stroke: () => colourOf(figure, index),
    width: line.shape === "dashed" ? 1.25 : 1.75,
    dash: line.shape === "dashed" ? [6, 4] : undefined,
    paths: line.shape === "steps" ? stepped({ align: 1 }) : undefined,
    points: { show: false, size: 4, filter: (chart, number) => alone(chart.data[number]) },
  };
}

// A value between two gaps makes no line, so it is drawn as a point.
function alone(values) {
  const lonely = (value, index) => value != null && values[index - 1] == null && values[index + 1] == null;
  return values.flatMap((value, index) => (lonely(value, index) ? [index] : []));
}

function topOf(max, unit) {
  if (!max) return unit === "seconds" ? 0.1 : 1;
  return unit === "share" ? Math.min(1, max * HEADROOM) : max * HEADROOM;
}

function axisSize(values) {
  const longest = Math.max(3, ...(values ?? []).map((value) => value?.length ?? 0));
  return 14 + 6.5 * Math.min(longest, MOST_LABEL_CHARS);
}
