// Stretches of time behind the lines of a chart, each kind in the colour of its swatch in the legend.

const STRENGTH = 0.22; // as in charts.css
const NARROWEST_PX = 2;

/** Draws what `shades` says: for each swatch a list of stretches, from and to in seconds. */
export function drawShades({ ctx, bbox, valToPos }, figure, shades = []) {
  const swatches = figure.querySelectorAll("[data-chart-shade]");
  ctx.save();
  ctx.globalAlpha = STRENGTH;
  for (const [index, stretches] of shades.entries()) {
    if (!swatches[index]) continue;
    ctx.fillStyle = getComputedStyle(swatches[index]).color;
    ctx.beginPath(); // one for all, so that those that touch are no darker
    for (const [since, until] of stretches) {
      const left = Math.max(bbox.left, valToPos(since, "x", true));
      const right = Math.min(bbox.left + bbox.width, valToPos(until, "x", true));
      if (right >= left) ctx.rect(left, bbox.top, Math.max(NARROWEST_PX, right - left), bbox.height);
    }
    ctx.fill();
  }
  ctx.restore();
}
