// How long to wait: pure functions, no clock of their own.

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/** Milliseconds before try number `attempt` (from 0): doubles up to 15 s; the random half spreads browsers apart. */
export function delayBefore(attempt, random = Math.random) {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + (random() * ceiling) / 2;
}

const SHORTEST_GAP_MS = 500;
const LONGEST_GAP_MS = 10_000;

/** Milliseconds between the starts of two refreshes: at most two a second, fewer when the server takes its time. */
export function gapAfter(tookMs) {
  return Math.min(LONGEST_GAP_MS, Math.max(SHORTEST_GAP_MS, 2 * tookMs));
}
