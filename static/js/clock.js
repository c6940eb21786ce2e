// Relative times stay true while the page is open; the words are those of orchestra/kernel/wording.py.

const UNITS = [[86_400, "d"], [3_600, "h"], [60, "m"]];
const EVERY_MS = 10_000;

/** A length of time in its largest whole unit: `59 s`, `4 m`, `23 h`, `12 d`. */
export function oneUnit(seconds) {
  const [size, unit] = UNITS.find(([limit]) => seconds >= limit) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** How far `moment` lies from `now` (both in milliseconds): `just now`, `4 m ago`, `in 2 h`. */
export function distance(moment, now) {
  const seconds = (moment - now) / 1000;
  if (Math.abs(seconds) < 1) return "just now";
  const words = oneUnit(Math.abs(seconds));
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

export function startClock() {
  setInterval(tick, EVERY_MS);
  document.addEventListener("visibilitychange", tick);
}

function tick() {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const words = distance(Date.parse(element.dateTime), Date.now());
    if (element.textContent !== words) element.textContent = words;
  }
}
