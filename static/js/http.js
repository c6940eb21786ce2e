// Requests to our own server: with the token against forgery, and errors that say what to do.

/** An answer that was not a success. `signedOut` asks for a sign-in, `retryAfterMs` for patience. */
export class Refused extends Error {
  constructor(response, detail) {
    super(detail || `The server answered ${response.status}.`);
    this.status = response.status;
    this.signedOut = response.status === 401 || isSignIn(response);
    const seconds = Number(response.headers.get("Retry-After"));
    if (seconds > 0) this.retryAfterMs = seconds * 1000;
  }
}

function isSignIn(response) {
  return response.redirected && new URL(response.url).pathname === document.body.dataset.loginUrl;
}

/**
 * The regions named `ids` of this page, as HTML. `seen` says where lists among them began (`{id: data-seen}`), `known`
 * is the last event that this page has heard of: the answer shows it.
 */
export function fetchRegions(ids, seen = {}, known = 0) {
  const began = Object.entries(seen).map(([id, value]) => `${id}=${value}`).join(" ");
  const headers = { "X-Regions": ids.join(" "), ...(began && { "X-Seen": began }), ...(known && { "X-Known": known }) };
  return fetchHtml(location.href.split("#")[0], headers);
}

/** The region `id` of the page at `url`, as HTML. */
export function fetchPart(url, id, signal) {
  return fetchHtml(url, { "X-Regions": id }, signal);
}

async function fetchHtml(url, headers, signal) {
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if (!response.ok || isSignIn(response)) throw new Refused(response);
  return response.text();
}

/** The JSON at `url`. */
export async function fetchJson(url) {
  const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!response.ok || isSignIn(response)) throw new Refused(response);
  return response.json();
}

/** POSTs `fields` (an object or FormData) as a form; the answer's JSON, or null if it has none. */
export async function post(url, fields, { headers = {}, keepalive = false } = {}) {
  const body = new URLSearchParams(fields instanceof FormData ? [...fields].filter(([, value]) => typeof value === "string") : fields);
  const token = document.querySelector("meta[name=csrf-token]").content;
  const response = await fetch(url, {
    method: "POST",
    body,
    keepalive,
    headers: { "X-CSRFToken": token, "X-Requested-With": "fetch", Accept: "application/json", ...headers },
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok || isSignIn(response)) throw Object.assign(new Refused(response, answer?.detail), { answer });
  return answer;
}

/** Keeps a preference of this person; without a connection it holds for this page only. */
export function prefer(fields) {
  const url = document.body.dataset.preferencesUrl;
  return url ? post(url, fields).catch(() => null) : Promise.resolve(null);
}
