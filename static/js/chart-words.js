// The values and times of charts in words; the values as orchestra/kernel/charts.py says them.

const SIZES = ["B", "kB", "MB"];
const DAY_S = 86_400;

/** A length of time: `40 ms`, `1.2 s`, `13 s`, `3 m 20 s`, `1 h 59 m`. */
export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 0.0995) return `${(s * 1000).toFixed(0)} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return twoUnits(whole, 60, "m", 1, "s");
  if (whole < 3600) return `${Math.floor(whole / 60)} m`;
  return whole < DAY_S ? twoUnits(whole, 3600, "h", 60, "m") : twoUnits(whole, DAY_S, "d", 3600, "h");
}

/** A value of `unit` in words. */
export function words(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "seconds") return duration(value);
  if (unit === "share") return share(value * 100);
  if (unit === "bytes") return size(value);
  return unit === "percent" ? `${plain(value)} %` : plain(value);
}

/** A value beside a line of the grid, as exact as the `step` from line to line. */
export function onAxis(value, unit, step) {
  const digits = (size) => Math.max(0, -Math.floor(Math.log10(size) + 1e-9));
  if (unit === "seconds" && step < 0.1) return `${(value * 1000).toFixed(digits(step * 1000))} ms`;
  if (unit === "share") return `${(value * 100).toFixed(digits(step * 100))} %`;
  return unit === "percent" ? `${value.toFixed(digits(step))} %` : words(value, unit);
}

/** Says times in `zone`: `clock(seconds)` with the day, `axis(splits, step)` as short as the step allows. */
export function timesIn(zone) {
  const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  const time = format({ hour: "2-digit", minute: "2-digit" });
  const day = format({ day: "numeric", month: "short" });
  const say = (seconds, step) => {
    const at = new Date(seconds * 1000);
    const clock = time.format(at);
    return step >= DAY_S || clock === "00:00" ? day.format(at) : clock;
  };
  return {
    clock: (seconds) => `${day.format(seconds * 1000)}, ${time.format(seconds * 1000)}`,
    axis: (splits, step) => splits.map((split) => say(split, step)),
  };
}

function twoUnits(seconds, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((seconds % large) / small);
  const count = `${Math.floor(seconds / large)} ${largeUnit}`;
  return rest ? `${count} ${rest} ${smallUnit}` : count;
}

function share(hundredths) {
  return hundredths > 0 && hundredths < 1 ? `${hundredths.toFixed(2)} %` : `${hundredths.toFixed(0)} %`;
}

function plain(value) {
  if (Math.abs(value) >= 10 || Number.isInteger(value)) return Number(value.toFixed(0)).toLocaleString("en-US");
  return value.toFixed(1).replace(/\.0$/, "");
}

function size(value) {
  for (const unit of SIZES) {
    if (value < 1000) return `${plain(value)} ${unit}`;
    value /= 1000;
  }
  return `${plain(value)} GB`;
}
